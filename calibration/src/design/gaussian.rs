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

#[cfg(test)]
mod tests {
    use super::*;
    use twinprop_devices::random;

    #[test]
    fn inputs_are_normal_and_parameters_uniform() {
        let channels =
            Channels::bank("x", 2, "V", -1.0, 3.0).and(Channels::bank("p", 1, "1", 0.0, 4.0));
        let config = GaussianConfig { deviation: 0.05 };
        let count = 20_000;
        let drawn = draw(&config, 2, &channels, count, &mut random::stream(1, "design"));
        for (row, (mean, deviation)) in
            [(1.0, 0.2), (1.0, 0.2), (2.0, 4.0 / 12f32.sqrt())].into_iter().enumerate()
        {
            let row = drawn.row(row);
            assert!((row.mean() - mean).abs() < 0.03, "{}", row.mean());
            assert!((row.variance().sqrt() - deviation).abs() < 0.02, "{}", row.variance());
        }
        // Far from its middle an input is rare, a parameter is not.
        let far = |row: usize| {
            let far = drawn.row(row).iter().filter(|value| (*value - 2.0).abs() > 1.8).count();
            far as f32 / count as f32
        };
        assert!(far(0) < 0.001 && (far(2) - 0.1).abs() < 0.01, "{} {}", far(0), far(2));
    }
}
