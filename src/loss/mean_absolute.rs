//! Mean absolute error, for values with outliers.

use burn::tensor::Tensor;

use super::{Loss, difference};
use crate::data::Targets;

/// ℒ = mean of |y − t| over the batch and the outputs; its gradient is sign(y − t) / n, with n elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MeanAbsolute;

impl Loss for MeanAbsolute {
    fn at(&self, outputs: &Tensor<2>, targets: &Targets) -> (f32, Tensor<2>) {
        let (errors, count) = difference::errors(outputs, targets);
        let loss = errors.clone().abs().sum() / count;
        (loss.into_scalar(), errors.sign() / count)
    }

    fn check(&self, targets: &Targets) -> Result<(), String> {
        difference::check("mean-absolute", targets)
    }
}
