//! The Huber loss, for values with a few outliers.

use burn::tensor::Tensor;

use super::{Loss, difference};
use crate::data::Targets;

/// ℒ = mean of h(y − t) over the batch and the outputs, with h(e) = e² / 2 for |e| ≤ δ and δ (|e| − δ / 2) beyond
/// (Huber, Annals of Mathematical Statistics 35, 73, 1964); its gradient is clamp(y − t, −δ, δ) / n, with n elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Huber {
    /// δ, above zero, in units of the targets' standard deviation: the largest error that is squared.
    pub delta: f64,
}

impl Default for Huber {
    /// δ = 1.
    fn default() -> Self {
        Self { delta: 1.0 }
    }
}

impl Loss for Huber {
    fn at(&self, outputs: &Tensor<2>, targets: &Targets) -> (f32, Tensor<2>) {
        let (errors, count) = difference::errors(outputs, targets);
        let clamped = errors.clone().clamp(-self.delta, self.delta);
        // Both branches at once: c (e − c / 2), with c the clamped error.
        let each = clamped.clone() * (errors - clamped.clone() * 0.5);
        ((each.sum() / count).into_scalar(), clamped / count)
    }

    fn check(&self, targets: &Targets) -> Result<(), String> {
        difference::check("huber", targets)
    }
}
