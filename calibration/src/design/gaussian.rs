//! Inputs normal about the middle of their ranges, parameters uniform over theirs.

use nalgebra::DMatrix;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::{Channels, validate};

use super::uniform;

/// Spread of the inputs of a Gaussian design: for a device that is driven far within its ranges. Pairs of in-phase and
/// quadrature amplitudes are complex Gaussian.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GaussianConfig {
    /// Standard deviation of an input, as a share of its range.
    #[serde(deserialize_with = "validate::positive")]
    pub deviation: f64,
}

impl Default for GaussianConfig {
    fn default() -> Self {
        Self { deviation: 0.1 }
    }
}

/// `[channels × shots]` in the channels' units, `inputs` of them inputs, before the parameters.
pub(super) fn draw(
    config: &GaussianConfig,
    inputs: usize,
    channels: &Channels,
    shots: usize,
    random: &mut impl Rng,
) -> DMatrix<f32> {
    let mut drives = uniform::draw(channels, shots, random);
    for mut shot in drives.column_iter_mut() {
        for (drive, channel) in shot.iter_mut().zip(channels.iter()).take(inputs) {
            let normal: f32 = StandardNormal.sample(random);
            let middle = 0.5 * (channel.minimum + channel.maximum);
            *drive = (middle + config.deviation as f32 * channel.span() * normal)
                .clamp(channel.minimum, channel.maximum);
        }
    }
    drives
}
