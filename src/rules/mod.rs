//! Training rules: how a batch becomes gradients of the parameters.
//!
//! A [`TrainingRule`] owns its whole step: it passes the batch forward, asks the loss, and returns gradients. Rules
//! differ in the *credit* that they give every stage for the loss, and in their use of a twin for it. They use only
//! `forward` and `vjp` of a stage, so each runs on physical and digital stages alike. Every rule has a module with its
//! equations, their source, when to use it and what it costs. [`plasticity`] meta-learns the terms of learned
//! plasticity.
//!
//! | rule | credit of a stage's output | uses a twin for | shots a step, of a batch of B |
//! |---|---|---|---|
//! | [`Backpropagation`] (`pat`, `in-silico`, `ideal`) | vector-Jacobian products down the stages | credit, gradients | B (`in-silico`: 0) |
//! | [`Asymmetric`] | the same at the twins' own states | credit, gradients | B |
//! | [`PredictiveCoding`] `exact`, `fixed-prediction` | errors of predictions, which converge to these products | credit, gradients | B |
//! | [`PredictiveCoding`] `strict` | errors of predictions that are measured again | credit, gradients | (1 + steps) B and more |
//! | [`FeedbackAlignment`] | down through fixed random matrices | gradients | B |
//! | [`DirectFeedback`] | straight from the loss through fixed random matrices | gradients | B |
//! | [`LearnedPlasticity`] | down through fixed random matrices, to local terms | gradients | B |
//! | [`Emstdp`] | error neurons on the chip | nothing | B |
//! | [`Perturbation`] (`spsa`) | none: the loss at perturbed parameters | nothing | (1 + 2 · directions) B |
//! | [`FiniteDifferences`] | none: the loss at parameters moved one by one | nothing | (1 + 2 · parameters) B |

mod alignment;
pub mod asymmetric;
pub mod backpropagation;
mod choice;
mod config;
pub mod direct_feedback;
pub mod emstdp;
pub mod feedback_alignment;
pub mod finite_differences;
mod layers;
pub mod learned_plasticity;
mod parts;
mod passes;
pub mod perturbation;
pub mod plasticity;
pub mod predictive_coding;
mod probe;
mod step;

pub use alignment::Alignment;
pub use asymmetric::Asymmetric;
pub use backpropagation::Backpropagation;
pub use choice::Rule;
pub use config::RulesConfig;
pub use direct_feedback::{Derivative, DirectFeedback, DirectFeedbackConfig};
pub use emstdp::{Activity, Emstdp, EmstdpConfig, Synapse};
pub use feedback_alignment::{FeedbackAlignment, FeedbackAlignmentConfig};
pub use finite_differences::{FiniteDifferences, FiniteDifferencesConfig};
pub use layers::Layers;
pub use learned_plasticity::{LearnedPlasticity, LearnedPlasticityConfig};
pub use passes::Passes;
pub use perturbation::{Perturbation, PerturbationConfig};
pub use predictive_coding::{Inference, PredictiveCoding, PredictiveCodingConfig};
pub use step::{Batch, ForwardPass, StepOutput};

use twinprop_devices::DeviceError;

use crate::data::Targets;
use crate::loss::Loss;
use crate::network::{Laboratory, Network};

/// A training rule: its own forward pass, and the gradients from it.
pub trait TrainingRule {
    /// One step on `batch`: passes it through `network`, asks `loss`, and returns the gradients. The network stays
    /// unchanged.
    ///
    /// # Errors
    /// Errors of a device.
    fn step(
        &mut self,
        batch: &Batch,
        network: &mut Network,
        laboratory: &mut Laboratory,
        loss: &dyn Loss,
    ) -> Result<StepOutput, DeviceError>;

    /// Whether its gradients are backpropagation's; others are compared with these if the devices have twins.
    fn is_backpropagation(&self) -> bool {
        false
    }

    /// Checks that it can train `network` on `targets`.
    ///
    /// # Errors
    /// Why not and what to do, in a sentence.
    fn check(&self, _network: &Network, _targets: &Targets) -> Result<(), String> {
        Ok(())
    }

    /// Passes through `network` that a step takes for each sample.
    fn passes(&self, _network: &Network) -> Passes {
        Passes { forward: 1.0, backward: 1.0 }
    }
}

impl<R: TrainingRule + ?Sized> TrainingRule for Box<R> {
    fn step(
        &mut self,
        batch: &Batch,
        network: &mut Network,
        laboratory: &mut Laboratory,
        loss: &dyn Loss,
    ) -> Result<StepOutput, DeviceError> {
        (**self).step(batch, network, laboratory, loss)
    }

    fn is_backpropagation(&self) -> bool {
        (**self).is_backpropagation()
    }

    fn check(&self, network: &Network, targets: &Targets) -> Result<(), String> {
        (**self).check(network, targets)
    }

    fn passes(&self, network: &Network) -> Passes {
        (**self).passes(network)
    }
}
