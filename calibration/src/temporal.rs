//! A temporal twin: a causal convolution over the samples of a waveform device.
//!
//! ```text
//! a_0[t] = (x̂, 0) or (0, θ̂)                       sample t of the drive: a value of the data, or a parameter
//! z_l[t] = b_l + Σ_j W_lj a_{l−1}[t − j 2^{l−1}]     j = 0 … taps − 1, zero before the drive begins
//! a_l    = a(z_l + a_{l−1})                         without a_0 in the first layer
//! ŷ_i    = v · a_L[t_i] + c_i                       t_i: the sample at which reading i is measured
//! ```
//!
//! The readings of a waveform device depend on earlier samples of its drive. This dependence is the same at
//! all times, so the twin uses the same weights for every sample, and needs fewer shots than a twin with
//! weights for each sample. It has the activation and the normalisation of the neural twin. As in the
//! waveform devices, data and parameters are interleaved in the drive. Source: dilated causal convolutions of van den Oord et al.
//! (2016), as the temporal convolutional networks of Bai, Kolter & Koltun (2018).

use burn::tensor::{Device, Int, Tensor};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::{Interface, interleave, random, validate};

use crate::activation::ratio;
use crate::bridge::from_vec;
use crate::network_twin::{Architecture, NetworkTwin, spread};

/// A causal convolution that is the twin of one waveform device.
pub type TemporalTwin = NetworkTwin<CausalConvolution>;

/// Size of a temporal twin; in a recipe, `twin = { temporal = {} }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TemporalTwinConfig {
    /// Channels of each layer.
    #[serde(deserialize_with = "validate::count")]
    pub width: usize,
    /// Layers; each looks twice as far back as the layer before.
    #[serde(deserialize_with = "validate::count")]
    pub depth: usize,
    /// Samples that a layer looks at.
    #[serde(deserialize_with = "validate::count")]
    pub taps: usize,
}

impl Default for TemporalTwinConfig {
    fn default() -> Self {
        Self { width: 24, depth: 5, taps: 4 }
    }
}

/// A causal convolution, from normalised drives to normalised readings.
#[derive(Clone)]
pub struct CausalConvolution {
    config: TemporalTwinConfig,
    outputs: usize,
    /// W_l `[taps · channels, width]` and b_l `[1, width]` of each layer, v `[width, 1]`, c
    /// `[1, n_outputs]`.
    weights: Vec<Tensor<2>>,
    /// Which value, inputs before parameters, stands at each sample.
    order: Tensor<1, Int>,
    /// One where it is an input, `[1, samples]`.
    is_data: Tensor<2>,
    /// t_i.
    read_at: Tensor<1, Int>,
}

impl CausalConvolution {
    /// Normalised readings `[shots, n_outputs]` by `weights` in place of its own.
    fn forward_by(
        &self,
        weights: &[Tensor<2>],
        inputs: Tensor<2>,
        parameters: Tensor<2>,
    ) -> Tensor<2> {
        let [shots, _] = inputs.dims();
        let mut drive = vec![inputs];
        // Not every backend can concatenate a tensor without columns.
        if parameters.dims()[1] > 0 {
            drive.push(spread(parameters, shots));
        }
        let drive = Tensor::cat(drive, 1).select(1, self.order.clone());
        let data = drive.clone() * self.is_data.clone();
        let mut a: Tensor<3> = Tensor::stack(vec![data.clone(), drive - data], 2);
        let [_, samples, _] = a.dims();
        let (layers, head) = weights.split_at(2 * self.config.depth);
        for (layer, weights) in layers.chunks_exact(2).enumerate() {
            let z = self.look_back(&a, 1 << layer).matmul(weights[0].clone()) + weights[1].clone();
            let z: Tensor<3> = z.reshape([shots, samples, self.config.width]);
            let z = if layer > 0 { z + a } else { z };
            a = z.clone() * (ratio(&z) * 0.5 + 0.5);
        }
        let read = a.select(1, self.read_at.clone());
        let read: Tensor<2> = read.reshape([shots * self.outputs, self.config.width]);
        read.matmul(head[0].clone()).reshape([shots, self.outputs]) + head[1].clone()
    }

