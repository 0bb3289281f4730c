//! Asymmetric training: the error of the measured outputs goes down through the twins at the states that the twins
//! predict.
//!
//! Only the network's end is measured, as if nothing inside a device could be read. Wang et al. (Nature Communications, 2025)
//! call this asymmetrical training. Zheng et al. (Nature Machine Intelligence 5, 1119, 2023) call it PAT, with the nominal
//! model as the twin.
//!
//! # When to use it
//! As a comparison: `pat` differentiates each twin at the measured values, and costs no more shots.
//!
//! # What it costs
//! A shot a sample and physical stage, a prediction of each twin, and one vector-Jacobian product of each twin and
//! digital stage.

use twinprop_devices::DeviceError;

use super::{Batch, ForwardPass, StepOutput, TrainingRule};
use crate::loss::Loss;
use crate::network::{Laboratory, Network, Source};

/// δ_L = ∂ℒ/∂y at the measured outputs; δ_l = J_lᵀ δ_{l+1} at the points of the twins' forward pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asymmetric;

impl TrainingRule for Asymmetric {
    fn step(
        &mut self,
        batch: &Batch,
        network: &mut Network,
        laboratory: &mut Laboratory,
        loss: &dyn Loss,
    ) -> Result<StepOutput, DeviceError> {
        let pass = ForwardPass::of(batch, network, laboratory, Source::Measured, loss)?;
        let (x, position) = (batch.inputs.clone(), Some(batch.position));
        let predicted = network.forward(x, laboratory, Source::Predicted, position)?;
        let gradients = network.backward(&predicted, pass.cotangent.clone(), laboratory);
        Ok(pass.with_gradients(gradients, network, laboratory))
    }
}
