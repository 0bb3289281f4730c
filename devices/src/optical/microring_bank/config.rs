//! Banks as a recipe describes them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::validate;

/// Banks of microrings, as a recipe describes them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MicroringBankConfig {
    /// Wavelength channels N: drives from 0 to 1.
    #[serde(deserialize_with = "validate::count")]
    pub inputs: usize,
    /// Rows M of N rings: readings.
    #[serde(deserialize_with = "validate::count")]
    pub outputs: usize,
    /// Spacing of the channels, in GHz.
    #[serde(deserialize_with = "validate::positive")]
    pub spacing: f64,
    /// Decay rate r₁ of a ring's amplitude into the bus, in GHz.
    #[serde(deserialize_with = "validate::positive")]
    pub bus_coupling: f64,
    /// Decay rate r₂ into the drop waveguide, in GHz.
    #[serde(deserialize_with = "validate::positive")]
    pub drop_coupling: f64,
    /// Decay rate r₀ by loss, in GHz.
    #[serde(deserialize_with = "validate::non_negative")]
    pub ring_loss: f64,
    /// Detuning of a channel from its cold ring, in GHz.
    #[serde(deserialize_with = "validate::finite")]
    pub bias: f64,
    /// Shift of a resonance by its heater, in GHz/mW.
    #[serde(deserialize_with = "validate::positive")]
    pub heater_efficiency: f64,
    /// Largest power of a heater, in mW.
    #[serde(deserialize_with = "validate::positive")]
    pub largest_power: f64,
    /// Standard deviation of the true resonances, in GHz.
    #[serde(deserialize_with = "validate::non_negative")]
    pub resonance_error: f64,
    /// Relative standard deviation of the true heaters' efficiencies.
    #[serde(deserialize_with = "validate::non_negative")]
    pub efficiency_error: f64,
    /// κ of the true banks: a heater shifts the ring at the distance d in its row by the share κ^d.
    #[serde(deserialize_with = "validate::part")]
    pub crosstalk: f64,
    /// Reading at which the converter saturates. Without saturation readings are within ±s √N.
    #[serde(deserialize_with = "validate::positive")]
    pub full_scale: f64,
    /// Time one shot takes, in seconds.
    #[serde(deserialize_with = "validate::positive")]
    pub seconds_per_shot: f64,
}

impl Default for MicroringBankConfig {
    /// Perfect banks of 16 rows and channels, 100 GHz apart. Resonances are 20 GHz wide, and a heater moves one from 40 GHz
    /// before its channel to 20 GHz behind it: the weight of a single ring is −0.89 at no power and 0.9 at two thirds of
    /// the largest.
    fn default() -> Self {
        Self {
            inputs: 16,
            outputs: 16,
            spacing: 100.0,
            bus_coupling: 4.75,
            drop_coupling: 4.75,
            ring_loss: 0.5,
            bias: 40.0,
            heater_efficiency: 20.0,
            largest_power: 3.0,
            resonance_error: 0.0,
            efficiency_error: 0.0,
            crosstalk: 0.0,
            full_scale: 4.0,
            seconds_per_shot: 1e-6,
        }
    }
}
