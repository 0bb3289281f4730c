//! Learned plasticity: matrices change by a sum of local terms whose weights were meta-learned, with errors that
//! come down through fixed random matrices. Source: Shervani-Tabar & Rosenbaum, Nature Communications 14, 1805,
//! 2023; the terms, and how their weights are learned, stand in [`super::plasticity`].
//!
//! With x what enters the matrix W of a layer, y what leaves the layer (of the last layer the softmax of the
//! logits) and e the error signals, which come down as in [feedback alignment](super::feedback_alignment):
//!
//! ΔW = Σ_r θ_r F_r(W; x, e below the matrix; y, e above it), the mean over the batch.
//!
//! What the rule gives in place of a gradient is −ΔW, so that plain descent at a learning rate of one
//! (`optimiser = "descent"`, `learning_rate = 1.0`, `schedule = "constant"`) with a batch of one is the rule
//! as it is published.
//!
//! A term needs a matrix from what enters a stage to what leaves it. A digital layer has one, and so has a
//! linear device whose parameters are its weights, such as a crossbar tile, if its stage plays one shot.
//! All other parameters (phases of a mesh, pulse shapers, biases, scales) have only a
//! gradient, by their stage's vector-Jacobian product with e: on them the pseudo-gradient acts, and the other
//! terms have no meaning. A run says which these are. Range penalty and regulariser act at the rate of the
//! pseudo-gradient.
//!
//! e below the lowest matrix is what comes down to the data; with `data_sharpness` = β it is multiplied by
//! 1 − exp(−βx), as the paper does, as if the data x had left a soft rectifier. Where what enters a matrix is
//! not as wide as the layer below it (patches, padding), e is taken where it enters; where what leaves a
//! layer is not as wide as its matrix, y is what leaves the matrix.
//!
//! # When to use it
//! Where errors can only come down through matrices that nobody can set, samples come one by one and are few,
//! and `twinprop meta-train` has found terms for tasks of the kind.
//!
//! # What it costs
//! A shot a sample and physical stage, as feedback alignment; three products a matrix in the place of one.

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
    /// Θ, how much there is of each term.
    pub terms: Coefficients,
    /// Deviation of a feedback matrix's elements, in units of 1/√(channels that leave its stage).
    #[serde(deserialize_with = "validate::positive")]
    pub scale: f64,
    /// β of the soft rectifier that the data might have left; if it is not said, none.
    #[serde(
        deserialize_with = "validate::optional_positive",
        skip_serializing_if = "Option::is_none"
    )]
    pub data_sharpness: Option<f64>,
}

impl Default for LearnedPlasticityConfig {
    /// What `experiments/meta/plasticity.toml` finds, of its larger terms.
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

    /// With these matrices, `[width out, width in]`, one a stage; none where the stage's own derivative is
    /// used.
    #[must_use]
    pub fn with_matrices(
        config: LearnedPlasticityConfig,
        matrices: Vec<Option<Tensor<2>>>,
    ) -> Self {
        Self { config, seed: 0, matrices: Some(matrices) }
    }
}

impl LearnedPlasticityConfig {
    /// On which parameters of `network` only the pseudo-gradient acts, though there are other terms.
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
    /// Where its output is.
    above: Tensor<2>,
    /// Where its input is, if a random matrix has brought it there.
    below: Option<Tensor<2>>,
}

/// The error signals on the way down, and the gradients that they give the parameters, stage by stage.
struct Descent {
    signals: Vec<Option<Signal>>,
    gradients: Vec<Vec<Tensor<2>>>,
}

impl LearnedPlasticity {
    fn descend(
        &mut self,
        pass: &ForwardPass,
        network: &Network,
        laboratory: &Laboratory,
    ) -> Descent {
        let ForwardPass { trace, cotangent, .. } = pass;
        let drawn = (self.seed, self.config.scale);
        let matrices =
            self.matrices.get_or_insert_with(|| feedback_matrices(drawn, network, trace));
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
        Descent { signals, gradients }
    }

    /// What `matrix`, of the stage at `place`, changes by.
    fn change(
        &self,
        (place, matrix): (usize, &Matrix),
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
        let Descent { signals, mut gradients } = self.descend(&pass, network, laboratory);
        let pseudo = self.config.terms.of(Term::PseudoGradient);
        for (place, gradients) in gradients.iter_mut().enumerate() {
            gradients.iter_mut().for_each(|gradient| *gradient = gradient.clone() * pseudo);
            let matrix = network.stages[place].matrix();
            let changed = matrix.and_then(|matrix| {
                let change = self.change((place, &matrix), &signals, &pass.trace, network)?;
                Some((matrix, change))
            });
            let Some((Matrix { parameter, gain, .. }, change)) = changed else { continue };
            // The range penalty and the regulariser, which do not come from the loss, at the rate of the
            // pseudo-gradient.
            let nothing = pass.trace.outputs[place].zeros_like();
            let point = pass.trace.point(place);
            let mut kept = network.gradients_of(place, point, nothing, laboratory);
            let kept = kept.swap_remove(parameter);
            let change = (change / gain).reshape(kept.dims());
            gradients[parameter] = kept * pseudo - change;
        }
        let gradients = gradients.into_iter().flatten().collect();
        Ok(pass.with_gradients(gradients, network, laboratory))
    }

    fn check(&self, _network: &Network, targets: &Targets) -> Result<(), String> {
        match targets {
            Targets::Classes(_) => Ok(()),
            Targets::Values(_) => Err(
                "learned plasticity takes the softmax of the outputs and needs classes, and the targets are values; choose another rule"
                    .to_owned(),
            ),
        }
    }
}
