//! Failures between a drive and its measurement.

use std::path::PathBuf;

#[cfg(feature = "rig")]
use crate::rig::RigError;

/// A failure of a device, with what was asked, what came back, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// A matrix does not fit the interface.
    #[error(
        "{device}: {operand} has size {found}, but the interface says {expected}; size the batch by the device's interface"
    )]
    Shape {
        /// Kind of device.
        device: String,
        /// Which operand.
        operand: &'static str,
        /// Size by the interface.
        expected: usize,
        /// Size found.
        found: usize,
    },
    /// A drive is NaN or infinite, so it cannot be clamped.
    #[error(
        "{device}: the drive of channel `{channel}` in shot {shot} is {value}, which cannot be played; look for a diverged training step or a fault in the data"
    )]
    NonFiniteDrive {
        /// Kind of device.
        device: String,
        /// Name of the channel.
        channel: String,
        /// Shot in the batch.
        shot: usize,
        /// The value.
        value: f32,
    },
    /// A measurement is NaN, infinite or outside the channel's range.
    #[error(
        "{device}: channel `{channel}` measured {value} {unit} in shot {shot}, outside its range {minimum} to {maximum}; check the detector and the interface's ranges"
    )]
    BadMeasurement {
        /// Kind of device.
        device: String,
        /// Name of the channel.
        channel: String,
        /// Unit of the channel.
        unit: String,
        /// Shot in the batch.
        shot: usize,
        /// The value.
        value: f32,
        /// Lower end of the range.
        minimum: f32,
        /// Upper end of the range.
        maximum: f32,
    },
    /// A cell of a raster is neither 0 nor 1.
    #[error(
        "{device}: line {line} of raster `{bank}` has the value {value} in step {step} of shot {shot}, and a raster has 1 for a spike and 0 without one; {}",
        if *is_drive { "put data or a stage in front that makes spikes" } else { "check what the device returns" }
    )]
    NotASpike {
        /// Kind of device.
        device: String,
        /// Name of the raster.
        bank: String,
        /// Line, from zero.
        line: usize,
        /// Step, from zero.
        step: usize,
        /// Shot in the batch.
        shot: usize,
        /// The value.
        value: f32,
        /// Whether it was to be driven, and not measured.
        is_drive: bool,
    },
    /// A real device failed, or its link did.
    #[cfg(feature = "rig")]
    #[error("{target}: {error}")]
    Rig {
        /// The device's target, such as `tcp://127.0.0.1:7777`.
        target: String,
        /// What happened, and what to do.
        error: RigError,
    },
    /// The program that drives the device failed: a caller's own
    /// [`PhysicalLayer`](crate::PhysicalLayer), in Rust or in Python.
    #[error("{device}: {problem}")]
    Host {
        /// Kind of device.
        device: String,
        /// What the program reports.
        problem: String,
    },
    /// A recording of shots cannot be written or read.
    #[error("{}: {problem}", path.display())]
    Recording {
        /// Its folder.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A replay is asked for a shot that is not in its recording.
    #[error("{}: shot {shot} of the batch is not among the {shots} recorded ones: {problem}", path.display())]
    NotRecorded {
        /// Folder of the recording.
        path: PathBuf,
        /// Shot in the batch.
        shot: usize,
        /// Shots in the recording.
        shots: usize,
        /// Why not, and what to do.
        problem: String,
    },
    /// A configuration describes no possible device.
    #[error("{device}: {problem}")]
    Config {
        /// Kind of device.
        device: String,
        /// What is impossible, and what to change.
        problem: String,
    },
}

impl DeviceError {
    /// The same failure in a batch that has `earlier` shots before those that were measured.
    pub(crate) fn after_shots(mut self, earlier: usize) -> Self {
        match &mut self {
            Self::NonFiniteDrive { shot, .. }
            | Self::BadMeasurement { shot, .. }
            | Self::NotASpike { shot, .. }
            | Self::NotRecorded { shot, .. } => *shot += earlier,
            _ => {}
        }
        self
    }
}
