//! Coupled oscillators as a recipe describes them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::validate;

/// Coupled nonlinear oscillators, as a recipe describes them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OscillatorsConfig {
    /// Number of oscillators N: inputs N, parameters N² + N, outputs N.
    #[serde(deserialize_with = "validate::count")]
    pub count: usize,
    /// Evolution time, in units of the inverse natural frequency.
    #[serde(deserialize_with = "validate::positive")]
    pub time: f64,
    /// Runge-Kutta steps over that time.
    #[serde(deserialize_with = "validate::count")]
    pub steps: usize,
    /// Initial angles reach from minus to plus this, in rad.
    #[serde(deserialize_with = "validate::positive")]
    pub largest_angle: f64,
    /// Couplings and drives reach from minus to plus this.
    #[serde(deserialize_with = "validate::positive")]
    pub largest_parameter: f64,
    /// η of the true device: its restoring force is sin((1 + η) q).
    #[serde(deserialize_with = "validate::finite")]
    pub bend: f64,
    /// Standard deviation of the symmetric random matrix that the true device adds to J.
    #[serde(deserialize_with = "validate::non_negative")]
    pub coupling_deviation: f64,
    /// Time one shot takes, in seconds.
    #[serde(deserialize_with = "validate::positive")]
    pub seconds_per_shot: f64,
}

impl Default for OscillatorsConfig {
    /// 100 oscillators over half a unit of time in five steps, without a reality gap.
    fn default() -> Self {
        Self {
            count: 100,
            time: 0.5,
            steps: 5,
            largest_angle: 4.0,
            largest_parameter: 2.0,
            bend: 0.0,
            coupling_deviation: 0.0,
            seconds_per_shot: 1e-3,
        }
    }
}
