//! The adjoint of a neural twin on the CPU: a block of shots passes through all layers while it is in the cache, and
//! only the slopes are saved. Layer by layer, the operations between the matrix products took longer than the products.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use rayon::prelude::*;
use twinprop_devices::{multiply, vectorised};

use super::NeuralTwinConfig;
use crate::activation::activate_on_cpu;
use crate::bridge::{from_vec, to_vec};
use crate::network_twin::Units;
use crate::twin::Linearised;

/// Shots in a block: a multiple of the six columns that a product's innermost loop takes.
const ROWS: usize = 24;

/// Fewest values of a task for another core that only adds.
const VALUES_A_TASK: usize = 1 << 15;

/// The weights of a perceptron as the loops here read them, row by row.
pub(super) struct CpuWeights {
    /// W_x, `[n_inputs, width]`, and of each hidden layer but the last, which has no slopes after it, W_l `[width,
    /// width]` and b_l.
    first: Vec<f32>,
    hidden: Vec<(Vec<f32>, Vec<f32>)>,
    /// W_xᵀ and W_lᵀ: `[width, n_inputs]`, then `[columns, width]`.
    of_inputs: Vec<f32>,
    of_layers: Vec<Vec<f32>>,
    /// W_θᵀ with the parameters' scale, `[width, n_parameters]`.
    of_parameters: Tensor<2>,
}

impl CpuWeights {
    /// The CPU's copy of `weights`; `parameter_scale` `[1, n_parameters]` normalises its
    /// parameters.
    pub(super) fn new(weights: &[Tensor<2>], parameter_scale: &Tensor<2>) -> Self {
        let layers = || weights[3..].chunks_exact(2);
        let whole = |layer: &[Tensor<2>]| (to_vec(layer[0].clone()), to_vec(layer[1].clone()));
        Self {
            first: to_vec(weights[0].clone()),
            hidden: layers().take(layers().len() - 1).map(whole).collect(),
            of_inputs: to_vec(weights[0].clone().transpose()),
            of_layers: layers().map(|layer| to_vec(layer[0].clone().transpose())).collect(),
            of_parameters: weights[1].clone().transpose() * parameter_scale.clone(),
        }
    }
}

/// A perceptron's slopes at a point, and the weights and units of its adjoint.
pub(super) struct LinearisedOnCpu {
    weights: Arc<CpuWeights>,
    /// Of each block a′ of the hidden layers, `[shots of the block, width]` each. A block's memory belongs to the core that
    /// computed it.
    slopes: Vec<Vec<f32>>,
    /// Factors of the cotangents of readings, `[1, n_outputs]`, and of drives, `[1, n_inputs]`.
    reading_scale: Tensor<2>,
    input_scale: Tensor<2>,
    width: usize,
    /// Factor with which a hidden layer's input is added to its output: 1 in a residual twin, otherwise 0.
    residual: f32,
    groups: usize,
    device: Device,
}

impl LinearisedOnCpu {
    /// Computes the slopes at normalised inputs `x` `[shots, n_inputs]` and the `shared` part of z_0 `[groups, width]`.
    pub(super) fn new(
        config: &NeuralTwinConfig,
        weights: Arc<CpuWeights>,
        units: &Units,
        x: Tensor<2>,
        shared: Tensor<2>,
    ) -> Self {
        let device = x.device();
        let ([shots, inputs], [groups, _]) = (x.dims(), shared.dims());
        let (width, depth) = (config.width, config.depth);
        assert!(shots.is_multiple_of(groups.max(1)), "each group has as many shots");
        let run = shots / groups.max(1);
        let (shared, x) = (to_vec(shared), to_vec(x));
        let residual = if config.residual { 1.0 } else { 0.0 };
        let scratch = || [(); 3].map(|()| vec![0.0; ROWS * width]);
        let blocks = x.par_chunks(ROWS * inputs).enumerate();
        let slopes = blocks.map_init(scratch, |scratch, (block, x)| {
            let size = x.len() / inputs * width;
            let mut slopes_of_block = vec![0.0; size * depth];
            let [z, activation, next] = scratch.each_mut().map(|values| &mut values[..size]);
            multiply(z, &weights.first, x, width, inputs);
            for (row, z) in z.chunks_exact_mut(width).enumerate() {
                let group = (block * ROWS + row) / run;
                add(z, &shared[group * width..][..width]);
            }
            for (layer, slopes) in slopes_of_block.chunks_exact_mut(size).enumerate() {
                activation.copy_from_slice(z);
                activate_on_cpu(activation, slopes);
                let Some((matrix, bias)) = weights.hidden.get(layer) else { break };
                multiply(next, matrix, activation, width, width);
                for (z, next) in z.chunks_exact_mut(width).zip(next.chunks_exact(width)) {
                    vectorised(
                        #[inline(always)]
                        || {
                            for ((z, next), bias) in z.iter_mut().zip(next).zip(bias) {
                                *z = next + bias + residual * *z;
                            }
                        },
                    );
                }
            }
            slopes_of_block
        });
        Self {
            slopes: slopes.collect(),
            weights,
            reading_scale: units.reading_deviation.clone(),
            input_scale: units.inputs.scale.clone(),
            width,
            residual,
            groups,
            device,
        }
    }
}

