//! `[adaptation]`: how a network is brought back to a device that has changed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::validate;

/// How a network is brought back; in a recipe, `[adaptation]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdaptConfig {
    /// Share of the shots that the twins are calibrated with.
    #[serde(deserialize_with = "validate::fraction")]
    pub calibration_share: f64,
    /// Steps of a recalibration.
    #[serde(deserialize_with = "validate::count")]
    pub recalibration_steps: usize,
    /// Passes over the training data in silico.
    #[serde(deserialize_with = "validate::count")]
    pub in_silico_epochs: usize,
    /// Passes over the samples that there are shots for, by physics-aware training.
    #[serde(deserialize_with = "validate::count")]
    pub epochs: usize,
    /// Learning rate in silico, as a share of the first of the training.
    #[serde(deserialize_with = "validate::positive")]
    pub in_silico_pace: f64,
    /// Learning rate on the device, likewise.
    #[serde(deserialize_with = "validate::positive")]
    pub pace: f64,
}

impl Default for AdaptConfig {
    fn default() -> Self {
        Self {
            calibration_share: 0.1,
            recalibration_steps: 3000,
            in_silico_epochs: 200,
            in_silico_pace: 1.0,
            epochs: 4,
            pace: 0.01,
        }
    }
}
