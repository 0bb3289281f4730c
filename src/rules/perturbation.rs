//! Simultaneous perturbation (Spall, IEEE Transactions on Automatic Control 37, 332, 1992, eq. 2.2): the loss's
//! slope along random directions of all parameters is measured. No twin, no calibration, two batches of shots a
//! direction; the estimate's noise grows with the number of parameters.
//!
//! # When to use it
//! Without a twin, or to check that one is worth its calibration. With n parameters, the estimate's error is √((n − 1) /
//! directions) times the gradient's length. Use it for small networks only, with more epochs than with a gradient.
//!
//! # What it costs
//! Two shots a direction, sample and physical stage, beside the training's own; no calibration, no twin.

use burn::tensor::{Device, Tensor};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_calibration::bridge::from_vec;
use twinprop_devices::{DeviceError, random, validate};

use super::probe::LossProbe;
use super::{Batch, ForwardPass, Passes, StepOutput, TrainingRule};
use crate::loss::Loss;
use crate::network::{Laboratory, Network, Source};

/// Simultaneous perturbation; in a recipe, `[training.rules.spsa]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PerturbationConfig {
    /// c: how far each parameter is moved, normalised to [−1, 1].
    #[serde(deserialize_with = "validate::positive")]
    pub step: f64,
    /// Directions in a training step; their estimates are averaged.
    #[serde(deserialize_with = "validate::count")]
    pub directions: usize,
}

impl Default for PerturbationConfig {
    fn default() -> Self {
        Self { step: 0.05, directions: 1 }
    }
}

/// ĝ = mean over directions Δ of (ℒ(θ + cΔ) − ℒ(θ − cΔ)) / 2c · Δ, each element of Δ being +1 or −1.
pub struct Perturbation {
    config: PerturbationConfig,
    seed: u64,
}

impl Perturbation {
    /// With directions drawn from `seed`.
    #[must_use]
    pub fn new(config: PerturbationConfig, seed: u64) -> Self {
        Self { config, seed }
    }
}

/// Random tensors of +1 and −1 in the shapes of `like`.
fn signs(like: &[Tensor<2>], seed: u64, purpose: &str) -> Vec<Tensor<2>> {
    let mut random = random::stream(seed, purpose);
    let mut draw = |shape: [usize; 2], device: &Device| {
        let values = (0..shape[0] * shape[1]).map(|_| if random.random() { 1.0 } else { -1.0 });
        from_vec(values.collect(), shape, device)
    };
    like.iter().map(|tensor| draw(tensor.dims(), &tensor.device())).collect()
}

impl TrainingRule for Perturbation {
    fn step(
        &mut self,
        batch: &Batch,
        network: &mut Network,
        laboratory: &mut Laboratory,
        loss: &dyn Loss,
    ) -> Result<StepOutput, DeviceError> {
        let pass = ForwardPass::of(batch, network, laboratory, Source::Measured, loss)?;
        let &PerturbationConfig { step, directions } = &self.config;
        let mut probe = LossProbe::new(batch, network, laboratory, loss);
        let mut estimate: Vec<Tensor<2>> = probe.start().iter().map(Tensor::zeros_like).collect();
        for direction in 0..directions {
            let purpose = format!("perturbation {direction} of step {}", batch.position.step);
            let signs = signs(probe.start(), self.seed, &purpose);
            let above = probe.loss(|place, start| start.clone() + signs[place].clone() * step)?;
            let below = probe.loss(|place, start| start.clone() - signs[place].clone() * step)?;
            let slope = f64::from(above - below) / (2.0 * step * directions as f64);
            for (estimate, signs) in estimate.iter_mut().zip(signs) {
                *estimate = estimate.clone() + signs * slope;
            }
        }
        drop(probe);
        Ok(pass.with_gradients(estimate, network, laboratory))
    }

    fn passes(&self, _network: &Network) -> Passes {
        Passes { forward: (1 + 2 * self.config.directions) as f64, backward: 0.0 }
    }
}
