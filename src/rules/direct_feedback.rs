//! Direct feedback alignment: every layer gets the loss's error at once, through a fixed random matrix of
//! its own (Nøkland, NeurIPS 2016, eq. 6), and its augmented form for physical systems (Nakajima et al.,
//! Nature Communications 13, 7847, 2022, eq. 3), which needs no derivative of a layer.
//!
//! # When to use it
//! As [feedback alignment](super::feedback_alignment), where errors cannot even pass the layers one by one: all
//! layers learn at once. The augmented form needs neither a layer's Jacobian nor the slope of what follows it.
//!
//! # What it costs
//! One shot per sample and physical stage; one vector-Jacobian product of each twin, by its parameters only, and one product
//! with each random matrix.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::{DeviceError, validate};

use super::feedback_alignment::fixed_random;
use super::{Batch, ForwardPass, Layers, StepOutput, TrainingRule};
use crate::loss::Loss;
use crate::network::{Laboratory, Network, Source, Wanted};

/// Function that replaces the derivative of the stages behind a mixing stage. Its argument y is the mixing stage's output,
/// standardised over the batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Derivative {
    /// cos y, as in Nakajima et al.
    #[default]
    Cosine,
    /// 1 − tanh² y.
    Tanh,
    /// One.
    One,
}

/// Direct feedback alignment; in a recipe, `[training.rules.direct-feedback-alignment]` and
/// `[training.rules.augmented-direct-feedback-alignment]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DirectFeedbackConfig {
    /// Standard deviation of a matrix's elements, in units of 1/√(classes).
    #[serde(deserialize_with = "validate::positive")]
    pub scale: f64,
    /// Substitute for derivatives in the augmented form.
    pub derivative: Derivative,
}

impl Default for DirectFeedbackConfig {
    fn default() -> Self {
        Self { scale: 1.0, derivative: Derivative::Cosine }
    }
}

/// δ_l = e B_l at the end of every layer but the last, with e the cotangent of the logits; the layer's stages pass it
/// down to the layer's parameters by their own derivatives.
///
/// In the augmented form nothing is passed down to a layer's mixing stage: its output gets another e B_l, times a fixed
/// function of that output, and only its parameters' vector-Jacobian product is used.
pub struct DirectFeedback {
    config: DirectFeedbackConfig,
    augmented: bool,
    seed: u64,
    /// `[classes, width]` by the place of the stage that gets the error at its output; drawn when the first batch
    /// shows the width.
    matrices: BTreeMap<usize, Tensor<2>>,
}

impl DirectFeedback {
    /// With matrices drawn from `seed`; `augmented` or plain.
    #[must_use]
    pub fn new(config: DirectFeedbackConfig, augmented: bool, seed: u64) -> Self {
        Self { config, augmented, seed, matrices: BTreeMap::new() }
    }

    /// The plain form with these matrices, `[classes, width]`, by the place of each layer's last stage.
    #[must_use]
    pub fn with_matrices(matrices: BTreeMap<usize, Tensor<2>>) -> Self {
        Self { matrices, ..Self::new(DirectFeedbackConfig::default(), false, 0) }
    }

    /// e B for the output `y` of stage `stage`.
    fn error(&mut self, stage: usize, y: &Tensor<2>, cotangent: &Tensor<2>) -> Tensor<2> {
        let shape = [cotangent.dims()[1], y.dims()[1]];
        let (scale, seed) = (self.config.scale / (shape[0] as f64).sqrt(), self.seed);
        let matrix = self.matrices.entry(stage).or_insert_with(|| {
            let purpose = format!("direct feedback to stage {stage}");
            fixed_random(seed, &purpose, shape, scale, &y.device())
        });
        cotangent.clone().matmul(matrix.clone())
    }
}

/// Added to every output's standard deviation, as a share of the outputs' mean size.
const ROUNDING: f32 = 1e-6;

impl Derivative {
    fn of(self, y: &Tensor<2>) -> Tensor<2> {
        let (variance, mean) = y.clone().var_mean_bias(0);
        // Constant outputs would divide by zero.
        let size = y.clone().abs().mean().into_scalar::<f32>();
        let floor = if size > 0.0 { ROUNDING * size } else { 1.0 };
        let standard = (y.clone() - mean) / (variance.sqrt() + floor);
        match self {
            Self::Cosine => standard.cos(),
            Self::Tanh => standard.tanh().square().neg() + 1.0,
            Self::One => y.ones_like(),
        }
    }
}

impl TrainingRule for DirectFeedback {
    fn step(
        &mut self,
        batch: &Batch,
        network: &mut Network,
        laboratory: &mut Laboratory,
        loss: &dyn Loss,
    ) -> Result<StepOutput, DeviceError> {
        let pass = ForwardPass::of(batch, network, laboratory, Source::Measured, loss)?;
        let layers = Layers::of(network);
        let last = layers.count() - 1;
        let mut gradients = Vec::with_capacity(network.stages.len());
        for layer in (0..=last).rev() {
            let stages = layers.stages(layer);
            let end = stages.end - 1;
            let mut cotangent = if layer == last {
                pass.cotangent.clone()
            } else {
                self.error(end, &pass.trace.outputs[end], &pass.cotangent)
            };
            for place in stages.rev() {
                let stage = &network.stages[place];
                if self.augmented && stage.mixes() && layer < last {
                    let y = &pass.trace.outputs[place];
                    let error = self.error(place, y, &pass.cotangent);
                    cotangent = error * self.config.derivative.of(y);
                }
                let point = pass.trace.point(place);
                let of_stage = stage.vjp(point, cotangent, Wanted::All, laboratory);
                let mut parameters = of_stage.parameters;
                cotangent = of_stage.input.expect("all cotangents are wanted");
                network.regularise(place, point, laboratory, Some(&mut cotangent), &mut parameters);
                gradients.push(parameters);
            }
        }
        let gradients = gradients.into_iter().rev().flatten().collect();
        Ok(pass.with_gradients(gradients, network, laboratory))
    }
}
