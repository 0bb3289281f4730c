//! A transistor circuit as a recipe describes it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::validate;

/// A transistor circuit, as a recipe describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TransistorConfig {
    /// Samples of the waveform that carry data.
    #[serde(deserialize_with = "validate::count")]
    pub inputs: usize,
    /// Samples that carry trainable parameters, spread evenly between the data.
    #[serde(deserialize_with = "validate::count")]
    pub parameters: usize,
    /// Readings, evenly spaced over the shot; the last is its end.
    #[serde(deserialize_with = "validate::count")]
    pub outputs: usize,
    /// Drives reach from minus to plus this, in V.
    #[serde(deserialize_with = "validate::positive")]
    pub largest_volts: f64,
    /// R in Ω.
    #[serde(deserialize_with = "validate::positive")]
    pub ohms: f64,
    /// L in H.
    #[serde(deserialize_with = "validate::positive")]
    pub henries: f64,
    /// C in F.
    #[serde(deserialize_with = "validate::positive")]
    pub farads: f64,
    /// β in A/V².
    #[serde(deserialize_with = "validate::positive")]
    pub transconductance: f64,
    /// V_T in V.
    #[serde(deserialize_with = "validate::finite")]
    pub threshold_volts: f64,
    /// n, one or more.
    #[serde(deserialize_with = "validate::positive")]
    pub slope_factor: f64,
    /// λ in 1/V.
    #[serde(deserialize_with = "validate::non_negative")]
    pub channel_length_modulation: f64,
    /// a.
    #[serde(deserialize_with = "validate::finite")]
    pub gate_share: f64,
    /// U_B in V.
    #[serde(deserialize_with = "validate::finite")]
    pub gate_bias_volts: f64,
    /// Time between two samples of the waveform, in seconds.
    #[serde(deserialize_with = "validate::positive")]
    pub sample_seconds: f64,
    /// Integration steps a sample.
    #[serde(deserialize_with = "validate::count")]
    pub steps_per_sample: usize,
}

impl Default for TransistorConfig {
    /// A branch that rings at 50 kHz over a transistor that opens at half the drive's range, sampled
    /// at 400 kHz.
    fn default() -> Self {
        Self {
            inputs: 64,
            parameters: 64,
            outputs: 64,
            largest_volts: 2.5,
            ohms: 100.0,
            henries: 1e-3,
            farads: 1e-8,
            transconductance: 4e-3,
            threshold_volts: 0.7,
            slope_factor: 1.3,
            channel_length_modulation: 0.05,
            gate_share: 0.5,
            gate_bias_volts: 0.5,
            sample_seconds: 2.5e-6,
            steps_per_sample: 1,
        }
    }
}
