//! A crossbar tile as a recipe describes it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::validate;

/// A crossbar tile, as a recipe describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CrossbarConfig {
    /// Rows: drives from −1 to 1.
    #[serde(deserialize_with = "validate::count")]
    pub inputs: usize,
    /// Pairs of columns: readings.
    #[serde(deserialize_with = "validate::count")]
    pub outputs: usize,
    /// Largest conductance over the smallest.
    #[serde(deserialize_with = "validate::positive")]
    pub on_off_ratio: f64,
    /// Reading at which the converter saturates. 1 is the standard deviation of the readings for random drives
    /// and weights of ±1.
    #[serde(deserialize_with = "validate::positive")]
    pub full_scale: f64,
    /// r of the true tile.
    #[serde(deserialize_with = "validate::non_negative")]
    pub wire_resistance: f64,
    /// Relative standard deviation of a cell's conductance about its programmed value.
    #[serde(deserialize_with = "validate::non_negative")]
    pub programming_noise: f64,
    /// σ_r: relative standard deviation of a cell's current from shot to shot.
    #[serde(deserialize_with = "validate::non_negative")]
    pub read_noise: f64,
    /// ν of the true tile.
    #[serde(deserialize_with = "validate::non_negative")]
    pub drift_exponent: f64,
    /// t_0 in seconds.
    #[serde(deserialize_with = "validate::positive")]
    pub drift_onset_seconds: f64,
    /// Time one shot takes, in seconds.
    #[serde(deserialize_with = "validate::positive")]
    pub seconds_per_shot: f64,
}

impl Default for CrossbarConfig {
    /// A perfect tile of 64 rows and 64 pairs.
    fn default() -> Self {
        Self {
            inputs: 64,
            outputs: 64,
            on_off_ratio: 20.0,
            full_scale: 1.0,
            wire_resistance: 0.0,
            programming_noise: 0.0,
            read_noise: 0.0,
            drift_exponent: 0.0,
            drift_onset_seconds: 1.0,
            seconds_per_shot: 1e-6,
        }
    }
}
