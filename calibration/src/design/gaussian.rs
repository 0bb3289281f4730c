//! Inputs normal about the middle of their ranges, parameters uniform over theirs, or a share of them.

use nalgebra::DMatrix;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::{Channels, validate};

use super::uniform;

/// Spread of the inputs of a Gaussian design: for a device that is driven far within its ranges. Complex amplitudes are
/// complex Gaussian, in whatever parts the device takes them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GaussianConfig {
    /// Standard deviation of an input, as a share of its range; of complex amplitudes, of the in-phase and of the
    /// quadrature part, as a share of twice the largest amplitude.
    #[serde(deserialize_with = "validate::positive")]
    pub deviation: f64,
    /// Share of a parameter's range, about its middle, over which it is uniform.
    #[serde(deserialize_with = "validate::fraction")]
    pub parameters: f64,
}

impl Default for GaussianConfig {
    fn default() -> Self {
        Self { deviation: 0.1, parameters: 1.0 }
    }
}

fn normal(random: &mut impl Rng) -> f32 {
    StandardNormal.sample(random)
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
        for (parameter, channel) in shot.iter_mut().zip(channels.iter()).skip(inputs) {
            let middle = 0.5 * (channel.minimum + channel.maximum);
            *parameter = middle + config.parameters as f32 * (*parameter - middle);
        }
        for (drive, channel) in shot.iter_mut().zip(channels.iter()).take(inputs) {
            let middle = 0.5 * (channel.minimum + channel.maximum);
            *drive = (middle + config.deviation as f32 * channel.span() * normal(random))
                .clamp(channel.minimum, channel.maximum);
        }
        for bank in channels.complex_banks() {
            if !bank.is_polar || bank.second.end > inputs {
                continue;
            }
            let (largest, deviation) = (bank.largest(), 2.0 * config.deviation as f32);
            for (first, second) in bank.first.zip(bank.second) {
                let [real, imaginary]: [f32; 2] =
                    [(); 2].map(|()| deviation * largest * normal(random));
                shot[first] = real.hypot(imaginary).min(largest);
                shot[second] = imaginary.atan2(real);
            }
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
        let config = GaussianConfig { deviation: 0.05, ..Default::default() };
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
        let half = GaussianConfig { parameters: 0.5, ..config };
        let drawn_half = draw(&half, 2, &channels, count, &mut random::stream(1, "design"));
        let row = drawn_half.row(2);
        assert!((row.min() - 1.0).abs() < 0.01 && (row.max() - 3.0).abs() < 0.01, "{row}");
        assert!(far(0) < 0.001 && (far(2) - 0.1).abs() < 0.01, "{} {}", far(0), far(2));
    }

    #[test]
    fn complex_amplitudes_are_complex_gaussian_in_either_form() {
        let config = GaussianConfig { deviation: 0.1, ..Default::default() };
        let draw = |channels: &Channels| {
            draw(&config, 2, channels, 20_000, &mut random::stream(1, "design"))
        };
        let cartesian = draw(&Channels::complex("x", 1, "1", 4.0));
        let polar = draw(&Channels::polar("x", 1, "1", 4.0));
        let amplitude = polar.row(0);
        let parts = polar.column_iter().map(|shot| shot[0] * shot[1].cos());
        let variance = parts.map(|part| part * part).sum::<f32>() / 20_000.0;
        // σ = 0.8 a part, so that the mean amplitude is σ √(π/2).
        assert!((variance.sqrt() - 0.8).abs() < 0.02, "{variance}");
        assert!((cartesian.row(0).variance().sqrt() - 0.8).abs() < 0.02);
        assert!((amplitude.mean() - 0.8 * 1.2533).abs() < 0.02, "{}", amplitude.mean());
        assert!(amplitude.min() >= 0.0 && amplitude.max() <= 4.0);
    }
}
