//! Binary cross-entropy, for several labels a sample.

use burn::tensor::Tensor;
use burn::tensor::activation::{relu, sigmoid};
use nalgebra::DMatrix;

use super::{Loss, Score, difference};
use crate::data::Targets;

/// ℒ = mean over the batch and the labels of −t log σ(y) − (1 − t) log(1 − σ(y)), computed as
/// max(y, 0) − y t + log(1 + exp(−|y|)), which does not overflow; its gradient is (σ(y) − t) / n, with n elements.
/// Targets are values from 0 to 1, one for each label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BinaryCrossEntropy;

impl Loss for BinaryCrossEntropy {
    fn at(&self, outputs: &Tensor<2>, targets: &Targets) -> (f32, Tensor<2>) {
        let values = difference::values(outputs, targets);
        let count = outputs.shape().num_elements() as f64;
        let each = relu(outputs.clone()) - outputs.clone() * values.clone()
            + outputs.clone().abs().neg().exp().log1p();
        ((each.sum() / count).into_scalar(), (sigmoid(outputs.clone()) - values) / count)
    }

    fn score(&self, outputs: &DMatrix<f32>, targets: &Targets) -> Score {
        Score::of_labels(outputs, targets)
    }

    fn check(&self, targets: &Targets) -> Result<(), String> {
        difference::check("binary-cross-entropy", targets)?;
        let Targets::Values(values) = targets else { return Ok(()) };
        match values.iter().find(|value| !(0.0..=1.0).contains(*value)) {
            None => Ok(()),
            Some(value) => Err(format!(
                "binary-cross-entropy compares labels from 0 to 1, and one target is {value}; set training.loss to mean-square"
            )),
        }
    }
}
