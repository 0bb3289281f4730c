//! Learned plasticity: matrices change by a sum of local terms with meta-learned weights, and errors come down
//! through fixed random matrices. Source: Shervani-Tabar & Rosenbaum, Nature Communications 14, 1805, 2023;
//! [`super::plasticity`] has the terms and meta-learns their weights.
//!
//! With x the input of a layer's matrix W, y the layer's output (of the last layer the softmax of the logits) and
//! e the error signals, which come down as in [feedback alignment](super::feedback_alignment):
//!
//! ΔW = Σ_r θ_r F_r(W; x, e below the matrix; y, e above it), the mean over the batch.
//!
//! The rule returns −ΔW in place of a gradient, so that plain descent at a learning rate of one
//! (`optimiser = "descent"`, `learning_rate = 1.0`, `schedule = "constant"`) with a batch of one is the published
//! rule.
//!
//! A term needs a matrix from a stage's input to its output. A digital layer has one, and so has a stage of one shot of a
//! linear device with weights as parameters, such as a crossbar tile. For all other parameters (phases of a mesh, pulse
//! shapers, biases, scales), only the pseudo-gradient term acts: their stage's vector-Jacobian product with e. A run lists
//! them. Range penalty and regulariser act at the rate of the pseudo-gradient.
//!
//! e below the lowest matrix is the error at the data; with `data_sharpness` = β it is multiplied by 1 − exp(−βx),
//! as in the paper, as if the data x were the output of a soft rectifier. Where a matrix's input is not as wide as
//! the output of the layer below (patches, padding), e is taken at the input; where a layer's output is not as wide
//! as its matrix's, y is the matrix's output.
//!
//! # When to use it
//! Where errors can only come down through matrices that cannot be set, samples come one by one and are few,
//! and `twinprop meta-train` has found terms for such tasks.
//!
//! # What it costs
//! A shot a sample and physical stage, as feedback alignment; three products a matrix in place of one.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::{DeviceError, validate};

use super::feedback_alignment::feedback_matrices;
use super::{Batch, ForwardPass, StepOutput, TrainingRule};
use crate::data::Targets;
use crate::loss::Loss;
use crate::network::{Laboratory, Matrix, Network, Source, Trace};
use crate::rules::plasticity::{Coefficients, Side, Term};

/// Learned plasticity; in a recipe, `[training.rules.learned-plasticity]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LearnedPlasticityConfig {
    /// Θ, the amount of each term.
    pub terms: Coefficients,
    /// Standard deviation of a feedback matrix's elements, in units of 1/√(output channels of its stage).
    #[serde(deserialize_with = "validate::positive")]
    pub scale: f64,
    /// β of a soft rectifier assumed before the data; by default none.
    #[serde(
        deserialize_with = "validate::optional_positive",
        skip_serializing_if = "Option::is_none"
    )]
    pub data_sharpness: Option<f64>,
}

impl Default for LearnedPlasticityConfig {
    /// The larger terms that `experiments/meta/plasticity.toml` finds.
    fn default() -> Self {
        let mut theta = [0.0; Term::COUNT];
        for (term, amount) in
            [(Term::PseudoGradient, 0.014), (Term::ErrorHebb, -0.019), (Term::Oja, 0.004)]
        {
            theta[term as usize] = amount;
        }
        Self { terms: Coefficients::from_array(theta), scale: 1.0, data_sharpness: None }
    }
}

/// Local terms at every matrix, the pseudo-gradient elsewhere.
pub struct LearnedPlasticity {
    config: LearnedPlasticityConfig,
    seed: u64,
    /// `[width out, width in]` of each stage that mixes; drawn when the first batch shows how wide they are.
    matrices: Option<Vec<Option<Tensor<2>>>>,
}

impl LearnedPlasticity {
    /// With matrices drawn from `seed`.
    #[must_use]
    pub fn new(config: LearnedPlasticityConfig, seed: u64) -> Self {
        Self { config, seed, matrices: None }
    }

    /// With these matrices, `[width out, width in]`, one a stage; `None` where the stage's own derivative is used.
    #[must_use]
    pub fn with_matrices(
        config: LearnedPlasticityConfig,
        matrices: Vec<Option<Tensor<2>>>,
    ) -> Self {
        Self { config, seed: 0, matrices: Some(matrices) }
    }
}

impl LearnedPlasticityConfig {
    /// Names of the parameters of `network` that are no matrices, so that only the pseudo-gradient acts on them; empty
    /// without other terms.
    #[must_use]
    pub fn without_matrix(&self, network: &Network) -> Vec<String> {
        if self.terms.terms().all(|term| term == Term::PseudoGradient) {
            return Vec::new();
        }
        let stages = network.stages.iter().enumerate();
        let names = stages.flat_map(|(place, stage)| {
            let matrix = stage.matrix().map(|matrix| matrix.parameter);
            let parameters = stage.parameters().into_iter().enumerate();
            let others = parameters.filter(move |(which, _)| Some(*which) != matrix);
            others.map(move |(_, (name, _))| format!("{place}.{}.{name}", stage.kind()))
        });
        names.collect()
    }
}

