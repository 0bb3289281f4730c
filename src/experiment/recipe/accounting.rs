//! `[accounting]`: what a run's energy is computed from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::validate;

/// What a run's energy is worked out from; in a recipe, `[accounting]`. A device's own is its
/// `joules_per_shot`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccountingConfig {
    /// Energy of a multiply-add on the host, in joules. As it stands: a multiplication and an addition of
    /// 32-bit floats in 45 nm, without the memory's share (Horowitz, ISSCC 2014, fig. 1.1.9).
    #[serde(deserialize_with = "validate::positive")]
    pub joules_per_multiply_add: f64,
    /// Whether the smallest digital network of the same accuracy is looked for.
    pub digital_peer: bool,
    /// What that search may take, as a share of the run's own time. Both are reckoned from their operations, not
    /// measured, so that the same recipe finds the same.
    #[serde(deserialize_with = "validate::positive")]
    pub peer_share: f64,
}

impl Default for AccountingConfig {
    fn default() -> Self {
        Self { joules_per_multiply_add: 4.6e-12, digital_peer: true, peer_share: 0.1 }
    }
}
