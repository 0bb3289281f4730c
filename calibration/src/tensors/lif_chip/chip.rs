//! The neurons of a chip, their synapses at a setting, and their steps.

use burn::tensor::{Device, Tensor};
use twinprop_devices::neuromorphic::{LifChipConstants, LifReadout};

#[cfg(feature = "kernels")]
use super::kernel;
use crate::bridge::from_vec;
use crate::tensors::equation::join;

/// A chip's constants on a backend. Those of neurons are `[1, 1, M]`.
#[derive(Clone)]
pub(super) struct Chip {
    pub lines: usize,
    pub neurons: usize,
    pub steps: usize,
    pub readout: LifReadout,
    is_recurrent: bool,
    /// 1 − 1/τ_m.
    pub membrane: Tensor<3>,
    /// 1 − 1/τ_s.
    pub synapse: Tensor<3>,
    /// 1/τ_s.
    pub gain: Tensor<3>,
    /// τ_m.
    pub membrane_time: Tensor<3>,
    /// ν.
    pub threshold: Tensor<3>,
    /// Membrane above which a neuron fires.
    firing: Tensor<3>,
    /// T_ref.
    pub refractory: Tensor<3>,
    /// The largest T_ref.
    longest: u32,
    /// Gain of each synapse, `[1, sources · M]`; 0 for a neuron with itself, which has no synapse.
    pub gains: Tensor<2>,
    weight_step: f32,
    largest_membrane: f32,
}

/// Weights of the synapses, one row a source.
#[derive(Clone)]
pub(super) struct Synapses {
    /// W, `[settings, N, M]`.
    pub lines: Tensor<3>,
    /// R, `[settings, M, M]`; `None` without synapses among the neurons.
    pub neurons: Option<Tensor<3>>,
}

/// Shots of a chip, `[settings, shots, steps · neurons]`.
#[derive(Clone)]
pub(super) struct Played {
    pub spikes: Tensor<3>,
    /// Membranes before their reset, where they are kept.
    pub membranes: Option<Tensor<3>>,
}

impl Chip {
    pub fn new(constants: &LifChipConstants<'_>, backend: &Device) -> Self {
        let neurons = &constants.neurons;
        let count = neurons.len();
        let of_neurons = |values: Vec<f32>| -> Tensor<3> {
            from_vec(values, [1, count], backend).reshape([1, 1, count])
        };
        let each = |values: &[f32], value: fn(f32) -> f32| {
            of_neurons(values.iter().map(|&of| value(of)).collect())
        };
        let mut gains = constants.gains.to_vec();
        if constants.is_recurrent {
            (0..count).for_each(|neuron| gains[(constants.lines + neuron) * count + neuron] = 0.0);
        }
        let synapses = gains.len();
        Self {
            lines: constants.lines,
            neurons: count,
            steps: constants.steps,
            readout: constants.readout,
            is_recurrent: constants.is_recurrent,
            membrane: each(&neurons.membrane_time, |time| 1.0 - 1.0 / time),
            synapse: each(&neurons.synaptic_time, |time| 1.0 - 1.0 / time),
            gain: each(&neurons.synaptic_time, |time| 1.0 / time),
            membrane_time: each(&neurons.membrane_time, |time| time),
            threshold: each(&neurons.threshold, |threshold| threshold),
            firing: each(&constants.firing, |membrane| membrane),
            refractory: of_neurons(neurons.refractory.iter().map(|&steps| steps as f32).collect()),
            longest: neurons.refractory.iter().copied().max().unwrap_or(0),
            gains: from_vec(gains, [1, synapses], backend),
            weight_step: constants.weight_step,
            largest_membrane: constants.largest_membrane,
        }
    }

