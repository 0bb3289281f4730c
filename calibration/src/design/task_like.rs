//! Shots about the drives of a network's task, and about its initial parameters.

use nalgebra::DMatrix;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::{Channels, validate};

use super::{raster, uniform};
use twinprop_devices::shots::beside;

/// How far the shots of a task-like design are from the task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TaskLikeConfig {
    /// Share of the shots that are drawn uniformly instead, so that the twin is fitted everywhere.
    #[serde(deserialize_with = "validate::fraction")]
    pub uniform_share: f64,
    /// Standard deviation about a drive of the task, as a share of the range; spikes of a raster stay as they are.
    #[serde(deserialize_with = "validate::non_negative")]
    pub input_spread: f64,
    /// Standard deviation about an initial parameter, as a share of the range.
    #[serde(deserialize_with = "validate::non_negative")]
    pub parameter_spread: f64,
}

impl Default for TaskLikeConfig {
    fn default() -> Self {
        Self { uniform_share: 0.3, input_spread: 0.15, parameter_spread: 0.2 }
    }
}

impl TaskLikeConfig {
    /// The drives and parameters of the task themselves.
    pub const EXACT: Self = Self { uniform_share: 0.0, input_spread: 0.0, parameter_spread: 0.0 };
}

/// What a network sends to a device before it is trained.
#[derive(Clone, Debug)]
pub struct TaskDrives {
    /// `[n_inputs × samples]`: drives of the samples, in the device's units.
    pub inputs: DMatrix<f32>,
    /// `[n_parameters × settings]`: initial parameters, in the device's units.
    pub parameters: DMatrix<f32>,
}

impl TaskDrives {
    /// These drives and settings, then those of `others`.
    #[must_use]
    pub fn and(&self, others: &Self) -> Self {
        Self {
            inputs: beside(&self.inputs, &others.inputs),
            parameters: beside(&self.parameters, &others.parameters),
        }
    }
}

/// `[channels × shots]` in the channels' units, inputs before parameters.
pub(super) fn draw(
    config: &TaskLikeConfig,
    task: &TaskDrives,
    channels: &Channels,
    shots: usize,
    random: &mut impl Rng,
) -> DMatrix<f32> {
    let mut drives = uniform::draw(channels, shots, random);
    let width = task.inputs.nrows();
    let like_the_task = ((1.0 - config.uniform_share) * shots as f64).round() as usize;
    for mut shot in drives.column_iter_mut().take(like_the_task) {
        let sample = task.inputs.column(random.random_range(0..task.inputs.ncols()));
        let setting = task.parameters.column(random.random_range(0..task.parameters.ncols()));
        let centres = sample.iter().chain(setting.iter());
        let is_cell = raster::is_cell(channels);
        for (index, (((drive, centre), channel), is_cell)) in
            shot.iter_mut().zip(centres).zip(channels.iter()).zip(is_cell).enumerate()
        {
            if is_cell {
                *drive = *centre;
                continue;
            }
            let spread =
                if index < width { config.input_spread } else { config.parameter_spread } as f32;
            let normal: f32 = StandardNormal.sample(random);
            *drive =
                (centre + spread * channel.span() * normal).clamp(channel.minimum, channel.maximum);
        }
    }
    drives
}
