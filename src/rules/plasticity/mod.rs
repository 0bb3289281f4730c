//! Learned plasticity: networks that learn online, with errors from fixed random feedback, by a sum of local
//! terms with meta-learned weights. Source: Shervani-Tabar & Rosenbaum, Nature Communications 14, 1805, 2023.
//!
//! A dense network without bias, y_l = softplus_β(W_l y_{l−1}) with a softmax on top, sees one sample a step.
//! Its error signals are e_L = y_L − onehot and e_{l−1} = (B_lᵀ e_l) ∘ (1 − exp(−β y_{l−1})), with B_l fixed
//! and random (feedback alignment) or W_l itself (backpropagation). Then every matrix changes by Σ θ_r F_r, a
//! sum of ten [terms](Term) of the values on its two sides.
//!
//! Θ is learned over episodes: a new network learns a new task step by step and answers queries, and Θ moves down
//! the gradient of their loss through all steps. The adjoint is written by hand; all ten terms together are three
//! outer products, so a step costs a few passes over the matrices.
//!
//! # When to use it
//! Where errors can only come down through matrices that cannot be set, and samples come one by one and are
//! few. `twinprop meta-train` compares backpropagation, feedback alignment and the learned rule on a kind of task;
//! [`learned_plasticity`](crate::rules::learned_plasticity) applies the terms to any network.
//!
//! # What it costs
//! A shot a sample and layer, as feedback alignment does; the meta-training happens in silico.

mod adjoint;
mod architecture;
mod batch;
mod episode;
mod kernels;
mod online;
mod terms;
#[cfg(test)]
mod tests;

pub use architecture::Architecture;
pub use batch::Side;
pub use episode::{FeedbackKind, LearningTask, OnlineLearner, Outcome};
pub use kernels::Real;
pub use terms::{Coefficients, Term};
