//! How a network is fitted to shots; the fit is [`NetworkTwin::fit`](crate::NetworkTwin::fit).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::validate;

/// How the weights of a neural or temporal twin are fitted.
///
/// ```
/// use twinprop_calibration::FitConfig;
///
/// // A quick fit to few shots.
/// let fit = FitConfig { epochs: 10, batch: 32, ..FitConfig::default() };
/// assert_eq!(fit.learning_rate, 2e-3);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FitConfig {
    /// Largest number of passes over the shots; the learning rate falls to zero over them along a
    /// half cosine.
    #[serde(deserialize_with = "validate::count")]
    pub epochs: usize,
    /// Shots a step.
    #[serde(deserialize_with = "validate::count")]
    pub batch: usize,
    /// Adam's first learning rate.
    #[serde(deserialize_with = "validate::positive")]
    pub learning_rate: f64,
    /// Share of the shots that are held out: the fit does not learn from them, and stops by their
    /// error.
    #[serde(deserialize_with = "validate::open_fraction")]
    pub validation_fraction: f64,
    /// The fit stops after so many passes without a smaller validation error.
    #[serde(deserialize_with = "validate::count")]
    pub patience: usize,
}

impl Default for FitConfig {
    fn default() -> Self {
        Self { epochs: 40, batch: 256, learning_rate: 2e-3, validation_fraction: 0.1, patience: 8 }
    }
}

/// The errors of a fit: mean squared error a pass, in units of each channel's variance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FitHistory {
    /// On the shots of the fit.
    pub training: Vec<f32>,
    /// On the held-out shots.
    pub validation: Vec<f32>,
}