    /// The constants of the neurons, for the kernel.
    #[cfg(feature = "kernels")]
    pub fn of_kernel(&self) -> kernel::Neurons<'_> {
        let Self { membrane, synapse, gain, firing, refractory, .. } = self;
        kernel::Neurons { membrane, synapse, gain, firing, refractory }
    }

    /// Number of cells of the readings' raster.
    pub fn cells(&self) -> usize {
        self.steps * self.neurons
    }

    /// The synapses at the settings `theta`.
    pub fn synapses(&self, theta: Tensor<2>) -> Synapses {
        let settings = theta.dims()[0];
        let weights = self.quantised(theta) * self.gains.clone();
        let rows = |first: usize, count: usize| {
            let values = weights.clone().narrow(1, first * self.neurons, count * self.neurons);
            values.reshape([settings, count, self.neurons])
        };
        let lines = rows(0, self.lines);
        Synapses { lines, neurons: self.is_recurrent.then(|| rows(self.lines, self.neurons)) }
    }

    /// Whole multiples of the weight step; halves are rounded away from 0, not to even numbers as burn rounds.
    fn quantised(&self, weights: Tensor<2>) -> Tensor<2> {
        if self.weight_step == 0.0 {
            return weights;
        }
        let size = weights.clone().abs() / self.weight_step;
        let whole = size.clone().floor();
        let rounded = whole.clone() + (size - whole).greater_equal_scalar(0.5).float();
        rounded * weights.sign() * self.weight_step
    }

    /// Plays shots whose lines fire as `arriving` `[settings, shots, steps · lines]`; each step adds its part of
    /// `noise` to the membranes.
    pub fn play(
        &self,
        arriving: Tensor<3>,
        synapses: &Synapses,
        noise: Option<Tensor<3>>,
        keeps_membranes: bool,
    ) -> Played {
        let by_lines = of_each_step(arriving, &synapses.lines);
        #[cfg(feature = "kernels")]
        {
            let recurrent = synapses.neurons.as_ref();
            if let Some([spikes, membranes]) =
                kernel::play(&self.of_kernel(), &by_lines, recurrent, noise.as_ref())
            {
                return Played { spikes, membranes: keeps_membranes.then_some(membranes) };
            }
        }
        let mut p = self.at(&by_lines, 0).zeros_like();
        let (mut v, mut waiting) = (p.clone(), p.clone());
        let (mut spikes, mut membranes) = (Vec::<Tensor<3>>::with_capacity(self.steps), Vec::new());
        for step in 0..self.steps {
            if let Some(before) = step.checked_sub(1) {
                let mut x = self.at(&by_lines, before);
                if let Some(weights) = &synapses.neurons {
                    x = x + spikes[before].clone().matmul(weights.clone());
                }
                p = p * self.synapse.clone() + x;
            }
            v = v * self.membrane.clone() + p.clone() * self.gain.clone();
            if let Some(noise) = &noise {
                v = v + self.at(noise, step);
            }
            if self.longest > 0 {
                v = v.mask_fill(waiting.clone().greater_scalar(0.0), 0.0);
            }
            if keeps_membranes {
                membranes.push(v.clone());
            }
            let fires = v.clone().greater(self.firing.clone());
            let spike = fires.clone().float();
            v = v.mask_fill(fires, 0.0);
            if self.longest > 0 {
                // Steps to wait for, below 0 where there is none.
                waiting = (waiting - 1.0).max_pair(spike.clone() * self.refractory.clone());
            }
            spikes.push(spike);
        }
        let membranes = keeps_membranes.then(|| Tensor::cat(membranes, 2));
        Played { spikes: Tensor::cat(spikes, 2), membranes }
    }

    /// `[settings · shots, n_outputs]`.
    pub fn readings(&self, Played { spikes, membranes }: Played) -> Tensor<2> {
        if self.readout == LifReadout::Counts {
            return join(sum_steps(spikes, self.neurons));
        }
        let limit = self.largest_membrane;
        let membranes = membranes.map(|membranes| membranes.clamp(-limit, limit));
        join(Tensor::cat([spikes].into_iter().chain(membranes).collect(), 2))
    }

    /// 1 where a neuron that fired as `spikes` is not refractory, and 0 where it is.
    pub fn is_free(&self, spikes: &Tensor<3>) -> Tensor<3> {
        let mut free = spikes.ones_like();
        for ago in 1..self.steps.min(self.longest as usize + 1) {
            let waits = self.refractory.clone().greater_equal_scalar(ago as f32).float();
            let waits = later(spikes.clone(), ago * self.neurons) * self.everywhere(waits);
            free = free.mask_fill(waits.greater_scalar(0.0), 0.0);
        }
        free
    }

    /// The values of `step` of `values` `[settings, shots, steps · neurons]`.
    pub fn at(&self, values: &Tensor<3>, step: usize) -> Tensor<3> {
        values.clone().narrow(2, step * self.neurons, self.neurons)
    }

    /// `values` `[settings, shots, n]` in each step, `[settings, shots, steps · n]`.
    pub fn everywhere(&self, values: Tensor<3>) -> Tensor<3> {
        values.repeat_dim(2, self.steps)
    }
}

/// 1 for a spike, and 0 without one.
pub(super) fn is_spike(cells: Tensor<3>) -> Tensor<3> {
    cells.greater_scalar(0.5).float()
}

/// `values` `[settings, shots, cells]` so many `cells` later, behind zeros.
fn later(values: Tensor<3>, cells: usize) -> Tensor<3> {
    let [settings, shots, width] = values.dims();
    let zeros = Tensor::zeros([settings, shots, cells], &values.device());
    Tensor::cat(vec![zeros, values.narrow(2, 0, width - cells)], 2)
}

/// The sums over the steps of `values` `[settings, shots, steps · count]`, `[settings, shots, count]`.
pub(super) fn sum_steps(values: Tensor<3>, count: usize) -> Tensor<3> {
    let [settings, shots, width] = values.dims();
    let sums = values.reshape([settings * shots, width / count, count]).sum_dim(1);
    sums.reshape([settings, shots, count])
}

/// The product of each step's row of `values` `[settings, shots, steps · n]` and `matrix` `[settings, n, m]`:
/// `[settings, shots, steps · m]`.
pub(super) fn of_each_step(values: Tensor<3>, matrix: &Tensor<3>) -> Tensor<3> {
    let ([settings, shots, width], [_, from, to]) = (values.dims(), matrix.dims());
    let steps = width / from;
    let rows = values.reshape([settings, shots * steps, from]);
    rows.matmul(matrix.clone()).reshape([settings, shots, steps * to])
}
