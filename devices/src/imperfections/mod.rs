//! Imperfections of a laboratory: wrappers around any [`PhysicalLayer`].
//!
//! Mismatch changes a device's constants when it is fabricated, and drift while it is used. The others wrap
//! the device: DAC → input noise → device → readout noise → ADC.

mod drift;
mod input_noise;
mod quantisation;
mod readout_noise;

pub use drift::{Drift, DriftConfig, DriftCourse, DriftPath, Span};
pub use input_noise::InputNoise;
pub use quantisation::Quantisation;
pub use readout_noise::ReadoutNoise;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{PhysicalLayer, validate};

/// Strength of each imperfection; zero for none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ImperfectionsConfig {
    /// Relative standard deviation of the true device's constants about the nominal ones.
    #[serde(deserialize_with = "validate::non_negative")]
    pub mismatch: f64,
    /// Standard deviation of the noise on each drive, as a share of its channel's range.
    #[serde(deserialize_with = "validate::non_negative")]
    pub input_noise: f64,
    /// Standard deviation of the additive noise on each reading, as a share of its channel's range.
    #[serde(deserialize_with = "validate::non_negative")]
    pub readout_noise: f64,
    /// Shot noise: standard deviation of a reading as large as its channel's range, as a share of
    /// that range; it grows with the square root of the reading.
    #[serde(deserialize_with = "validate::non_negative")]
    pub shot_noise: f64,
    /// Resolution of the drives in bits; 0 is continuous.
    #[serde(deserialize_with = "validate::bits")]
    pub dac_bits: u32,
    /// Resolution of the readings in bits; 0 is continuous.
    #[serde(deserialize_with = "validate::bits")]
    pub adc_bits: u32,
    /// Drift of the true device's constants while it is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftConfig>,
}

/// Wraps `device` in the noise and the converters that `config` asks for; the noise is drawn from
/// `seed`.
pub fn wrap(
    device: impl PhysicalLayer + 'static,
    config: &ImperfectionsConfig,
    seed: u64,
) -> Box<dyn PhysicalLayer> {
    let mut layer: Box<dyn PhysicalLayer> = Box::new(device);
    if config.input_noise > 0.0 {
        layer = Box::new(InputNoise::new(layer, config.input_noise, seed));
    }
    if config.readout_noise > 0.0 || config.shot_noise > 0.0 {
        layer = Box::new(ReadoutNoise::new(layer, config.readout_noise, config.shot_noise, seed));
    }
    if config.dac_bits > 0 || config.adc_bits > 0 {
        layer = Box::new(Quantisation::new(layer, config.dac_bits, config.adc_bits));
    }
    layer
}
