//! Predictive coding: every layer holds a belief of its input, and learns from the error of its prediction.
//! Source: Rosenbaum, PLOS ONE 17, e0266102, 2022, with the signs of its corrected preprint (arXiv 2106.13082,
//! version 6, algorithms 1 to 3).
//!
//! With f_l the layers (1 to L), v̂_l the traced values (v̂_0 the data), v_l the beliefs, which start at
//! v̂_l, J_l the Jacobian of layer l + 1 by its input, and ℒ the batch's **mean** loss:
//!
//! * `exact`: ε_l = ∂ℒ/∂v̂_l. It is backpropagation.
//! * `fixed-prediction`: ε_L = ∂ℒ/∂v̂_L; in each of `steps` sweeps, from the top down, ε_l = v̂_l − v_l and v_l ← v_l + η
//!   (ε_l − J_l(v̂_l)ᵀ ε_{l+1}). In closed form ε_l is backpropagation's error times P[Binomial(steps − 1, η) ≥ L − l].
//!   With η = 1 and as many steps as layers it *is* backpropagation. With η = 1 and fewer steps, the lowest layers get no
//!   signal at all.
//! * `strict`: predictions are made again from the beliefs in every sweep: ε_L = ∂ℒ/∂ỹ at ỹ = f_L(v_{L−1}),
//!   ε_l = f_l(v_{l−1}) − v_l, v_l ← v_l + η (ε_l − J_l(v_l)ᵀ ε_{l+1}): a descent on the energy
//!   F = ℒ(ỹ) + ½ Σ ‖f_l(v_{l−1}) − v_l‖². On a physical stage a prediction is a measurement and costs
//!   shots. η must stay below 2 / λ_max of F's second derivative, or the beliefs diverge.
//!
//! The gradient of layer l's parameters is its vector-Jacobian product with ε_l, at v̂_{l−1} or, for
//! `strict`, at the last v_{l−1}. A range penalty's gradient is added to its layer's cotangent.
//!
//! # When to use it
//! `exact` and `fixed-prediction` with η = 1 do what backpropagation does, and show that a local, iterative
//! scheme can. With a smaller η, or fewer steps than layers, lower layers learn more slowly: Adam hides that, plain
//! descent does not. `strict` is for research on beliefs that are really inferred; it needs a small η, and on noisy
//! devices its errors are no smaller than the noise of two measurements.
//!
//! # What it costs
//! A shot a sample and physical stage; `strict` plays one more for every sweep and one for the gradients. In addition to
//! the backward pass for the gradients, each twin computes one product for every sweep in which an error passes its layer.
//! In total these are (L − 1) (L + 2) / 2 products in L sweeps.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::{DeviceError, validate};

use super::layers::LinearLayer;
use super::{Batch, ForwardPass, Layers, Passes, StepOutput, TrainingRule};
use crate::loss::Loss;
use crate::network::{Laboratory, Network, Point, Source, Trace};

/// How beliefs are inferred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Inference {
    /// Errors are the exact gradients.
    Exact,
    /// Predictions and Jacobians stay at the traced values.
    #[default]
    FixedPrediction,
    /// Predictions are measured again from the beliefs.
    Strict,
}

/// Predictive coding; in a recipe, `[training.rules.predictive-coding]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PredictiveCodingConfig {
    /// How beliefs are inferred.
    pub algorithm: Inference,
    /// η: how far a belief moves in a sweep; above zero, at most one.
    #[serde(deserialize_with = "validate::positive_fraction")]
    pub eta: f64,
    /// Sweeps; by default as many as the network has layers.
    #[serde(
        deserialize_with = "validate::optional_count",
        skip_serializing_if = "Option::is_none"
    )]
    pub steps: Option<usize>,
}

impl Default for PredictiveCodingConfig {
    fn default() -> Self {
        Self { algorithm: Inference::FixedPrediction, eta: 1.0, steps: None }
    }
}

/// Learning from the errors of predictions.
pub struct PredictiveCoding {
    config: PredictiveCodingConfig,
}

impl PredictiveCoding {
    /// With the options `config`.
    #[must_use]
    pub fn new(config: PredictiveCodingConfig) -> Self {
        Self { config }
    }

    fn steps(&self, layers: &Layers) -> usize {
        self.config.steps.unwrap_or(layers.count())
    }