impl Linearised for LinearisedOnCpu {
    fn vjp(&self, _y: Tensor<2>, dy: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let ([shots, outputs], inputs) = (dy.dims(), self.input_scale.dims()[1]);
        let (width, weights) = (self.width, &*self.weights);
        let depth = weights.of_layers.len();
        let dy = to_vec(dy * self.reading_scale.clone());
        let mut dx = vec![0.0; shots * inputs];
        let blocks = dx.par_chunks_mut(ROWS * inputs).zip(dy.par_chunks(ROWS * outputs));
        let scratch = || [(); 2].map(|()| vec![0.0; ROWS * width]);
        let run = shots / self.groups.max(1);
        let parts = blocks.zip(&self.slopes).enumerate().map_init(
            scratch,
            |scratch, (block, ((dx, dy), slopes))| {
                let size = slopes.len() / depth;
                let [dz, before] = scratch.each_mut().map(|values| &mut values[..size]);
                let layers = weights.of_layers.iter().zip(slopes.chunks_exact(size));
                for (layer, (matrix, slopes)) in layers.enumerate().rev() {
                    if layer + 1 == depth {
                        multiply(dz, matrix, dy, width, outputs);
                        vectorised(
                            #[inline(always)]
                            || dz.iter_mut().zip(slopes).for_each(|(dz, slope)| *dz *= slope),
                        );
                        continue;
                    }
                    multiply(before, matrix, dz, width, width);
                    vectorised(
                        #[inline(always)]
                        || {
                            for ((dz, before), slope) in dz.iter_mut().zip(&*before).zip(slopes) {
                                *dz = before * slope + self.residual * *dz;
                            }
                        },
                    );
                }
                multiply(dx, &weights.of_inputs, dz, inputs, width);
                sum_groups(dz, width, block * ROWS, run)
            },
        );
        let parts: Vec<Vec<f32>> = parts.collect();
        let mut of_groups = vec![0.0; self.groups * width];
        let groups = of_groups.par_chunks_mut(width).with_min_len(VALUES_A_TASK.div_ceil(width));
        groups.enumerate().for_each(|(group, sum)| {
            let blocks = group * run / ROWS..((group + 1) * run).div_ceil(ROWS);
            for (block, part) in blocks.clone().zip(&parts[blocks]) {
                let place = group - block * ROWS / run;
                add(sum, &part[place * width..][..width]);
            }
        });
        let dx = from_vec(dx, [shots, inputs], &self.device);
        let of_groups = from_vec(of_groups, [self.groups, width], &self.device);
        let dtheta = of_groups.matmul(weights.of_parameters.clone());
        (dx * self.input_scale.clone(), dtheta)
    }
}

/// The sums of `rows` of `width` values that are in the same group: all rows are in groups of `run`, and these ones begin
/// with row `first`.
fn sum_groups(rows: &[f32], width: usize, first: usize, run: usize) -> Vec<f32> {
    let group = |row: usize| (first + row) / run - first / run;
    let count = rows.len() / width;
    let mut sums = vec![0.0; (group(count - 1) + 1) * width];
    for (row, values) in rows.chunks_exact(width).enumerate() {
        add(&mut sums[group(row) * width..][..width], values);
    }
    sums
}

/// y ← y + x.
pub(super) fn add(y: &mut [f32], x: &[f32]) {
    vectorised(
        #[inline(always)]
        || y.iter_mut().zip(x).for_each(|(y, x)| *y += x),
    );
}
