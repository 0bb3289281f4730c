//! `[adaptation]`: how a network is adapted to a device that has changed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::validate;

/// How `recalibrate` and `transfer` adapt a trained network to a device that has changed; `[adaptation]` in a
/// recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdaptConfig {
    /// Share of the shots used to recalibrate the twins, 0 to 1.
    #[serde(deserialize_with = "validate::fraction")]
    pub calibration_share: f64,
    /// Optimiser steps of the recalibration.
    #[serde(deserialize_with = "validate::count")]
    pub recalibration_steps: usize,
    /// Epochs of the in-silico training.
    #[serde(deserialize_with = "validate::count")]
    pub in_silico_epochs: usize,
    /// Epochs of the physics-aware training; the remaining shots limit the number of samples.
    #[serde(deserialize_with = "validate::count")]
    pub epochs: usize,
    /// Learning rate of the in-silico training, as a multiple of `training.learning_rate`.
    #[serde(deserialize_with = "validate::positive")]
    pub in_silico_pace: f64,
    /// Learning rate of the physics-aware training, as a multiple of `training.learning_rate`.
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
