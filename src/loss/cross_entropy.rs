//! Cross-entropy over a softmax, for classes.

use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;
use twinprop_calibration::bridge::from_vec;

use super::Loss;
use crate::data::Targets;

/// ℒ = −mean over the batch of w_c Σ_k t_k log softmax(outputs)_k, c being the sample's class.
///
/// The target t is (1 − ε) at the class plus ε / K everywhere, with K classes and the label smoothing ε (Szegedy et
/// al. 2016, eq. 7); the weights w are 1 by default. The gradient ∂ℒ/∂outputs is w_c (softmax − t) / batch.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use twinprop::data::Targets;
/// use twinprop::loss::{CrossEntropy, Loss};
///
/// let outputs = Tensor::<2>::zeros([1, 4], &Device::default());
/// let (loss, _) = CrossEntropy::default().at(&outputs, &Targets::Classes(vec![2]));
/// assert!((loss - 4.0_f32.ln()).abs() < 1e-6);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CrossEntropy {
    /// w of each class; empty if all are 1.
    weights: Vec<f32>,
    /// ε, at least 0 and below 1.
    smoothing: f32,
}

impl CrossEntropy {
    /// The same with the weight `weights[c]` on samples of class c. Weights of mean 1 over the training samples keep
    /// the loss's size.
    #[must_use]
    pub fn with_weights(self, weights: Vec<f32>) -> Self {
        Self { weights, ..self }
    }

    /// The same with weights that give all classes of `targets` the same sum: w_c = samples / (classes · samples of
    /// class c). A class without samples has the weight 1 and does not count among the classes.
    #[must_use]
    pub fn balanced(self, targets: &Targets) -> Self {
        let classes = targets.classes();
        let mut counts = vec![0_usize; classes.iter().max().map_or(0, |largest| largest + 1)];
        classes.iter().for_each(|&class| counts[class] += 1);
        let occurring = counts.iter().filter(|&&count| count > 0).count();
        let share = classes.len() as f32 / occurring.max(1) as f32;
        let weight = |&count: &usize| if count == 0 { 1.0 } else { share / count as f32 };
        self.with_weights(counts.iter().map(weight).collect())
    }

    /// The same with label smoothing ε = `smoothing`, at least 0 and below 1.
    #[must_use]
    pub fn with_smoothing(self, smoothing: f32) -> Self {
        Self { smoothing, ..self }
    }

    fn is_plain(&self) -> bool {
        self.weights.is_empty() && self.smoothing == 0.0
    }

    fn weight(&self, class: usize) -> f32 {
        self.weights.get(class).copied().unwrap_or(1.0)
    }
}

impl Loss for CrossEntropy {
    fn at(&self, outputs: &Tensor<2>, targets: &Targets) -> (f32, Tensor<2>) {
        let [batch, classes] = outputs.dims();
        let device = outputs.device();
        let log_probability = log_softmax(outputs.clone(), 1);
        let everywhere = self.smoothing / classes as f32;
        let mut target = vec![everywhere; batch * classes];
        for (row, &class) in targets.classes().iter().enumerate() {
            let of_sample = &mut target[row * classes..][..classes];
            of_sample[class] += 1.0 - self.smoothing;
            if !self.is_plain() {
                let weight = self.weight(class);
                of_sample.iter_mut().for_each(|value| *value *= weight);
            }
        }
        let target = from_vec(target, [batch, classes], &device);
        let loss = -(log_probability.clone() * target.clone()).sum() / batch as f64;
        let mut probability = log_probability.exp();
        if !self.is_plain() {
            let weights = targets.classes().iter().map(|&class| self.weight(class)).collect();
            probability = probability * from_vec(weights, [batch, 1], &device);
        }
        (loss.into_scalar::<f32>(), (probability - target) / batch as f64)
    }

    fn check(&self, targets: &Targets) -> Result<(), String> {
        match targets {
            Targets::Classes(_) => Ok(()),
            Targets::Values(_) => Err(
                "cross-entropy compares classes, and the targets are values; set training.loss to mean-square, or to binary-cross-entropy for several labels a sample"
                    .to_owned(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_weights_have_mean_one_over_the_training_samples() {
        // No sample has class 1.
        let loss = CrossEntropy::default().balanced(&Targets::Classes(vec![0, 0, 0, 2]));
        assert_eq!([0, 1, 2].map(|class| loss.weight(class)), [2.0 / 3.0, 1.0, 2.0]);
    }
}