    fn fixed_prediction(
        &self,
        pass: &ForwardPass,
        network: &Network,
        laboratory: &Laboratory,
    ) -> Vec<Tensor<2>> {
        let layers = Layers::of(network);
        let top = layers.count();
        // ε of every node. Beliefs start at the traced values: below the top there is no error yet.
        let mut errors: Vec<Tensor<2>> =
            layers.nodes(&pass.trace).iter().map(Tensor::zeros_like).collect();
        errors[top] = pass.cotangent.clone();
        // v̂ − v of every node.
        let mut lags = errors.clone();
        let linear: Vec<LinearLayer> = (0..top)
            .map(|layer| {
                let points = layers.points(layer, &pass.trace);
                layers.linearise(layer, &points, network, laboratory)
            })
            .collect();
        for sweep in 0..self.steps(&layers) {
            errors[1..top].clone_from_slice(&lags[1..top]);
            // The error of node l arrives in sweep L − l.
            for node in (1..top).rev().take_while(|node| top - node <= sweep + 1) {
                let down = linear[node].cotangent(errors[node + 1].clone());
                let down = layers.add_skips_back(node, down, &errors);
                lags[node] = lags[node].clone() - (errors[node].clone() - down) * self.config.eta;
            }
        }
        let above = errors.into_iter().skip(1);
        linear.iter().zip(above).flat_map(|(layer, error)| layer.gradients(error)).collect()
    }

    fn strict(
        &self,
        batch: &Batch,
        pass: &ForwardPass,
        network: &Network,
        laboratory: &mut Laboratory,
        loss: &dyn Loss,
    ) -> Result<Vec<Tensor<2>>, DeviceError> {
        let layers = Layers::of(network);
        let top = layers.count();
        let position = batch.position;
        let mut beliefs = layers.nodes(&pass.trace);
        let mut errors: Vec<Tensor<2>> = beliefs.iter().map(Tensor::zeros_like).collect();
        for _ in 0..self.steps(&layers) {
            // The layer above, measured at the belief of its input.
            let mut above =
                layers.measure(top - 1, &beliefs[top - 1], network, laboratory, position)?;
            let predicted = layers.add_skips_into(top, above.output().clone(), &beliefs);
            errors[top] = loss.at(&predicted, batch.targets).1;
            for node in (1..top).rev() {
                let layer =
                    layers.measure(node - 1, &beliefs[node - 1], network, laboratory, position)?;
                let predicted = layers.add_skips_into(node, layer.output().clone(), &beliefs);
                errors[node] = predicted - beliefs[node].clone();
                let error = errors[node + 1].clone();
                let points = all_points(&above);
                let down = layers.linearise(node, &points, network, laboratory).cotangent(error);
                let down = layers.add_skips_back(node, down, &errors);
                let moved = (errors[node].clone() - down) * self.config.eta;
                beliefs[node] = beliefs[node].clone() + moved;
                above = layer;
            }
        }
        let mut gradients = Vec::new();
        for layer in 0..top {
            let belief = &beliefs[layer];
            let trace = layers.measure_inputs(layer, belief, network, laboratory, position)?;
            let error = errors[layer + 1].clone();
            let linear = layers.linearise(layer, &all_points(&trace), network, laboratory);
            gradients.extend(linear.gradients(error));
        }
        Ok(gradients)
    }
}

/// The points of a layer's own `trace`.
fn all_points(trace: &Trace) -> Vec<Point<'_>> {
    (0..trace.inputs.len()).map(|place| trace.point(place)).collect()
}

impl TrainingRule for PredictiveCoding {
    fn step(
        &mut self,
        batch: &Batch,
        network: &mut Network,
        laboratory: &mut Laboratory,
        loss: &dyn Loss,
    ) -> Result<StepOutput, DeviceError> {
        let pass = ForwardPass::of(batch, network, laboratory, Source::Measured, loss)?;
        let gradients = match self.config.algorithm {
            Inference::Exact => network.backward(&pass.trace, pass.cotangent.clone(), laboratory),
            Inference::FixedPrediction => self.fixed_prediction(&pass, network, laboratory),
            Inference::Strict => self.strict(batch, &pass, network, laboratory, loss)?,
        };
        Ok(pass.with_gradients(gradients, network, laboratory))
    }

    fn passes(&self, network: &Network) -> Passes {
        let layers = Layers::of(network);
        let (count, steps) = (layers.count(), self.steps(&layers));
        let (forward, backward) = match self.config.algorithm {
            Inference::Exact => (1.0, 1.0),
            Inference::FixedPrediction => {
                // One more layer in every sweep, until the error has reached the lowest.
                let products: usize = (1..=steps).map(|sweep| sweep.min(count - 1)).sum();
                (1.0, 1.0 + products as f64 / count as f64)
            }
            Inference::Strict => {
                ((2 + steps) as f64, 1.0 + (steps * (count - 1)) as f64 / count as f64)
            }
        };
        Passes { forward, backward }
    }
}
