//! Cross-entropy over a softmax.

use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;
use twinprop_calibration::bridge::{from_vec, to_vec};

/// Mean cross-entropy of `logits` `[batch, classes]` against `labels`, and its cotangent
/// (softmax − one-hot) / batch `[batch, classes]`.
#[must_use]
pub fn cross_entropy(logits: &Tensor<2>, labels: &[usize]) -> (f32, Tensor<2>) {
    let [batch, classes] = logits.dims();
    let log_probability = log_softmax(logits.clone(), 1);
    let mut one_hot = vec![0.0; batch * classes];
    for (row, &label) in labels.iter().enumerate() {
        one_hot[row * classes + label] = 1.0;
    }
    let one_hot = from_vec(one_hot, [batch, classes], &logits.device());
    let loss = -(log_probability.clone() * one_hot.clone()).sum() / batch as f64;
    ((loss).into_scalar::<f32>(), (log_probability.exp() - one_hot) / batch as f64)
}

/// Most probable class of each row of `logits` `[batch, classes]`.
#[must_use]
pub fn predictions(logits: &Tensor<2>) -> Vec<usize> {
    let [_, classes] = logits.dims();
    to_vec(logits.clone())
        .chunks(classes)
        .map(|row| {
            (1..classes).fold(0, |best, class| if row[class] > row[best] { class } else { best })
        })
        .collect()
}

/// Share of `predicted` that equals `labels`.
#[must_use]
pub fn accuracy(predicted: &[usize], labels: &[usize]) -> f32 {
    let right = predicted.iter().zip(labels).filter(|(left, right)| left == right).count();
    right as f32 / labels.len() as f32
}
