//! A neural twin: a multilayer perceptron between normalised drives and normalised readings.
//!
//! ```text
//! z_0 = W_x x̂ + W_θ θ̂ + b_0        x̂, θ̂: ranges mapped to [−1, 1]
//! z_l = W_l a(z_{l−1}) + b_l         a(z) = ½ z (1 + r),  r = z / √(1 + z²)
//! y   = μ + σ ∘ z_L                 μ, σ: mean and standard deviation of the readings
//! ```
//!
//! A residual twin adds z_{l−1} to every hidden z_l (He et al. 2016), so that many layers train.
//!
//! The activation a is SiLU's shape (Elfwing, Uchibe & Doya 2018) with an algebraic gate instead of
//! the logistic one: smooth, as a twin's gradient must be, and of operations that processors have
//! as vectors. Its slope is a′ = ½ + r − ½ r³.
//!
//! The first layer keeps data and parameters apart, so that the parameters' part is computed once
//! a group of shots. The adjoint is written by hand: it is the backward pass of every training
//! step, and it needs no tape.

mod on_host;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use burn::tensor::{Device, Tensor};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::{Interface, random, validate};

use self::on_host::{LinearisedOnHost, WeightsOnHost};
use crate::bridge::{from_vec, is_host};
use crate::error::CalibrationError;
use crate::fit::Network;
use crate::gate::activate;
use crate::ranges::RangeMap;
use crate::refine::{Learner, NetworkLearner};
use crate::store::{Description, Stored, save_network};
use crate::twin::{DigitalTwin, Linearised};

/// Size of a neural twin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NeuralTwinConfig {
    /// Units of each hidden layer.
    #[serde(deserialize_with = "validate::count")]
    pub width: usize,
    /// Hidden layers.
    #[serde(deserialize_with = "validate::count")]
    pub depth: usize,
    /// Whether a hidden layer adds to the one before it.
    pub residual: bool,
}

impl Default for NeuralTwinConfig {
    fn default() -> Self {
        Self { width: 256, depth: 2, residual: false }
    }
}

/// A multilayer perceptron that stands for one device.
#[derive(Clone)]
pub struct NeuralTwin {
    config: NeuralTwinConfig,
    interface: Interface,
    /// `W_x` `[n_inputs, width]`, `W_θ` `[n_parameters, width]`, then `b_0`, `W_1`, `b_1`, …, with
    /// each bias `[1, width]`.
    weights: Vec<Tensor<2>>,
    /// Mean and standard deviation of the readings, each `[1, n_outputs]`.
    reading_mean: Tensor<2>,
    reading_deviation: Tensor<2>,
    inputs: RangeMap,
    parameters: RangeMap,
    /// The weights as loops on the host's processor read them, from when they are first asked for until the weights
    /// move.
    on_host: OnceLock<Arc<WeightsOnHost>>,
}

/// What a forward pass leaves for its adjoint: each layer's input, and each hidden layer's a′.
pub(crate) struct Trace {
    inputs: Tensor<2>,
    parameters: Tensor<2>,
    activations: Vec<Tensor<2>>,
    slopes: Vec<Tensor<2>>,
    /// Normalised readings z_L.
    pub(crate) output: Tensor<2>,
}

impl NeuralTwin {
    /// An untrained twin for `interface`, its weights drawn from `seed` (He et al. 2015, uniform).
    ///
    /// `readings`: mean and standard deviation of each output channel.
    #[must_use]
    pub fn new(
        config: &NeuralTwinConfig,
        interface: &Interface,
        readings: (Vec<f32>, Vec<f32>),
        seed: u64,
        device: &Device,
    ) -> Self {
        let mut random = random::stream(seed, "twin initialisation");
        let (inputs, parameters, outputs) =
            (interface.inputs.len(), interface.parameters.len(), interface.outputs.len());
        let mut matrix = |rows: usize, columns: usize, fan_in: usize| {
            let bound = (3.0 / fan_in as f32).sqrt();
            let values = (0..rows * columns).map(|_| random.random_range(-bound..bound)).collect();
            from_vec(values, [rows, columns], device)
        };
        let width = config.width;
        let mut weights = vec![
            matrix(inputs, width, inputs + parameters),
            matrix(parameters, width, inputs + parameters),
            Tensor::zeros([1, width], device),
        ];
        for layer in 1..=config.depth {
            let columns = if layer == config.depth { outputs } else { width };
            weights.push(matrix(width, columns, width));
            weights.push(Tensor::zeros([1, columns], device));
        }
        Self::assemble(config.clone(), interface.clone(), weights, readings, device)
    }

