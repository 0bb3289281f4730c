//! Backpropagation: the loss's gradient goes down the stages by their vector-Jacobian products.
//!
//! `pat` measures the forward values and takes the products from the twins: physics-aware training (Wright et al.,
//! Nature 601, 549, 2022). `in-silico` predicts the forward values too. `ideal` measures them, and takes the products from
//! the devices' own equations.
//!
//! # When to use it
//! `pat` wherever a twin is fit for training: the other rules approximate its gradient. `in-silico` shows what
//! the twin alone is worth, `ideal` what a perfect one would be.
//!
//! # What it costs
//! One shot per sample and physical stage (`in-silico`: only in tests), and one vector-Jacobian product of each twin and
//! digital stage.

use twinprop_devices::DeviceError;

use super::{Batch, ForwardPass, StepOutput, TrainingRule, parts};
use crate::loss::Loss;
use crate::network::{Laboratory, Network, Source};

/// δ_l = J_lᵀ δ_{l+1}; ∂ℒ/∂θ_l = (∂f_l/∂θ_l)ᵀ δ_l, all at the points of the forward pass.
#[derive(Clone, Copy, Debug)]
pub struct Backpropagation {
    source: Source,
    /// Whether twins are linearised while the devices play.
    linearises: bool,
    /// Parts into which a batch is split.
    parts: usize,
}

impl Backpropagation {
    /// Physics-aware training: forward measured, backward through the twins.
    #[must_use]
    pub fn physics_aware() -> Self {
        Self { source: Source::Measured, linearises: true, parts: 1 }
    }

    /// The same with batches in `parts` parts, at most one a sample: while the devices play one, the CPU works on
    /// another. For devices that take longer than the CPU; each part sets the devices' parameters again.
    #[must_use]
    pub fn in_parts(self, parts: usize) -> Self {
        Self { parts, ..self }
    }

    /// Forward and backward through the twins.
    #[must_use]
    pub fn in_silico() -> Self {
        Self { source: Source::Predicted, linearises: false, parts: 1 }
    }

    /// Forward measured, backward through the laboratory's twins: the ideal if these are the simulated devices' own
    /// equations.
    #[must_use]
    pub fn ideal() -> Self {
        Self { linearises: false, ..Self::physics_aware() }
    }
}

impl TrainingRule for Backpropagation {
    fn step(
        &mut self,
        batch: &Batch,
        network: &mut Network,
        laboratory: &mut Laboratory,
        loss: &dyn Loss,
    ) -> Result<StepOutput, DeviceError> {
        // A backend that computes the devices itself does not wait for them.
        if self.parts > 1 && self.linearises && !laboratory.is_in_tensors() {
            return parts::step(batch, self.parts, network, laboratory, loss);
        }
        let pass = if self.linearises {
            let position = Some(batch.position);
            let x = batch.inputs.clone();
            let trace = network.measure_and_linearise(x, laboratory, position)?;
            ForwardPass::new(trace, batch.targets, loss)
        } else {
            ForwardPass::of(batch, network, laboratory, self.source, loss)?
        };
        let gradients = network.backward(&pass.trace, pass.cotangent.clone(), laboratory);
        Ok(pass.with_gradients(gradients, network, laboratory))
    }

    fn is_backpropagation(&self) -> bool {
        true
    }
}
