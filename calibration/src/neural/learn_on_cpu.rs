//! A step of a neural twin's fit on the CPU: tasks of shots pass forward and backward through all layers while they are in
//! the cache, each with sums of its own. Layer by layer, the cores waited for each other between small products.

use burn::tensor::Tensor;
use rayon::prelude::*;
use twinprop_devices::{add_outer, multiply, vectorised};

use super::NeuralTwinConfig;
use super::cpu::add;
use crate::activation::activate_on_cpu;
use crate::bridge::{from_vec, to_vec};

/// Fewest shots of a task, and most tasks of a step: they depend on the step's shots alone, so that sums over tasks have
/// the same bits on any number of threads.
const ROWS: usize = 64;
const MOST_TASKS: usize = 64;

/// Weights of a perceptron, row by row, and what its size says.
struct Weights<'a> {
    config: &'a NeuralTwinConfig,
    /// W_x, W_θ, b_0, then W_l and b_l.
    values: Vec<Vec<f32>>,
    /// W_lᵀ.
    transposed: Vec<Vec<f32>>,
    /// Inputs, parameters and outputs.
    sizes: [usize; 3],
}

/// The shots of a task, a row a shot.
struct Rows<'a> {
    inputs: &'a [f32],
    parameters: &'a [f32],
    readings: &'a [f32],
}

/// Values of a task's layers.
struct Scratch {
    /// a and a′ of each layer.
    activations: Vec<Vec<f32>>,
    slopes: Vec<Vec<f32>>,
    z: Vec<f32>,
    next: Vec<f32>,
}

/// The mean squared error of normalised readings, and its gradients by the weights, in their order; operands as for
/// `Architecture::learn`.
pub(super) fn learn(
    config: &NeuralTwinConfig,
    weights: &[Tensor<2>],
    [inputs, parameters, readings]: [Tensor<2>; 3],
) -> (Tensor<1>, Vec<Tensor<2>>) {
    let device = inputs.device();
    let ([shots, n_inputs], n_parameters) = (inputs.dims(), parameters.dims()[1]);
    let n_outputs = readings.dims()[1];
    let hidden = weights[3..].iter().step_by(2);
    let weights = Weights {
        config,
        transposed: hidden.map(|matrix| to_vec(matrix.clone().transpose())).collect(),
        values: weights.iter().map(|values| to_vec(values.clone())).collect(),
        sizes: [n_inputs, n_parameters, n_outputs],
    };
    let [inputs, parameters, readings] = [inputs, parameters, readings].map(to_vec);
    let scale = 2.0 / (shots * n_outputs) as f32;
    let rows_a_task = ROWS.max(shots.div_ceil(MOST_TASKS));
    let tasks: Vec<usize> = (0..shots).step_by(rows_a_task).collect();
    let parts: Vec<(f32, Vec<Vec<f32>>)> = tasks
        .into_par_iter()
        .map_init(
            || Scratch::new(config, n_outputs, rows_a_task),
            |scratch, first| {
                let rows = first..(first + rows_a_task).min(shots);
                let of = |values, width| &(values as &[f32])[rows.start * width..rows.end * width];
                let rows = Rows {
                    inputs: of(&inputs, n_inputs),
                    parameters: of(&parameters, n_parameters),
                    readings: of(&readings, n_outputs),
                };
                weights.learn(&rows, scale, scratch)
            },
        )
        .collect();
    let mut parts = parts.into_iter();
    let (mut error, mut gradients) = parts.next().unwrap_or_default();
    for (more, part) in parts {
        error += more;
        gradients.par_iter_mut().zip(part).for_each(|(sum, part)| add(sum, &part));
    }
    let shapes = weights.shapes();
    let gradients = gradients.into_iter().zip(shapes);
    let gradients = gradients.map(|(gradient, shape)| from_vec(gradient, shape, &device));
    let error = Tensor::from_data([error / (shots * n_outputs) as f32], &device);
    (error, gradients.collect())
}

