//! Size of a neural twin.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::validate;

/// Size of a neural twin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NeuralTwinConfig {
    /// Units of each hidden layer.
    #[serde(deserialize_with = "validate::count")]
    pub width: usize,
    /// Hidden layers.
    #[serde(deserialize_with = "validate::count")]
    pub depth: usize,
    /// Whether each hidden layer has a skip connection around it.
    pub residual: bool,
}

impl Default for NeuralTwinConfig {
    fn default() -> Self {
        Self { width: 256, depth: 2, residual: false }
    }
}
