//! `[accounting]`: constants of a run's energy estimate.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::validate;

/// Energy estimate of the digital part, and the search for a digital peer; `[accounting]` in a recipe. The energy of
/// a device is its `joules_per_shot`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccountingConfig {
    /// Energy of a multiply-add on the CPU, in joules. Default: a multiplication and an addition of 32-bit floats in
    /// 45 nm, without memory access (Horowitz, ISSCC 2014, fig. 1.1.9).
    #[serde(deserialize_with = "validate::positive")]
    pub joules_per_multiply_add: f64,
    /// Whether to search for the smallest digital network that reaches the same test score.
    pub digital_peer: bool,
    /// Time limit of this search as a share of the training's time. Both times are estimated from operation counts,
    /// so that the same recipe always gives the same result.
    #[serde(deserialize_with = "validate::positive")]
    pub peer_share: f64,
}

impl Default for AccountingConfig {
    fn default() -> Self {
        Self { joules_per_multiply_add: 4.6e-12, digital_peer: true, peer_share: 0.1 }
    }
}
