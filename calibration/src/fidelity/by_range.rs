//! A twin's error by where in their ranges channels are driven.

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};
use twinprop_devices::{Channel, Channels, Interface};

use twinprop_devices::shots::Shots;

/// A part of a channel's range where a twin is worse than elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Weakness {
    /// The driven channel.
    pub channel: String,
    /// Lower end of the part, in the channel's unit.
    pub from: f32,
    /// Upper end.
    pub to: f32,
    /// Normalised root mean square error of the shots driven there.
    pub nrmse: f32,
}

/// Number of parts of a channel's range.
pub const SECTIONS: usize = 5;
/// A part is weak where its squared error is above the average by this factor,
const FACTOR: f64 = 1.3;
/// and by so many standard errors.
const CERTAIN: f64 = 4.0;
/// Largest number of weak parts that are returned.
const NAMED: usize = 10;

/// Error by where in their ranges channels are driven.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ByRange {
    /// Normalised root mean square error with an input in each fifth of its range, mean over inputs.
    pub inputs: [f32; SECTIONS],
    /// The same with a parameter there.
    pub parameters: [f32; SECTIONS],
    /// The weakest parts.
    pub weak: Vec<Weakness>,
}

impl ByRange {
    pub(super) fn of(interface: &Interface, unseen: &Shots, predicted: &DMatrix<f32>) -> Self {
        let errors = Errors::of(unseen, predicted);
        let mut weak = Vec::new();
        let inputs = errors.by_section(&interface.inputs, &unseen.inputs, &mut weak);
        let parameters = errors.by_section(&interface.parameters, &unseen.parameters, &mut weak);
        weak.sort_by(|one, other| other.nrmse.total_cmp(&one.nrmse));
        weak.truncate(NAMED);
        Self { inputs, parameters, weak }
    }
}

/// Squared errors of shots, in units of each output's variance.
struct Errors {
    of_shots: Vec<f64>,
    mean: f64,
    variance: f64,
}

impl Errors {
    fn of(unseen: &Shots, predicted: &DMatrix<f32>) -> Self {
        let variance = unseen.outputs.row_iter().map(|row| row.variance());
        let variance = DVector::from_iterator(unseen.outputs.nrows(), variance);
        let of_shots: Vec<f64> = (predicted - &unseen.outputs)
            .column_iter()
            .map(|error| {
                let shares = error.iter().zip(&variance);
                let alive = shares.filter(|(_, variance)| **variance > 0.0);
                let shares: Vec<f64> =
                    alive.map(|(error, variance)| f64::from(error * error / variance)).collect();
                shares.iter().sum::<f64>() / shares.len().max(1) as f64
            })
            .collect();
        let count = of_shots.len() as f64;
        let mean = of_shots.iter().sum::<f64>() / count;
        let variance = of_shots.iter().map(|error| (error - mean).powi(2)).sum::<f64>() / count;
        Self { of_shots, mean, variance }
    }

    /// Normalised root mean square error by section, mean over `channels`; `drives` has a row a channel.
    /// Adds the weak sections to `weak`.
    fn by_section(
        &self,
        channels: &Channels,
        drives: &DMatrix<f32>,
        weak: &mut Vec<Weakness>,
    ) -> [f32; SECTIONS] {
        let mut squares = [0.0; SECTIONS];
        for (channel, drives) in channels.iter().zip(drives.row_iter()) {
            let sums = self.sums(&channel, drives.iter());
            for (section, (sum, shots)) in sums.into_iter().enumerate() {
                let here = if shots > 0.0 { sum / shots } else { self.mean };
                squares[section] += here / channels.len() as f64;
                let margin = CERTAIN * (self.variance / f64::max(shots, 1.0)).sqrt();
                if here > FACTOR * self.mean && here - self.mean > margin {
                    weak.push(weakness(&channel, section, here));
                }
            }
        }
        squares.map(|square| square.sqrt() as f32)
    }

    /// Sum of the squared errors and number of the shots in each section of a channel.
    fn sums<'a>(
        &self,
        channel: &Channel<'_>,
        drives: impl Iterator<Item = &'a f32>,
    ) -> [(f64, f64); SECTIONS] {
        let mut sums = [(0.0, 0.0); SECTIONS];
        for (drive, error) in drives.zip(&self.of_shots) {
            let place = (drive - channel.minimum) / channel.span();
            let section = ((place * SECTIONS as f32) as usize).min(SECTIONS - 1);
            sums[section].0 += error;
            sums[section].1 += 1.0;
        }
        sums
    }
}

fn weakness(channel: &Channel<'_>, section: usize, square: f64) -> Weakness {
    let end = |section: usize| channel.minimum + channel.span() * section as f32 / SECTIONS as f32;
    Weakness {
        channel: channel.to_string(),
        from: end(section),
        to: end(section + 1),
        nrmse: square.sqrt() as f32,
    }
}
