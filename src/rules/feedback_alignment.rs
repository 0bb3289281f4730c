//! Feedback alignment: the error goes down through fixed random matrices in place of the layers' own
//! transposed Jacobians (Lillicrap et al., Nature Communications 7, 13276, 2016, eq. 3).
//!
//! # When to use it
//! Where a layer's transposed Jacobian is not available: its twin is too poor to carry errors, or the hardware
//! cannot send errors back. It works in shallow networks with many samples; deep ones learn slowly. A run logs the
//! angle to the twin's gradient, which shows whether the layers align.
//!
//! # What it costs
//! One shot per sample and physical stage; one vector-Jacobian product of each twin, by its parameters only, and one product
//! with each random matrix.

use burn::tensor::{Device, Tensor};
use rand_distr::{Distribution, StandardNormal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_calibration::bridge::from_vec;
use twinprop_devices::{DeviceError, random, validate};

use super::{Batch, ForwardPass, StepOutput, TrainingRule};
use crate::loss::Loss;
use crate::network::{Laboratory, Network, Source, Trace};

/// Feedback alignment; in a recipe, `[training.rules.feedback-alignment]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FeedbackAlignmentConfig {
    /// Standard deviation of a matrix's elements, in units of 1/√(output channels of its layer).
    #[serde(deserialize_with = "validate::positive")]
    pub scale: f64,
}

impl Default for FeedbackAlignmentConfig {
    fn default() -> Self {
        Self { scale: 1.0 }
    }
}

/// δ_l = B_lᵀ δ_{l+1} at every stage that mixes its channels (a physical or a digital layer), with B_l fixed; other
/// stages pass errors down by their own, known derivative. The gradient of a stage's parameters is its vector-Jacobian
/// product with the δ of its output.
pub struct FeedbackAlignment {
    config: FeedbackAlignmentConfig,
    seed: u64,
    /// `[width out, width in]` of each stage; `None` where the stage's own derivative is used. Drawn when the first
    /// batch shows how wide the stages are.
    matrices: Option<Vec<Option<Tensor<2>>>>,
}

impl FeedbackAlignment {
    /// With matrices drawn from `seed`.
    #[must_use]
    pub fn new(config: FeedbackAlignmentConfig, seed: u64) -> Self {
        Self { config, seed, matrices: None }
    }

    /// With these matrices, `[width out, width in]`, one a stage; `None` where the stage's own derivative is used.
    #[must_use]
    pub fn with_matrices(matrices: Vec<Option<Tensor<2>>>) -> Self {
        let config = FeedbackAlignmentConfig::default();
        Self { config, seed: 0, matrices: Some(matrices) }
    }

    /// The matrices; `None` where no stage below is trained.
    fn draw(&self, network: &Network, trace: &Trace) -> Vec<Option<Tensor<2>>> {
        let first = network.lowest_trained(0..network.stages.len()).map_or(0, |lowest| lowest + 1);
        feedback_matrices(self.seed, self.config.scale, network, trace, first)
    }
}

/// A fixed random matrix `[width out, width in]` of every stage from `first` on that mixes, drawn from `seed`, with a standard
/// deviation of `scale` / √(width out).
pub(super) fn feedback_matrices(
    seed: u64,
    scale: f64,
    network: &Network,
    trace: &Trace,
    first: usize,
) -> Vec<Option<Tensor<2>>> {
    let values = trace.inputs.iter().zip(&trace.outputs);
    let stages = network.stages.iter().zip(values).enumerate();
    stages
        .map(|(place, (stage, (x, y)))| {
            let shape = [y.dims()[1], x.dims()[1]];
            let deviation = scale / (shape[0] as f64).sqrt();
            let purpose = format!("feedback of stage {place}");
            (place >= first && stage.mixes())
                .then(|| fixed_random(seed, &purpose, shape, deviation, &x.device()))
        })
        .collect()
}

/// A matrix of normal elements with standard deviation `deviation`, the same for the same `seed` and `purpose`.
pub(super) fn fixed_random(
    seed: u64,
    purpose: &str,
    shape: [usize; 2],
    deviation: f64,
    device: &Device,
) -> Tensor<2> {
    let random = &mut random::stream(seed, purpose);
    let normal = |_| deviation as f32 * Distribution::<f32>::sample(&StandardNormal, random);
    from_vec((0..shape[0] * shape[1]).map(normal).collect(), shape, device)
}

impl TrainingRule for FeedbackAlignment {
    fn step(
        &mut self,
        batch: &Batch,
        network: &mut Network,
        laboratory: &mut Laboratory,
        loss: &dyn Loss,
    ) -> Result<StepOutput, DeviceError> {
        let pass = ForwardPass::of(batch, network, laboratory, Source::Measured, loss)?;
        if self.matrices.is_none() {
            self.matrices = Some(self.draw(network, &pass.trace));
        }
        let matrices = self.matrices.as_deref().unwrap_or_default();
        let cotangent = pass.cotangent.clone();
        let gradients =
            network.backward_through(&pass.trace, cotangent, laboratory, |place, x, dy| {
                let matrix = matrices[place].as_ref()?;
                Some(network.stages[place].confined(x, dy.clone().matmul(matrix.clone())))
            });
        Ok(pass.with_gradients(gradients, network, laboratory))
    }
}
