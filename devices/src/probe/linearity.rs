//! Linearity of the channels of a device.

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use super::drift::ReferenceShots;
use super::line::Line;
use super::repeatability::Repeatability;
use super::session::Session;
use super::timing::Timing;
use crate::{Channels, DeviceError};

/// The outputs' response to each channel, with the others near the middle of their ranges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Linearity {
    /// A sweep of each channel, or of as many as the time allowed.
    pub sweeps: Vec<ChannelSweep>,
    /// Number of channels, swept or not.
    pub channels: usize,
}

/// Whether a channel is an input or a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChannelKind {
    /// It carries data.
    Input,
    /// It carries a trainable parameter.
    Parameter,
}

/// One channel swept over its range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChannelSweep {
    /// Its side.
    pub side: ChannelKind,
    /// Its name.
    pub channel: String,
    /// Its unit.
    pub unit: String,
    /// Its values, in its unit.
    pub levels: Vec<f32>,
    /// The output with the largest response, relative to that output's noise.
    pub output: String,
    /// Mean readings of that output, in its unit.
    pub readings: Vec<f32>,
    /// Slope of the line through them, in the output's unit over the channel's.
    pub gain: f32,
    /// Root mean square of the readings about that line over their span, without the noise: 0 for a linear
    /// channel, 0.4 for a parabola without slope.
    pub nonlinearity: f32,
    /// Span of the readings in standard deviations of their noise.
    pub visibility: f32,
}

/// Pure noise spans fewer standard deviations than this, also in the largest of many outputs.
const SEEN: f32 = 6.0;

impl ChannelSweep {
    /// Whether any output responds to the channel.
    #[must_use]
    pub fn is_seen(&self) -> bool {
        self.visibility > SEEN
    }
}

/// Values of a sweep.
const LEVELS: usize = 9;
/// Most shots of each value; a slow device plays fewer, or none.
const REPEATS: usize = 8;
/// Most channels of a side that are swept.
const CHANNELS: usize = 64;
/// The channels that are not swept are within this share of their ranges about the middle: exactly at the
/// middle, where drives are zero, many devices do not respond.
const REST: f32 = 0.5;
/// How often the reference shots of the drift are measured during the sweeps.
const REFERENCES: usize = 16;

impl Linearity {
    pub(super) fn measure(
        session: &mut Session<'_>,
        repeatability: &Repeatability,
        timing: &Timing,
        seconds: f64,
        reference: &mut ReferenceShots,
        mut progress: impl FnMut(f64),
    ) -> Result<Self, DeviceError> {
        let until = session.start.elapsed().as_secs_f64() + seconds;
        let interface = session.device.interface().clone();
        let inputs = session.within(&interface.inputs, REST);
        let parameters = session.within(&interface.parameters, REST);
        let left = seconds - 2.0 * reference.seconds(timing);
        // The levels of an input are one batch; each level of a parameter is a batch.
        let sweep_takes = |repeats: usize| {
            let of_input = timing.seconds_of_batch(LEVELS * repeats);
            let of_parameter = LEVELS as f64 * timing.seconds_of_batch(repeats);
            if interface.parameters.is_empty() { of_input } else { of_input + of_parameter }
        };
        let repeats = (1..=REPEATS).rev().find(|repeats| sweep_takes(*repeats) <= left);
        let most = repeats.map_or(0, |repeats| (left / sweep_takes(repeats)) as usize);
        let (repeats, most) = (repeats.unwrap_or(1), most.min(CHANNELS));
        let swept: Vec<(ChannelKind, usize)> = chosen(&interface.inputs, most)
            .map(|channel| (ChannelKind::Input, channel))
            .chain(
                chosen(&interface.parameters, most)
                    .map(|channel| (ChannelKind::Parameter, channel)),
            )
            .collect();
        let mut sweeps = Vec::new();
        for (number, (side, channel)) in swept.iter().enumerate() {
            progress(number as f64 / swept.len() as f64);
            let remains = until - session.start.elapsed().as_secs_f64();
            let is_turn = number % (swept.len() / REFERENCES).max(1) == 0;
            // On a slow device there is less time for the drift.
            if is_turn && reference.seconds(timing) < 0.1 * remains {
                reference.measure(session)?;
            }
            let plan = SweepPlan { side: *side, channel: *channel, repeats };
            sweeps.push(plan.measure(session, repeatability, &inputs, &parameters)?);
        }
        reference.measure(session)?;
        Ok(Self { sweeps, channels: interface.inputs.len() + interface.parameters.len() })
    }
}