    fn assemble(
        config: NeuralTwinConfig,
        interface: Interface,
        weights: Vec<Tensor<2>>,
        (mean, deviation): (Vec<f32>, Vec<f32>),
        device: &Device,
    ) -> Self {
        let shape = [1, interface.outputs.len()];
        Self {
            inputs: RangeMap::normalising(&interface.inputs, device),
            parameters: RangeMap::normalising(&interface.parameters, device),
            reading_mean: from_vec(mean, shape, device),
            reading_deviation: from_vec(deviation, shape, device),
            config,
            interface,
            weights,
            on_host: OnceLock::new(),
        }
    }

    /// The weights as loops on the host's processor read them.
    fn weights_on_host(&self) -> Arc<WeightsOnHost> {
        self.on_host.get_or_init(|| Arc::new(WeightsOnHost::of(self))).clone()
    }

    /// What a group's shots share of z_0, from its normalised parameters: `[groups, width]`.
    fn shared(&self, parameters: Tensor<2>) -> Tensor<2> {
        parameters.matmul(self.weights[1].clone()) + self.weights[2].clone()
    }

    /// Readings in units of their own deviation.
    pub(crate) fn normalise_readings(&self, y: Tensor<2>) -> Tensor<2> {
        (y - self.reading_mean.clone()) / self.reading_deviation.clone()
    }

    /// `x`: `[shots, n_inputs]`, `theta`: `[groups, n_parameters]`, in the device's units.
    pub(crate) fn forward(&self, x: Tensor<2>, theta: Tensor<2>) -> Trace {
        let inputs = self.inputs.apply(x);
        let parameters = self.parameters.apply(theta);
        let [shots, _] = inputs.dims();
        let [groups, _] = parameters.dims();
        let shared = self.shared(parameters.clone());
        let mut z = inputs.clone().matmul(self.weights[0].clone()) + spread(shared, shots);
        debug_assert_eq!(shots % groups, 0, "groups are runs of equal length");
        let mut activations = Vec::with_capacity(self.config.depth);
        let mut slopes = Vec::with_capacity(self.config.depth);
        for (index, layer) in self.weights[3..].chunks_exact(2).enumerate() {
            let added = self.adds(index).then(|| z.clone());
            let (activation, slope) = activate(z);
            let next = activation.clone().matmul(layer[0].clone()) + layer[1].clone();
            z = if let Some(added) = added { next + added } else { next };
            activations.push(activation);
            slopes.push(slope);
        }
        Trace { inputs, parameters, activations, slopes, output: z }
    }

    /// Whether what layer `layer` computes is added to what entered it.
    fn adds(&self, layer: usize) -> bool {
        self.config.residual && layer + 1 < self.config.depth
    }

    /// Cotangent of z_0 `[shots, width]` from that of z_L, each layer's cotangent shown to `visit`
    /// (layer, activation that entered it, cotangent) on the way down.
    fn descend(
        &self,
        trace: &Trace,
        mut dz: Tensor<2>,
        mut visit: impl FnMut(usize, &Tensor<2>, &Tensor<2>),
    ) -> Tensor<2> {
        for layer in (0..self.config.depth).rev() {
            visit(layer, &trace.activations[layer], &dz);
            let before = dz.clone().matmul(self.weights[3 + 2 * layer].clone().transpose());
            let before = before * trace.slopes[layer].clone();
            dz = if self.adds(layer) { before + dz } else { before };
        }
        dz
    }

    /// The twin at `x` `[shots, n_inputs]` and `theta` `[groups, n_parameters]`, in the device's units.
    fn at(&self, x: Tensor<2>, theta: Tensor<2>) -> Box<dyn Linearised> {
        if is_host(&x.device()) {
            return Box::new(LinearisedOnHost::at(self, x, theta));
        }
        Box::new(LinearisedNeural { trace: self.forward(x, theta), twin: self.clone() })
    }

    /// Cotangents of the drives and parameters where the forward pass left `trace`.
    fn vjp_at(&self, trace: &Trace, dy: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let [groups, _] = trace.parameters.dims();
        let dz = self.descend(trace, dy * self.reading_deviation.clone(), |_, _, _| ());
        let dx = dz.clone().matmul(self.weights[0].clone().transpose());
        let dtheta = gather(dz, groups).matmul(self.weights[1].clone().transpose());
        (dx * self.inputs.scale.clone(), dtheta * self.parameters.scale.clone())
    }