/// The error signals at a stage, of single samples.
#[derive(Clone)]
struct Signal {
    /// At its output.
    above: Tensor<2>,
    /// At its input; `None` for a stage without a random matrix.
    below: Option<Tensor<2>>,
}

/// The error signals of a backward pass, and the gradients of the parameters by them, stage by stage.
struct BackwardPass {
    signals: Vec<Option<Signal>>,
    gradients: Vec<Vec<Tensor<2>>>,
}

impl LearnedPlasticity {
    fn pass_back(
        &mut self,
        pass: &ForwardPass,
        network: &Network,
        laboratory: &Laboratory,
    ) -> BackwardPass {
        let ForwardPass { trace, cotangent, .. } = pass;
        let (seed, scale) = (self.seed, self.config.scale);
        let matrices =
            self.matrices.get_or_insert_with(|| feedback_matrices(seed, scale, network, trace, 0));
        let samples = cotangent.dims()[0] as f32;
        let mut signals = vec![None; network.stages.len()];
        let flat =
            network.backward_through(trace, cotangent.clone(), laboratory, |place, x, dy| {
                let matrix = matrices[place].as_ref();
                let below = matrix.map(|matrix| dy.clone().matmul(matrix.clone()));
                let below = below.map(|dx| network.stages[place].confined(x, dx));
                let single = |error: &Tensor<2>| error.clone() * samples;
                signals[place] =
                    Some(Signal { above: single(dy), below: below.as_ref().map(single) });
                below
            });
        let mut flat = flat.into_iter();
        let counts = network.stages.iter().map(|stage| stage.parameters().len());
        let gradients = counts.map(|count| flat.by_ref().take(count).collect()).collect();
        BackwardPass { signals, gradients }
    }

    /// Change of `matrix`, of the stage at `place`; `None` without an error signal.
    fn change(
        &self,
        place: usize,
        matrix: &Matrix,
        signals: &[Option<Signal>],
        trace: &Trace,
        network: &Network,
    ) -> Option<Tensor<2>> {
        let (x, reading) = (&trace.inputs[place], &trace.outputs[place]);
        let mixes = |place: &usize| network.stages[*place].mixes();
        let next = (place + 1..network.stages.len()).find(mixes);
        let leaving = match next {
            Some(next) => trace.inputs[next].clone(),
            None => softmax(trace.output().clone(), 1),
        };
        let y = if leaving.dims() == reading.dims() { &leaving } else { reading };
        let Signal { above, below } = signals[place].as_ref()?;
        let under = (0..place).rev().find(mixes).and_then(|under| signals[under].as_ref());
        let error = match (under, below) {
            (Some(under), _) if under.above.dims() == x.dims() => under.above.clone(),
            (None, Some(below)) => match self.config.data_sharpness {
                Some(beta) => below.clone() * ((x.clone() * -beta).exp().neg() + 1.0),
                None => below.clone(),
            },
            (_, below) => below.clone()?,
        };
        let (below, above) =
            (Side { activity: x, error: &error }, Side { activity: y, error: above });
        Some(self.config.terms.change(&matrix.weights, below, above))
    }
}

impl TrainingRule for LearnedPlasticity {
    fn step(
        &mut self,
        batch: &Batch,
        network: &mut Network,
        laboratory: &mut Laboratory,
        loss: &dyn Loss,
    ) -> Result<StepOutput, DeviceError> {
        let pass = ForwardPass::of(batch, network, laboratory, Source::Measured, loss)?;
        let BackwardPass { signals, mut gradients } = self.pass_back(&pass, network, laboratory);
        let pseudo = self.config.terms.of(Term::PseudoGradient);
        for (place, gradients) in gradients.iter_mut().enumerate() {
            gradients.iter_mut().for_each(|gradient| *gradient = gradient.clone() * pseudo);
            let matrix = network.stages[place].matrix();
            let changed = matrix.and_then(|matrix| {
                let change = self.change(place, &matrix, &signals, &pass.trace, network)?;
                Some((matrix, change))
            });
            let Some((Matrix { parameter, gain, .. }, change)) = changed else { continue };
            // The range penalty and the regulariser, which do not come from the loss, at the rate of the
            // pseudo-gradient.
            let nothing = pass.trace.outputs[place].zeros_like();
            let point = pass.trace.point(place);
            let mut penalties = network.gradients_of(place, point, nothing, laboratory);
            let penalty = penalties.swap_remove(parameter);
            let change = (change / gain).reshape(penalty.dims());
            gradients[parameter] = penalty * pseudo - change;
        }
        let gradients = gradients.into_iter().flatten().collect();
        Ok(pass.with_gradients(gradients, network, laboratory))
    }

    fn check(&self, _network: &Network, targets: &Targets) -> Result<(), String> {
        match targets {
            Targets::Classes(_) => Ok(()),
            Targets::Values(_) => Err(
                "learned plasticity needs classes, and the targets are values; choose another rule"
                    .to_owned(),
            ),
        }
    }
}
