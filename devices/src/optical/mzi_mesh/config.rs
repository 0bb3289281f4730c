//! A mesh as a recipe describes it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::validate;

/// A mesh of interferometers, as a recipe describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MziMeshConfig {
    /// Modes N, two or more: inputs N, parameters N (N − 1), outputs N.
    #[serde(deserialize_with = "validate::count")]
    pub modes: usize,
    /// Standard deviation of the true splitters' angles, in rad; a splitter of 50 ± 2 % is off by
    /// 0.02.
    #[serde(deserialize_with = "validate::non_negative")]
    pub splitter_error: f64,
    /// Standard deviation of the true phases about those that were set, in rad.
    #[serde(deserialize_with = "validate::non_negative")]
    pub phase_error: f64,
    /// κ of the true mesh.
    #[serde(deserialize_with = "validate::part")]
    pub crosstalk: f64,
    /// Loss of the true interferometers, in dB of power each.
    #[serde(deserialize_with = "validate::non_negative")]
    pub loss_db: f64,
    /// Power on one mode at which a detector saturates, for amplitudes within ±1.
    #[serde(deserialize_with = "validate::positive")]
    pub full_scale: f64,
    /// Time one shot takes, in seconds.
    #[serde(deserialize_with = "validate::positive")]
    pub seconds_per_shot: f64,
}

impl Default for MziMeshConfig {
    /// A perfect mesh of sixteen modes.
    fn default() -> Self {
        Self {
            modes: 16,
            splitter_error: 0.0,
            phase_error: 0.0,
            crosstalk: 0.0,
            loss_db: 0.0,
            full_scale: 4.0,
            seconds_per_shot: 1e-6,
        }
    }
}