    /// The samples of `a` `[shots, samples, channels]` that a layer sees at each sample:
    /// `[shots · samples, taps · channels]`.
    fn look_back(&self, a: &Tensor<3>, dilation: usize) -> Tensor<2> {
        let [shots, samples, channels] = a.dims();
        let taps = (0..self.config.taps).map(|tap| {
            let back = (tap * dilation).min(samples);
            if back == 0 {
                return a.clone();
            }
            let before = Tensor::zeros([shots, back, channels], &a.device());
            if back == samples {
                return before;
            }
            Tensor::cat(vec![before, a.clone().narrow(1, 0, samples - back)], 1)
        });
        let seen: Tensor<3> = Tensor::cat(taps.collect(), 2);
        seen.reshape([shots * samples, self.config.taps * channels])
    }
}

impl Architecture for CausalConvolution {
    type Config = TemporalTwinConfig;

    const KIND: &'static str = "temporal";

    /// Weights uniform, with the variance of He et al. (2015); biases zero.
    fn draw(
        config: &TemporalTwinConfig,
        interface: &Interface,
        seed: u64,
        device: &Device,
    ) -> Self {
        let mut random = random::stream(seed, "twin initialisation");
        let mut matrix = |rows: usize, columns: usize| {
            let bound = (3.0 / rows as f32).sqrt();
            let values = (0..rows * columns).map(|_| random.random_range(-bound..bound)).collect();
            from_vec(values, [rows, columns], device)
        };
        let mut weights = Vec::with_capacity(2 * config.depth + 2);
        for layer in 0..config.depth {
            let channels = if layer == 0 { 2 } else { config.width };
            weights.push(matrix(config.taps * channels, config.width));
            weights.push(Tensor::zeros([1, config.width], device));
        }
        weights.push(matrix(config.width, 1));
        weights.push(Tensor::zeros([1, interface.outputs.len()], device));
        Self::with_weights(config.clone(), interface, weights, device)
    }

    fn with_weights(
        config: TemporalTwinConfig,
        interface: &Interface,
        weights: Vec<Tensor<2>>,
        device: &Device,
    ) -> Self {
        let (inputs, parameters, outputs) =
            (interface.inputs.len(), interface.parameters.len(), interface.outputs.len());
        let samples = inputs + parameters;
        let mut order = vec![0; samples];
        let mut is_data = vec![0.0; samples];
        for (value, slot) in interleave(inputs, parameters).into_iter().enumerate() {
            order[slot] = value as i32;
            is_data[slot] = if value < inputs { 1.0 } else { 0.0 };
        }
        let read_at: Vec<i32> = (0..outputs)
            .map(|reading| ((reading + 1) * samples / outputs).saturating_sub(1) as i32)
            .collect();
        Self {
            order: Tensor::from_data(order.as_slice(), device),
            is_data: from_vec(is_data, [1, samples], device),
            read_at: Tensor::from_data(read_at.as_slice(), device),
            config,
            outputs,
            weights,
        }
    }

    fn config(&self) -> &TemporalTwinConfig {
        &self.config
    }

    fn weights(&self) -> &[Tensor<2>] {
        &self.weights
    }

    fn weights_mut(&mut self) -> &mut [Tensor<2>] {
        &mut self.weights
    }

    fn forward(&self, inputs: Tensor<2>, parameters: Tensor<2>) -> Tensor<2> {
        self.forward_by(&self.weights, inputs, parameters)
    }

    fn learn(
        &self,
        inputs: Tensor<2>,
        parameters: Tensor<2>,
        readings: Tensor<2>,
    ) -> (Tensor<1>, Vec<Tensor<2>>) {
        let weights: Vec<Tensor<2>> =
            self.weights.iter().map(|weight| weight.clone().autodiff().require_grad()).collect();
        let (inputs, parameters) = (Tensor::from_inner(inputs), Tensor::from_inner(parameters));
        let readings = Tensor::from_inner(readings);
        let error = (self.forward_by(&weights, inputs, parameters) - readings).square().mean();
        let mut gradients = error.clone().backward();
        let gradients = weights.iter().map(|weight| {
            weight
                .grad_remove(&mut gradients)
                .unwrap_or_else(|| weight.clone().inner().zeros_like())
        });
        (error.inner(), gradients.collect())
    }

    fn multiply_adds(&self) -> u64 {
        let size = |weight: &Tensor<2>| weight.dims().iter().product::<usize>();
        let (layers, head) = self.weights.split_at(2 * self.config.depth);
        let samples = self.order.dims()[0];
        let layers: usize = layers.iter().map(size).sum();
        (samples * layers + self.outputs * size(&head[0])) as u64
    }
}
