//! Outputs minus targets, for the losses of values.

use burn::tensor::Tensor;
use twinprop_calibration::bridge::to_tensor;

use crate::data::Targets;

/// The targets as a tensor, on the device of `outputs` `[batch, outputs]`.
///
/// # Panics
/// For classes, which [`Loss::check`](super::Loss::check) refuses before a training.
pub(super) fn values(outputs: &Tensor<2>, targets: &Targets) -> Tensor<2> {
    match targets {
        Targets::Values(values) => to_tensor(values, &outputs.device()),
        Targets::Classes(_) => panic!("a loss of values got classes"),
    }
}

/// Outputs minus targets, `[batch, outputs]`, and their number of elements.
pub(super) fn errors(outputs: &Tensor<2>, targets: &Targets) -> (Tensor<2>, f64) {
    let errors = outputs.clone() - values(outputs, targets);
    let count = errors.shape().num_elements() as f64;
    (errors, count)
}

/// Refuses classes for the loss `name`.
pub(super) fn check(name: &str, targets: &Targets) -> Result<(), String> {
    match targets {
        Targets::Values(_) => Ok(()),
        Targets::Classes(_) => Err(format!(
            "{name} compares values, and the targets are classes; leave training.loss out, or name value columns as the targets"
        )),
    }
}
