//! Penalties on the size of trained parameters.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::validate;

use crate::network::Network;

/// l1 · Σ |θ| + l2/2 · Σ θ² added to the loss, over all trainable tensors; in a recipe,
/// `[training.shrinkage]`. Device parameters enter normalised to [−1, 1].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ShrinkageConfig {
    /// Weight of the absolute values: it drives parameters with little effect to zero.
    #[serde(deserialize_with = "validate::non_negative")]
    pub l1: f64,
    /// Weight of half the squares: weight decay.
    #[serde(deserialize_with = "validate::non_negative")]
    pub l2: f64,
}

impl ShrinkageConfig {
    /// `gradients` of the parameters of `network` plus the penalties' gradients.
    #[must_use]
    pub fn shrink(&self, network: &Network, gradients: Vec<Tensor<2>>) -> Vec<Tensor<2>> {
        if *self == Self::default() {
            return gradients;
        }
        let values = network.stages.iter().flat_map(|stage| stage.parameters());
        values
            .zip(gradients)
            .map(|((_, value), gradient)| {
                gradient + value.clone().sign() * self.l1 + value.clone() * self.l2
            })
            .collect()
    }
}
