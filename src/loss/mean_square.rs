//! Mean squared error, for values.

use burn::tensor::Tensor;

use super::{Loss, difference};
use crate::data::Targets;

/// ℒ = mean of (y − t)² over the batch and the outputs; its gradient is 2 (y − t) / n, with n elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MeanSquare;

impl Loss for MeanSquare {
    fn at(&self, outputs: &Tensor<2>, targets: &Targets) -> (f32, Tensor<2>) {
        let (errors, count) = difference::errors(outputs, targets);
        let loss = errors.clone().square().sum() / count;
        (loss.into_scalar(), errors * (2.0 / count))
    }

    fn check(&self, targets: &Targets) -> Result<(), String> {
        difference::check("mean-square", targets)
    }
}
