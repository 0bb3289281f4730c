//! The multilayer perceptron of a neural twin, and its adjoint.

use std::sync::{Arc, OnceLock};

use burn::tensor::{Device, Tensor};
use rand::RngExt;
use twinprop_devices::{Interface, random};

use super::NeuralTwinConfig;
use super::cpu::{CpuWeights, LinearisedOnCpu};
use super::learn_on_cpu;
use crate::activation::activate;
use crate::bridge::{from_vec, is_cpu};
use crate::network_twin::{Architecture, Units, gather, spread};
use crate::twin::Linearised;

/// A multilayer perceptron, from normalised drives to normalised readings.
#[derive(Clone)]
pub struct Perceptron {
    config: NeuralTwinConfig,
    /// `W_x` `[n_inputs, width]`, `W_θ` `[n_parameters, width]`, then `b_0`, `W_1`, `b_1`, …, with
    /// each bias `[1, width]`.
    weights: Vec<Tensor<2>>,
    /// The weights as the CPU's loops read them; empty until they are needed, and after the weights
    /// have changed.
    on_cpu: OnceLock<Arc<CpuWeights>>,
}

/// A forward pass, with what its adjoint needs: each layer's input, and each hidden layer's a′.
struct ForwardPass {
    inputs: Tensor<2>,
    parameters: Tensor<2>,
    activations: Vec<Tensor<2>>,
    slopes: Vec<Tensor<2>>,
    /// Normalised readings z_L.
    output: Tensor<2>,
}

impl Perceptron {
    /// The part of z_0 that a group's shots share, from its normalised parameters: `[groups, width]`.
    fn shared(&self, parameters: Tensor<2>) -> Tensor<2> {
        parameters.matmul(self.weights[1].clone()) + self.weights[2].clone()
    }

    /// The forward pass at normalised `inputs` `[shots, n_inputs]` and `parameters`
    /// `[groups, n_parameters]`.
    fn pass(&self, inputs: Tensor<2>, parameters: Tensor<2>) -> ForwardPass {
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
        ForwardPass { inputs, parameters, activations, slopes, output: z }
    }

    /// Whether the input of layer `layer` is added to its output.
    fn adds(&self, layer: usize) -> bool {
        self.config.residual && layer + 1 < self.config.depth
    }

    /// Cotangent of z_0 `[shots, width]` from that of z_L; `visit` gets each layer's number, its
    /// activation and the cotangent of its output, from the last layer to the first.
    fn pull_back(
        &self,
        pass: &ForwardPass,
        mut dz: Tensor<2>,
        mut visit: impl FnMut(usize, &Tensor<2>, &Tensor<2>),
    ) -> Tensor<2> {
        for layer in (0..self.config.depth).rev() {
            visit(layer, &pass.activations[layer], &dz);
            let before = dz.clone().matmul(self.weights[3 + 2 * layer].clone().transpose());
            let before = before * pass.slopes[layer].clone();
            dz = if self.adds(layer) { before + dz } else { before };
        }
        dz
    }

    /// Gradients of the weights, in their order, from the cotangent `dz` of the normalised readings.
    fn weight_gradients(&self, pass: &ForwardPass, dz: Tensor<2>) -> Vec<Tensor<2>> {
        let mut gradients = vec![None; self.weights.len()];
        let dz = self.pull_back(pass, dz, |layer, activation, dz| {
            gradients[3 + 2 * layer] = Some(activation.clone().transpose().matmul(dz.clone()));
            gradients[4 + 2 * layer] = Some(dz.clone().sum_dim(0));
        });
        let [groups, _] = pass.parameters.dims();
        gradients[0] = Some(pass.inputs.clone().transpose().matmul(dz.clone()));
        let by_group = gather(dz, groups);
        gradients[1] = Some(pass.parameters.clone().transpose().matmul(by_group.clone()));
        gradients[2] = Some(by_group.sum_dim(0));
        gradients.into_iter().flatten().collect()
    }

    /// `Architecture::learn` in tensors.
    fn learn_in_tensors(
        &self,
        inputs: Tensor<2>,
        parameters: Tensor<2>,
        readings: Tensor<2>,
    ) -> (Tensor<1>, Vec<Tensor<2>>) {
        let pass = self.pass(inputs, parameters);
        let difference = pass.output.clone() - readings;
        let [shots, outputs] = difference.dims();
        let scale = 2.0 / (shots * outputs) as f64;
        let gradients = self.weight_gradients(&pass, difference.clone() * scale);
        (difference.square().mean(), gradients)
    }
}

impl Architecture for Perceptron {
    type Config = NeuralTwinConfig;

    const KIND: &'static str = "neural";

    /// Weights uniform, with the variance of He et al. (2015); biases zero.
    fn draw(config: &NeuralTwinConfig, interface: &Interface, seed: u64, device: &Device) -> Self {
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
        Self::with_weights(config.clone(), interface, weights, device)
    }

