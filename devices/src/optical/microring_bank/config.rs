//! A bank of microrings as a recipe describes it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::validate;

/// A bank of microrings, as a recipe describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MicroringBankConfig {
    /// Wavelength channels N: inputs, and rings of a row.
    #[serde(deserialize_with = "validate::count")]
    pub channels: usize,
    /// Rows: outputs, each a bus with N rings and a balanced detector.
    #[serde(deserialize_with = "validate::count")]
    pub rows: usize,
    /// Distance of two channels, in GHz.
    #[serde(deserialize_with = "validate::positive")]
    pub spacing_ghz: f64,
    /// Rate r₀ at which a ring loses amplitude, in GHz.
    #[serde(deserialize_with = "validate::non_negative")]
    pub intrinsic_ghz: f64,
    /// Rate r₁ at which a ring couples to its bus, in GHz.
    #[serde(deserialize_with = "validate::positive")]
    pub bus_ghz: f64,
    /// Rate r₂ at which it couples to the drop waveguide, in GHz.
    #[serde(deserialize_with = "validate::positive")]
    pub drop_ghz: f64,
    /// Shift η of a resonance by its heater, in GHz per mW.
    #[serde(deserialize_with = "validate::positive")]
    pub ghz_per_milliwatt: f64,
    /// Largest power of a heater, in mW. In the middle of the range a ring is off its channel by half its linewidth r, where
    /// its weight is about zero.
    #[serde(deserialize_with = "validate::positive")]
    pub largest_milliwatt: f64,
    /// Standard deviation of the true resonances, in GHz.
    #[serde(deserialize_with = "validate::non_negative")]
    pub resonance_error_ghz: f64,
    /// Thermal crosstalk κ of the true bank: a heater warms the next ring by this share, the one behind by its square.
    #[serde(deserialize_with = "validate::part")]
    pub crosstalk: f64,
    /// Largest reading, at which a detector saturates; the smallest is its negative.
    #[serde(deserialize_with = "validate::positive")]
    pub full_scale: f64,
    /// Time one shot takes, in seconds.
    #[serde(deserialize_with = "validate::positive")]
    pub seconds_per_shot: f64,
}

impl Default for MicroringBankConfig {
    /// Eight rows of sixteen perfect rings with a linewidth of 10 GHz, 200 GHz apart.
    fn default() -> Self {
        Self {
            channels: 16,
            rows: 8,
            spacing_ghz: 200.0,
            intrinsic_ghz: 0.2,
            bus_ghz: 2.4,
            drop_ghz: 2.4,
            ghz_per_milliwatt: 8.0,
            largest_milliwatt: 2.0,
            resonance_error_ghz: 0.0,
            crosstalk: 0.0,
            full_scale: 4.0,
            seconds_per_shot: 1e-7,
        }
    }
}