impl Scratch {
    fn new(config: &NeuralTwinConfig, outputs: usize, rows: usize) -> Self {
        let layer = || vec![0.0; rows * config.width];
        let widest = vec![0.0; rows * config.width.max(outputs)];
        Self {
            activations: (0..config.depth).map(|_| layer()).collect(),
            slopes: (0..config.depth).map(|_| layer()).collect(),
            z: widest.clone(),
            next: widest,
        }
    }
}

impl Weights<'_> {
    /// `[rows, columns]` of each.
    fn shapes(&self) -> Vec<[usize; 2]> {
        let ([inputs, parameters, outputs], width) = (self.sizes, self.config.width);
        let mut shapes = vec![[inputs, width], [parameters, width], [1, width]];
        for layer in 1..=self.config.depth {
            let columns = if layer == self.config.depth { outputs } else { width };
            shapes.extend([[width, columns], [1, columns]]);
        }
        shapes
    }

    /// The sum of squared errors of `rows`, and their share of the gradients; a cotangent is `scale` times an error.
    fn learn(&self, rows: &Rows, scale: f32, scratch: &mut Scratch) -> (f32, Vec<Vec<f32>>) {
        let ([n_inputs, n_parameters, n_outputs], width) = (self.sizes, self.config.width);
        let (shots, depth) = (rows.readings.len() / n_outputs, self.config.depth);
        let size = shots * width;
        let Scratch { activations, slopes, z, next } = scratch;
        multiply(&mut z[..size], &self.values[0], rows.inputs, width, n_inputs);
        if n_parameters > 0 {
            multiply(&mut next[..size], &self.values[1], rows.parameters, width, n_parameters);
            add(&mut z[..size], &next[..size]);
        }
        z[..size].chunks_exact_mut(width).for_each(|z| add(z, &self.values[2]));
        for layer in 0..depth {
            let (activation, slope) = (&mut activations[layer][..size], &mut slopes[layer][..size]);
            activation.copy_from_slice(&z[..size]);
            activate_on_cpu(activation, slope);
            let [matrix, bias] = [3, 4].map(|place| &self.values[place + 2 * layer]);
            let columns = bias.len();
            let next = &mut next[..shots * columns];
            multiply(next, matrix, activation, columns, width);
            next.chunks_exact_mut(columns).for_each(|next| add(next, bias));
            if self.adds(layer) {
                add(next, &z[..size]);
            }
            z[..shots * columns].copy_from_slice(next);
        }
        let mut gradients: Vec<Vec<f32>> =
            self.values.iter().map(|values| vec![0.0; values.len()]).collect();
        let mut error = 0.0;
        for (z, reading) in z.iter_mut().zip(rows.readings) {
            let difference = *z - reading;
            error += difference * difference;
            *z = scale * difference;
        }
        for layer in (0..depth).rev() {
            let columns = self.values[4 + 2 * layer].len();
            let dz = &mut z[..shots * columns];
            add_outer(
                &mut gradients[3 + 2 * layer],
                dz,
                &activations[layer][..size],
                columns,
                width,
            );
            dz.chunks_exact(columns).for_each(|dz| add(&mut gradients[4 + 2 * layer], dz));
            let before = &mut next[..size];
            multiply(before, &self.transposed[layer], dz, width, columns);
            let (slope, residual) = (&slopes[layer][..size], self.adds(layer));
            vectorised(
                #[inline(always)]
                || before.iter_mut().zip(slope).for_each(|(before, slope)| *before *= slope),
            );
            if residual {
                add(before, dz);
            }
            z[..size].copy_from_slice(before);
        }
        let dz = &z[..size];
        add_outer(&mut gradients[0], dz, rows.inputs, width, n_inputs);
        if n_parameters > 0 {
            add_outer(&mut gradients[1], dz, rows.parameters, width, n_parameters);
        }
        dz.chunks_exact(width).for_each(|dz| add(&mut gradients[2], dz));
        (error, gradients)
    }

    /// Whether the input of layer `layer` is added to its output.
    fn adds(&self, layer: usize) -> bool {
        self.config.residual && layer + 1 < self.config.depth
    }
}
