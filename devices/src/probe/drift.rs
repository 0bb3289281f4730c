//! How a device drifts while it is probed.

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use super::line::Line;
use super::repeatability::Repeatability;
use super::session::Session;
use super::timing::Timing;
use crate::DeviceError;

/// Drift of a device, by repeated measurement of a few reference shots.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeasuredDrift {
    /// Seconds at which the reference shots were played.
    pub seconds: Vec<f64>,
    /// Mean reading of each output channel at these times, `[time][channel]`, in its unit.
    pub readings: Vec<Vec<f32>>,
    /// Slope of each output channel, in its unit a second, by least squares.
    pub slope: Vec<f32>,
    /// The slope over its standard error, from the noise of single shots: about normal without drift.
    pub significance: Vec<f32>,
}

/// A slope of more standard errors than this is significant, also among hundreds of channels.
const CERTAIN: f32 = 4.0;

impl MeasuredDrift {
    /// Whether output channel `channel` drifts significantly.
    #[must_use]
    pub fn is_certain(&self, channel: usize) -> bool {
        self.significance[channel].abs() > CERTAIN
    }
}

/// Most reference shots; a slow device plays fewer.
const SHOTS: usize = 16;
/// Share of the time for one measurement of the reference shots.
const SHARE: f64 = 0.02;

/// The reference shots.
pub(super) struct ReferenceShots {
    inputs: DMatrix<f32>,
    parameters: DVector<f32>,
    seconds: Vec<f64>,
    readings: Vec<Vec<f32>>,
}

impl ReferenceShots {
    pub fn new(session: &mut Session<'_>, timing: &Timing, seconds: f64) -> Self {
        let shots = ((SHARE * seconds / timing.seconds_per_shot()) as usize).clamp(1, SHOTS);
        let (inputs, parameters) = (session.any_inputs(shots), session.any_parameters());
        Self { inputs, parameters, seconds: Vec::new(), readings: Vec::new() }
    }

    /// Seconds that a measurement takes.
    pub fn seconds(&self, timing: &Timing) -> f64 {
        timing.seconds_of_batch(self.inputs.ncols())
    }

    /// Measures the reference shots.
    pub fn measure(&mut self, session: &mut Session<'_>) -> Result<(), DeviceError> {
        let measured = session.play(&self.inputs, &self.parameters)?;
        self.seconds.push(session.start.elapsed().as_secs_f64());
        self.readings.push(measured.column_mean().iter().copied().collect());
        Ok(())
    }

    /// The drift since the first measurement.
    pub fn drift(self, repeatability: &Repeatability) -> MeasuredDrift {
        let shots = self.inputs.ncols();
        let Self { seconds, readings, .. } = self;
        let (mut slope, mut significance) = (Vec::new(), Vec::new());
        for (channel, noise) in repeatability.noise.iter().enumerate() {
            let of_channel = readings.iter().map(|reading| f64::from(reading[channel]));
            let line = Line::through(seconds.iter().copied().zip(of_channel));
            let error = f64::from(*noise) / (shots as f64).sqrt() / line.spread.sqrt();
            slope.push(line.slope as f32);
            let sure = if error > 0.0 { line.slope / error } else { 0.0 };
            significance.push(sure as f32);
        }
        MeasuredDrift { seconds, readings, slope, significance }
    }
}
