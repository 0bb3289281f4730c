//! Training rules: how the measured trace of a batch becomes a gradient of the parameters.
//!
//! The forward values are the same for all of them, what the devices answered; rules differ in the
//! *credit* that they give every stage for the loss, and whether they ask a twin for it. A stage offers
//! no more than `forward` and `vjp`, so each rule runs on physical and digital stages alike. Every rule has a
//! module with its equations, their source, when to use it and what it costs. How the terms of learned
//! plasticity are found is a room of its own: [`crate::plasticity`].
//!
//! | rule | credit of a stage's output | asks a twin for | shots a step, of a batch of B |
//! |---|---|---|---|
//! | [`Backpropagation`] (`pat`, `in-silico`, `ideal`) | vector-Jacobian products down the stages | credit, gradients | B (`in-silico`: 0) |
//! | [`PredictiveCoding`] `exact`, `fixed-prediction` | errors of predictions that relax to the same | credit, gradients | B |
//! | [`PredictiveCoding`] `strict` | errors of predictions that are measured again | credit, gradients | (1 + steps) B and more |
//! | [`FeedbackAlignment`] | down through fixed random matrices | gradients | B |
//! | [`DirectFeedback`] | straight from the loss through fixed random matrices | gradients | B |
//! | [`LearnedPlasticity`] | down through fixed random matrices, to local terms | gradients | B |
//! | [`Perturbation`] (`spsa`) | none: the loss at perturbed parameters | nothing | (1 + 2 · directions) B |
//! | [`FiniteDifferences`] | none: the loss at parameters moved one by one | nothing | (1 + 2 · parameters) B |

mod alignment;
pub mod backpropagation;
mod choice;
mod config;
pub mod direct_feedback;
pub mod feedback_alignment;
pub mod finite_differences;
mod layers;
pub mod learned_plasticity;
mod passes;
pub mod perturbation;
pub mod predictive_coding;
mod probe;

pub use alignment::Alignment;
pub use backpropagation::Backpropagation;
pub use choice::Rule;
pub use config::RulesConfig;
pub use direct_feedback::{Derivative, DirectFeedback, DirectFeedbackConfig};
pub use feedback_alignment::{FeedbackAlignment, FeedbackAlignmentConfig};
pub use finite_differences::{FiniteDifferences, FiniteDifferencesConfig};
pub use layers::Layers;
pub use learned_plasticity::{LearnedPlasticity, LearnedPlasticityConfig};
pub use passes::Passes;
pub use perturbation::{Perturbation, PerturbationConfig};
pub use predictive_coding::{Inference, PredictiveCoding, PredictiveCodingConfig};

use burn::tensor::Tensor;
use twinprop_devices::DeviceError;

use crate::network::{Laboratory, Network, Trace};

/// A batch that has gone forward.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    /// Class of each sample.
    pub labels: &'a [usize],
    /// What the stages got and gave.
    pub trace: &'a Trace,
    /// Cotangent of the logits: the gradient of the batch's mean loss, `[batch, classes]`.
    pub cotangent: &'a Tensor<2>,
    /// The training step, from zero; random draws belong to it.
    pub step: u64,
}

/// A training rule.
pub trait TrainingRule {
    /// Gradients of the batch's mean loss, or what the rule has in their place, in the order of
    /// [`Network::parameters_mut`]. The network is left as it was.
    ///
    /// # Errors
    /// Whatever a device answers, where the rule plays shots of its own.
    fn gradients(
        &mut self,
        batch: Batch,
        network: &mut Network,
        laboratory: &mut Laboratory,
    ) -> Result<Vec<Tensor<2>>, DeviceError>;
}
