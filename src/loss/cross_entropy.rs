//! Cross-entropy over a softmax, for classes.

use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;
use twinprop_calibration::bridge::from_vec;

use super::Loss;
use crate::data::Targets;

/// ℒ = −mean over the batch of log softmax(outputs)\[class\]; its gradient is (softmax − one-hot) / batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CrossEntropy;

impl Loss for CrossEntropy {
    fn at(&self, outputs: &Tensor<2>, targets: &Targets) -> (f32, Tensor<2>) {
        let [batch, classes] = outputs.dims();
        let log_probability = log_softmax(outputs.clone(), 1);
        let mut one_hot = vec![0.0; batch * classes];
        for (row, &class) in targets.classes().iter().enumerate() {
            one_hot[row * classes + class] = 1.0;
        }
        let one_hot = from_vec(one_hot, [batch, classes], &outputs.device());
        let loss = -(log_probability.clone() * one_hot.clone()).sum() / batch as f64;
        (loss.into_scalar::<f32>(), (log_probability.exp() - one_hot) / batch as f64)
    }

    fn check(&self, targets: &Targets) -> Result<(), String> {
        match targets {
            Targets::Classes(_) => Ok(()),
            Targets::Values(_) => Err(
                "cross-entropy compares classes, and the targets are values; choose another loss"
                    .to_owned(),
            ),
        }
    }
}
