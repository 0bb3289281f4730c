//! Central finite differences: the loss is measured on both sides of every single parameter. No twin, no
//! calibration, and two batches of shots a parameter: for few parameters and much time.
//!
//! # When to use it
//! As a reference: the device's own gradient up to noise and the step's curvature. With noise σ of the loss,
//! an element's error is σ / (√2 h).
//!
//! # What it costs
//! Two shots a parameter, sample and physical stage. A few hundred parameters are the practical limit.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_calibration::bridge::from_vec;
use twinprop_devices::{DeviceError, validate};

use super::probe::LossProbe;
use super::{Batch, ForwardPass, Passes, StepOutput, TrainingRule};
use crate::loss::Loss;
use crate::network::{Laboratory, Network, Source};

/// Central finite differences; in a recipe, `[training.rules.finite-differences]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FiniteDifferencesConfig {
    /// h: how far a parameter is moved to either side, normalised to [−1, 1].
    #[serde(deserialize_with = "validate::positive")]
    pub step: f64,
}

impl Default for FiniteDifferencesConfig {
    fn default() -> Self {
        Self { step: 0.05 }
    }
}

/// ∂ℒ/∂θ_i ≈ (ℒ(θ + h e_i) − ℒ(θ − h e_i)) / 2h.
pub struct FiniteDifferences {
    config: FiniteDifferencesConfig,
}

impl FiniteDifferences {
    /// With the options `config`.
    #[must_use]
    pub fn new(config: FiniteDifferencesConfig) -> Self {
        Self { config }
    }
}

/// `tensor` with `step` added to its element `element`, in row-major order.
fn moved(tensor: &Tensor<2>, element: usize, step: f64) -> Tensor<2> {
    let shape @ [rows, columns] = tensor.dims();
    let mut change = vec![0.0; rows * columns];
    change[element] = step as f32;
    tensor.clone() + from_vec(change, shape, &tensor.device())
}

impl TrainingRule for FiniteDifferences {
    fn step(
        &mut self,
        batch: &Batch,
        network: &mut Network,
        laboratory: &mut Laboratory,
        loss: &dyn Loss,
    ) -> Result<StepOutput, DeviceError> {
        let pass = ForwardPass::of(batch, network, laboratory, Source::Measured, loss)?;
        let step = self.config.step;
        let mut probe = LossProbe::new(batch, network, laboratory, loss);
        let shapes: Vec<[usize; 2]> = probe.start().iter().map(Tensor::dims).collect();
        let mut gradients = Vec::with_capacity(shapes.len());
        for (place, shape) in shapes.into_iter().enumerate() {
            let mut gradient = vec![0.0; shape[0] * shape[1]];
            for (element, slope) in gradient.iter_mut().enumerate() {
                let mut loss = |step: f64| {
                    probe.loss(|tensor, start| {
                        if tensor == place { moved(start, element, step) } else { start.clone() }
                    })
                };
                *slope = (loss(step)? - loss(-step)?) / (2.0 * step as f32);
            }
            gradients.push(from_vec(gradient, shape, &probe.start()[place].device()));
        }
        drop(probe);
        Ok(pass.with_gradients(gradients, network, laboratory))
    }

    fn passes(&self, network: &Network) -> Passes {
        let parameters = network.parameters();
        let elements = parameters.iter().map(|(_, value)| value.dims()[0] * value.dims()[1]);
        Passes { forward: (1 + 2 * elements.sum::<usize>()) as f64, backward: 0.0 }
    }
}
