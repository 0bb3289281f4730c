//! Losses: how far a network's outputs are from its targets, as a number and its gradient.
//!
//! A [`Loss`] compares the outputs `[batch, outputs]` with [`Targets`], classes or values. Training rules ask it for
//! the outputs' cotangent, and nothing else about the task.

mod binary_cross_entropy;
mod config;
mod cross_entropy;
mod difference;
mod huber;
mod mean_absolute;
mod mean_square;
mod score;
pub(crate) mod unknown;

pub use binary_cross_entropy::BinaryCrossEntropy;
pub use config::{ClassWeights, CrossEntropyConfig, HuberConfig, LossConfig};
pub use cross_entropy::CrossEntropy;
pub use huber::Huber;
pub use mean_absolute::MeanAbsolute;
pub use mean_square::MeanSquare;
pub use score::{Measure, Score, predictions};

use burn::tensor::Tensor;
use nalgebra::DMatrix;

use crate::data::Targets;

/// A loss: the mean over a batch, and its gradient.
///
/// ```
/// use burn::tensor::Tensor;
/// use twinprop::data::Targets;
/// use twinprop::loss::Loss;
///
/// /// The mean of the outputs, for any targets.
/// struct Mean;
///
/// impl Loss for Mean {
///     fn at(&self, outputs: &Tensor<2>, _targets: &Targets) -> (f32, Tensor<2>) {
///         let count = outputs.shape().num_elements() as f64;
///         (outputs.clone().mean().into_scalar(), outputs.ones_like() / count)
///     }
/// }
/// ```
pub trait Loss: Send + Sync {
    /// Mean loss of `outputs` `[batch, outputs]` against `targets`, and its gradient ∂ℒ/∂outputs, of their shape.
    fn at(&self, outputs: &Tensor<2>, targets: &Targets) -> (f32, Tensor<2>);

    /// How well `outputs` `[outputs × samples]` meet `targets`: by default the accuracy of classes, and R² of values.
    fn score(&self, outputs: &DMatrix<f32>, targets: &Targets) -> Score {
        Score::of(outputs, targets)
    }

    /// Checks that the loss can compare outputs with `targets`.
    ///
    /// # Errors
    /// What is wrong and what to do, in a sentence.
    fn check(&self, _targets: &Targets) -> Result<(), String> {
        Ok(())
    }
}

impl<L: Loss + ?Sized> Loss for &L {
    fn at(&self, outputs: &Tensor<2>, targets: &Targets) -> (f32, Tensor<2>) {
        (**self).at(outputs, targets)
    }

    fn score(&self, outputs: &DMatrix<f32>, targets: &Targets) -> Score {
        (**self).score(outputs, targets)
    }

    fn check(&self, targets: &Targets) -> Result<(), String> {
        (**self).check(targets)
    }
}

impl<L: Loss + ?Sized> Loss for Box<L> {
    fn at(&self, outputs: &Tensor<2>, targets: &Targets) -> (f32, Tensor<2>) {
        (**self).at(outputs, targets)
    }

    fn score(&self, outputs: &DMatrix<f32>, targets: &Targets) -> Score {
        (**self).score(outputs, targets)
    }

    fn check(&self, targets: &Targets) -> Result<(), String> {
        (**self).check(targets)
    }
}