    fn with_weights(
        config: NeuralTwinConfig,
        _interface: &Interface,
        weights: Vec<Tensor<2>>,
        _device: &Device,
    ) -> Self {
        Self { config, weights, on_cpu: OnceLock::new() }
    }

    fn config(&self) -> &NeuralTwinConfig {
        &self.config
    }

    fn weights(&self) -> &[Tensor<2>] {
        &self.weights
    }

    fn weights_mut(&mut self) -> &mut [Tensor<2>] {
        self.on_cpu.take();
        &mut self.weights
    }

    fn forward(&self, inputs: Tensor<2>, parameters: Tensor<2>) -> Tensor<2> {
        self.pass(inputs, parameters).output
    }

    fn learn(
        &self,
        inputs: Tensor<2>,
        parameters: Tensor<2>,
        readings: Tensor<2>,
    ) -> (Tensor<1>, Vec<Tensor<2>>) {
        if is_cpu(&inputs.device()) && parameters.dims()[0] == inputs.dims()[0] {
            let rows = [inputs, parameters, readings];
            return learn_on_cpu::learn(&self.config, &self.weights, rows);
        }
        self.learn_in_tensors(inputs, parameters, readings)
    }

    fn linearise(
        &self,
        units: &Units,
        x: Tensor<2>,
        theta: Tensor<2>,
    ) -> Option<Box<dyn Linearised>> {
        let (inputs, parameters) = (units.inputs.apply(x), units.parameters.apply(theta));
        if !is_cpu(&inputs.device()) {
            let pass = self.pass(inputs, parameters);
            let network = self.clone();
            return Some(Box::new(LinearisedInTensors { network, units: units.clone(), pass }));
        }
        let new = || Arc::new(CpuWeights::new(&self.weights, &units.parameters.scale));
        let weights = Arc::clone(self.on_cpu.get_or_init(new));
        let shared = self.shared(parameters);
        Some(Box::new(LinearisedOnCpu::new(&self.config, weights, units, inputs, shared)))
    }

    fn multiply_adds(&self) -> u64 {
        self.weights.iter().map(|weight| weight.dims().iter().product::<usize>() as u64).sum()
    }
}

/// The adjoint at the point of a forward pass, in burn's tensors.
struct LinearisedInTensors {
    network: Perceptron,
    units: Units,
    pass: ForwardPass,
}

impl Linearised for LinearisedInTensors {
    fn vjp(&self, _y: Tensor<2>, dy: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let Self { network, units, pass } = self;
        let [groups, _] = pass.parameters.dims();
        let dz = network.pull_back(pass, dy * units.reading_deviation.clone(), |_, _, _| ());
        let dx = dz.clone().matmul(network.weights[0].clone().transpose());
        let dtheta = gather(dz, groups).matmul(network.weights[1].clone().transpose());
        (dx * units.inputs.scale.clone(), dtheta * units.parameters.scale.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::to_vec;
    use twinprop_devices::Channels;

    /// Tasks of rows, the last of them not full, give what tensor operations give.
    #[test]
    fn a_step_on_the_cpu_has_the_gradients_of_the_step_in_tensors() {
        let device = Device::flex();
        let interface = |parameters| Interface {
            device: "any".to_owned(),
            inputs: Channels::bank("x", 5, "1", -1.0, 1.0),
            parameters,
            outputs: Channels::bank("y", 7, "1", -1.0, 1.0),
            seconds_per_shot: 1.0,
        };
        let wave = |rows: usize, columns: usize, phase: f32| {
            let values = (0..rows * columns).map(|i| (0.61 * i as f32 + phase).sin()).collect();
            from_vec(values, [rows, columns], &device)
        };
        let parameters = Channels::bank("p", 3, "1", -1.0, 1.0);
        for (parameters, residual) in
            [(parameters.clone(), false), (parameters, true), (Channels::none(), true)]
        {
            let config = NeuralTwinConfig { width: 20, depth: 3, residual };
            let perceptron = Perceptron::draw(&config, &interface(parameters.clone()), 4, &device);
            let operands =
                || (wave(150, 5, 0.1), wave(150, parameters.len(), 0.4), wave(150, 7, 0.9));
            let (x, theta, y) = operands();
            let (error, found) = perceptron.learn(x, theta, y);
            let (x, theta, y) = operands();
            let (expected_error, expected) = perceptron.learn_in_tensors(x, theta, y);
            let difference = to_vec(error - expected_error.clone())[0].abs();
            assert!(difference < 1e-5 * to_vec(expected_error)[0], "{difference}");
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.into_iter().zip(expected) {
                assert_eq!(found.dims(), expected.dims());
                for (found, expected) in to_vec(found).into_iter().zip(to_vec(expected)) {
                    assert!((found - expected).abs() < 1e-6, "{found} and {expected}");
                }
            }
        }
    }
}