/// At most `most` of the channels, evenly.
fn chosen(channels: &Channels, most: usize) -> impl Iterator<Item = usize> + use<> {
    let count = channels.len();
    let taken = count.min(most);
    (0..taken).map(move |number| number * count / taken)
}

/// The sweep of one channel.
struct SweepPlan {
    side: ChannelKind,
    /// Its number among the channels of its kind.
    channel: usize,
    /// Shots of each level.
    repeats: usize,
}

impl SweepPlan {
    /// Plays the sweep; the other channels stay at `inputs` and `parameters`.
    fn measure(
        &self,
        session: &mut Session<'_>,
        repeatability: &Repeatability,
        inputs: &DVector<f32>,
        parameters: &DVector<f32>,
    ) -> Result<ChannelSweep, DeviceError> {
        let interface = session.device.interface().clone();
        let channels = match self.side {
            ChannelKind::Input => &interface.inputs,
            ChannelKind::Parameter => &interface.parameters,
        };
        let channel =
            channels.iter().nth(self.channel).expect("a channel that was chosen is there");
        let levels: Vec<f32> = (0..LEVELS)
            .map(|level| channel.minimum + channel.span() * level as f32 / (LEVELS - 1) as f32)
            .map(|level| level.clamp(channel.minimum, channel.maximum))
            .collect();
        let means = self.mean_readings(session, &levels, inputs, parameters)?;
        // Without noise, the rounding of the readings takes its place.
        let noise = |output: usize| {
            let bits = means.row(output).amax() * f32::EPSILON;
            repeatability.noise[output].max(bits).max(f32::MIN_POSITIVE)
        };
        let span = |output: usize| means.row(output).max() - means.row(output).min();
        let seen = |output: usize| span(output) / (noise(output) / (self.repeats as f32).sqrt());
        let furthest = (0..means.nrows())
            .max_by(|one, other| seen(*one).total_cmp(&seen(*other)))
            .expect("a device has outputs");
        let readings: Vec<f32> = means.row(furthest).iter().copied().collect();
        let points = levels.iter().zip(&readings).map(|(x, y)| (f64::from(*x), f64::from(*y)));
        let line = Line::through(points);
        // The line has two degrees of freedom.
        let residual = line.left / (LEVELS - 2) as f64;
        let of_noise = f64::from(noise(furthest)).powi(2) / self.repeats as f64;
        let bent = (residual - of_noise).max(0.0).sqrt();
        let output = interface.outputs.iter().nth(furthest).expect("it was found among them");
        Ok(ChannelSweep {
            side: self.side,
            channel: channel.to_string(),
            unit: channel.unit.to_owned(),
            levels,
            output: output.to_string(),
            readings,
            gain: line.slope as f32,
            nonlinearity: (bent / f64::from(span(furthest)).max(f64::MIN_POSITIVE)) as f32,
            visibility: seen(furthest),
        })
    }

    /// Mean readings of each level, `[n_outputs × levels]`.
    fn mean_readings(
        &self,
        session: &mut Session<'_>,
        levels: &[f32],
        inputs: &DVector<f32>,
        parameters: &DVector<f32>,
    ) -> Result<DMatrix<f32>, DeviceError> {
        let repeats = self.repeats;
        let means: Vec<_> = match self.side {
            ChannelKind::Input => {
                let drives = DMatrix::from_fn(inputs.len(), LEVELS * repeats, |row, shot| {
                    if row == self.channel { levels[shot / repeats] } else { inputs[row] }
                });
                let measured = session.play(&drives, parameters)?;
                (0..LEVELS)
                    .map(|level| measured.columns(level * repeats, repeats).column_mean())
                    .collect()
            }
            ChannelKind::Parameter => {
                let drives = DMatrix::from_fn(inputs.len(), repeats, |row, _| inputs[row]);
                let mut setting = parameters.clone();
                let mut means = Vec::new();
                for level in levels {
                    setting[self.channel] = *level;
                    means.push(session.play(&drives, &setting)?.column_mean());
                }
                means
            }
        };
        Ok(DMatrix::from_columns(&means))
    }
}