    /// Gradients of the weights, in their order, from the cotangent `dz` of the normalised readings.
    pub(crate) fn weight_gradients(&self, trace: &Trace, dz: Tensor<2>) -> Vec<Tensor<2>> {
        let mut gradients = vec![None; self.weights.len()];
        let dz = self.descend(trace, dz, |layer, activation, dz| {
            gradients[3 + 2 * layer] = Some(activation.clone().transpose().matmul(dz.clone()));
            gradients[4 + 2 * layer] = Some(dz.clone().sum_dim(0));
        });
        let [groups, _] = trace.parameters.dims();
        gradients[0] = Some(trace.inputs.clone().transpose().matmul(dz.clone()));
        let by_group = gather(dz, groups);
        gradients[1] = Some(trace.parameters.clone().transpose().matmul(by_group.clone()));
        gradients[2] = Some(by_group.sum_dim(0));
        gradients.into_iter().flatten().collect()
    }
}

/// A neural twin and the forward pass at a point.
struct LinearisedNeural {
    twin: NeuralTwin,
    trace: Trace,
}

impl Linearised for LinearisedNeural {
    fn vjp(&self, _y: Tensor<2>, dy: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        self.twin.vjp_at(&self.trace, dy)
    }
}

impl Network for NeuralTwin {
    fn weights(&self) -> &[Tensor<2>] {
        &self.weights
    }

    fn weights_mut(&mut self) -> &mut [Tensor<2>] {
        self.on_host.take();
        &mut self.weights
    }

    fn learn(
        &self,
        inputs: Tensor<2>,
        parameters: Tensor<2>,
        readings: Tensor<2>,
    ) -> (Tensor<1>, Vec<Tensor<2>>) {
        let trace = self.forward(inputs, parameters);
        let difference = trace.output.clone() - self.normalise_readings(readings);
        let [shots, outputs] = difference.dims();
        let scale = 2.0 / (shots * outputs) as f64;
        let gradients = self.weight_gradients(&trace, difference.clone() * scale);
        (difference.square().mean(), gradients)
    }

    fn error(&self, inputs: Tensor<2>, parameters: Tensor<2>, readings: Tensor<2>) -> f32 {
        let predicted = self.forward(inputs, parameters).output;
        (predicted - self.normalise_readings(readings)).square().mean().into_scalar::<f32>()
    }
}

impl Stored for NeuralTwin {
    type Config = NeuralTwinConfig;

    fn describe(&self, description: &mut Description) {
        description.neural = Some(self.config.clone());
    }

    fn size(description: &Description) -> Option<NeuralTwinConfig> {
        description.neural.clone()
    }

    fn moments(&self) -> [&Tensor<2>; 2] {
        [&self.reading_mean, &self.reading_deviation]
    }

    fn untrained(config: &NeuralTwinConfig, interface: &Interface, device: &Device) -> Self {
        let outputs = interface.outputs.len();
        Self::new(config, interface, (vec![0.0; outputs], vec![1.0; outputs]), 0, device)
    }

    fn assembled(
        config: NeuralTwinConfig,
        interface: Interface,
        weights: Vec<Tensor<2>>,
        moments: (Vec<f32>, Vec<f32>),
        device: &Device,
    ) -> Self {
        Self::assemble(config, interface, weights, moments, device)
    }
}

impl DigitalTwin for NeuralTwin {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn predict(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
        self.forward(x, theta).output * self.reading_deviation.clone() + self.reading_mean.clone()
    }

    fn vjp(
        &self,
        x: Tensor<2>,
        theta: Tensor<2>,
        y: Tensor<2>,
        dy: Tensor<2>,
    ) -> (Tensor<2>, Tensor<2>) {
        self.at(x, theta).vjp(y, dy)
    }

    fn linearise(&self, x: Tensor<2>, theta: Tensor<2>) -> Option<Box<dyn Linearised>> {
        Some(self.at(x, theta))
    }

    fn multiply_adds(&self) -> u64 {
        self.weights.iter().map(|weight| weight.dims().iter().product::<usize>() as u64).sum()
    }

    fn learner(&self, backend: &Device) -> Option<Box<dyn Learner>> {
        Some(Box::new(NetworkLearner::new(self, backend)))
    }

    fn save(&self, folder: &Path, name: &str) -> Result<(), CalibrationError> {
        save_network(self, folder, name)
    }
}

/// `[groups, width]` → `[shots, width]`: each group's row once a shot of its run.
pub(crate) fn spread(rows: Tensor<2>, shots: usize) -> Tensor<2> {
    let [groups, width] = rows.dims();
    if groups == 1 || groups == shots {
        return rows;
    }
    let run = shots / groups;
    rows.reshape([groups, 1, width]).expand([groups, run, width]).reshape([shots, width])
}

/// `[shots, width]` → `[groups, width]`: sums each group's run; the adjoint of [`spread`].
fn gather(rows: Tensor<2>, groups: usize) -> Tensor<2> {
    let [shots, width] = rows.dims();
    if groups == shots {
        return rows;
    }
    rows.reshape([groups, shots / groups, width]).sum_dim(1).reshape([groups, width])
}
