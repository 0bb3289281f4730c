//! BEAN, biologically enhanced artificial neuronal assemblies (Gao, Ascoli & Zhao, Frontiers in Neurorobotics
//! 15, 567482, 2021, eqs. 1 to 6): it makes units with the same targets respond alike.
//!
//! With h `[batch, n]` the activations that enter a layer, w `[n, m]` its weights, t = tanh(γw) and
//! a = |t|, the affinity of two units is A = a aᵀ (order 1) or its element-wise square (order 2), their distance
//! d_ij the batch's mean of (h_i − h_j)², and
//!
//! R = strength · mean over i and j of A_ij d_ij = strength · 2/(batch n²) · tr(h L hᵀ), L = diag(A 1) − A.
//!
//! The Laplacian form needs n² numbers where the definition needs n² for every sample. R is no less than zero,
//! and its gradients are ∂R/∂h = strength · 4/(batch n²) · h L and, with D the matrix of d,
//! ∂R/∂w = strength · 2γ/n² · (D a) ∘ sign(t) ∘ (1 − t²); order 2 has 2 A ∘ D in place of D, with A = a aᵀ.
//!
//! For a physical layer w is its twin's mean Jacobian over the batch, taken as a constant.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::validate;

/// What makes two units similar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Targets that both units share.
    #[default]
    First,
    /// Pairs of shared targets.
    Second,
}

/// The regulariser BEAN (biologically enhanced artificial neuronal assemblies); in a recipe, `[training.bean]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BeanConfig {
    /// Order of the similarity.
    #[serde(default)]
    pub order: Order,
    /// α: weight of the regulariser in the loss.
    #[serde(deserialize_with = "validate::non_negative")]
    pub strength: f64,
    /// γ: sharpness of a = |tanh(γw)|.
    #[serde(default = "one", deserialize_with = "validate::positive")]
    pub gamma: f64,
    /// Indices (from zero) of the stages whose inputs are regularised; by default all `linear` stages and
    /// physical layers except the first layer, and without layers whose shots share their parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stages: Option<Vec<usize>>,
}

fn one() -> f64 {
    1.0
}

/// A regulariser and the places of the stages with regularised inputs.
#[derive(Clone, Debug)]
pub struct Assemblies {
    /// The regulariser.
    pub config: BeanConfig,
    /// The places.
    pub places: Vec<usize>,
}

/// The regulariser's value and its gradients.
pub struct Regularisation {
    /// Its value.
    pub value: f32,
    /// By the activations, `[batch, n]`.
    pub activations: Tensor<2>,
    /// By the outgoing weights, `[n, m]`.
    pub weights: Tensor<2>,
}

impl BeanConfig {
    /// The regulariser at the activations `h` `[batch, n]` and the outgoing weights `w` `[n, m]`.
    #[must_use]
    pub fn at(&self, h: &Tensor<2>, w: &Tensor<2>) -> Regularisation {
        let [batch, units] = h.dims();
        let share = self.strength / (units * units) as f64;
        let t = (w.clone() * self.gamma).tanh();
        let a = t.clone().abs();
        let paths = a.clone().matmul(a.clone().transpose());
        let affinity = match self.order {
            Order::First => paths.clone(),
            Order::Second => paths.clone().square(),
        };
        let products = h.clone().transpose().matmul(h.clone()) / batch as f32;
        let squares = h.clone().square().mean_dim(0);
        let distances = squares.clone().transpose() + squares - products * 2.0;
        let value = (affinity.clone() * distances.clone()).sum() * share;
        let reach = affinity.clone().sum_dim(1).transpose();
        let activations =
            (h.clone() * reach - h.clone().matmul(affinity)) * (4.0 * share / batch as f64);
        let by_paths = match self.order {
            Order::First => distances,
            Order::Second => paths * distances * 2.0,
        };
        let slope = (t.clone().square().neg() + 1.0) * t.sign();
        let weights = by_paths.matmul(a) * slope * (2.0 * share * self.gamma);
        Regularisation { value: value.into_scalar(), activations, weights }
    }
}
