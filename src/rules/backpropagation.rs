//! Backpropagation: the loss's gradient goes down the stages by their vector-Jacobian products.
//!
//! With forward values measured and twins for the products it is physics-aware training (Wright et al.,
//! Nature 601, 549, 2022); with predicted values in-silico training; with the devices' own equations in
//! the twins' place the ideal.
//!
//! # When to use it
//! By `pat`, wherever there is a twin that is fit for training: it is the gradient that the other rules
//! approximate. `in-silico` shows what the twin alone is worth, `ideal` what a perfect one would be.
//!
//! # What it costs
//! A shot a sample and physical stage, none for `in-silico` until it is tested; one vector-Jacobian product of
//! each twin and digital stage.

use burn::tensor::Tensor;
use twinprop_devices::DeviceError;

use super::{Batch, TrainingRule};
use crate::network::{Laboratory, Network};

/// δ_l = J_lᵀ δ_{l+1}; ∂ℒ/∂θ_l = (∂f_l/∂θ_l)ᵀ δ_l, all at the traced points.
pub struct Backpropagation;

impl TrainingRule for Backpropagation {
    fn gradients(
        &mut self,
        batch: Batch,
        network: &mut Network,
        laboratory: &mut Laboratory,
    ) -> Result<Vec<Tensor<2>>, DeviceError> {
        Ok(network.backward(batch.trace, batch.cotangent.clone(), laboratory))
    }
}
