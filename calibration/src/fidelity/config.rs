//! How much is measured to judge a twin.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::validate;

/// How much is measured to judge a twin; in a recipe, `[calibration.fidelity]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FidelityConfig {
    /// Points about which the device's gradient is measured, for each bank of channels.
    #[serde(deserialize_with = "validate::count")]
    pub points: usize,
    /// Random directions at each point.
    #[serde(deserialize_with = "validate::count")]
    pub directions: usize,
    /// Shots that are averaged at each end of a difference, an even number; also the shots of a drive
    /// from which its noise is estimated.
    #[serde(deserialize_with = "validate::count")]
    pub repeats: usize,
}

impl Default for FidelityConfig {
    fn default() -> Self {
        Self { points: 64, directions: 2, repeats: 8 }
    }
}
