//! The recursions of a chip's steps in one kernel: a cube follows a shot, and its units share the neurons.

use burn::tensor::Tensor;
use burn_cubecl::cubecl;
use cubecl::prelude::*;

use crate::tensors::kernels::{CubeTensor, contiguous, cubes, empty, tensor};

/// Most neurons that one cube shares: beyond, its values do not fit where units share them.
const MOST: usize = 2048;
/// Most units of a cube, which every backend allows.
const MOST_UNITS: usize = 256;

/// Constants of neurons, `[1, 1, M]` each.
pub(super) struct Neurons<'a> {
    /// 1 − 1/τ_m.
    pub membrane: &'a Tensor<3>,
    /// 1 − 1/τ_s.
    pub synapse: &'a Tensor<3>,
    /// 1/τ_s.
    pub gain: &'a Tensor<3>,
    /// Membrane above which a neuron fires.
    pub firing: &'a Tensor<3>,
    /// T_ref.
    pub refractory: &'a Tensor<3>,
}

/// Shots, neurons and steps.
#[derive(Clone, Copy)]
struct Sizes {
    settings: usize,
    shots: usize,
    neurons: usize,
    steps: usize,
}

impl Sizes {
    /// Those of `values` `[settings, shots, steps · M]`; `None` for too many neurons.
    fn of(values: &Tensor<3>, neurons: &Neurons) -> Option<Self> {
        let ([settings, shots, cells], [_, _, count]) = (values.dims(), neurons.gain.dims());
        (count <= MOST).then(|| Self { settings, shots, neurons: count, steps: cells / count })
    }

    fn units(self) -> usize {
        self.neurons.next_multiple_of(32).min(MOST_UNITS)
    }

    fn each(self) -> usize {
        self.neurons.div_ceil(self.units())
    }
}

/// Spikes and membranes before their reset, `[settings, shots, steps · M]`, from what the lines bring to each step,
/// `by_lines`, `noise` on the membranes and R `[settings, M, M]`; `None` where the backend runs no kernels.
pub(super) fn play(
    neurons: &Neurons,
    by_lines: &Tensor<3>,
    recurrent: Option<&Tensor<3>>,
    noise: Option<&Tensor<3>>,
) -> Option<[Tensor<3>; 2]> {
    let sizes = Sizes::of(by_lines, neurons)?;
    let Sizes { settings, shots, neurons: count, steps } = sizes;
    let by_lines = contiguous(by_lines)?;
    let or_none = |values: Option<&Tensor<3>>| match values {
        Some(values) => contiguous(values),
        None => Some(by_lines.clone()),
    };
    let (weights, added) = (or_none(recurrent)?, or_none(noise)?);
    let (membrane, synapse) = (contiguous(neurons.membrane)?, contiguous(neurons.synapse)?);
    let (gain, firing) = (contiguous(neurons.gain)?, contiguous(neurons.firing)?);
    let refractory = contiguous(neurons.refractory)?;
    let output = || empty(&by_lines, [settings, shots, steps * count]);
    let (spikes, membranes): (CubeTensor, CubeTensor) = (output(), output());
    if settings * shots > 0 {
        follow::launch(
            &by_lines.client.clone(),
            cubes(settings * shots),
            CubeDim::new_1d(sizes.units() as u32),
            by_lines.into_buffer_arg(),
            weights.into_buffer_arg(),
            added.into_buffer_arg(),
            membrane.into_buffer_arg(),
            synapse.into_buffer_arg(),
            gain.into_buffer_arg(),
            firing.into_buffer_arg(),
            refractory.into_buffer_arg(),
            spikes.clone().into_buffer_arg(),
            membranes.clone().into_buffer_arg(),
            (settings * shots) as u32,
            shots as u32,
            count as u32,
            steps as u32,
            sizes.units(),
            sizes.each(),
            recurrent.is_some(),
            noise.is_some(),
        );
    }
    Some([spikes, membranes].map(tensor))
}

/// Cotangents of p from the second step to the last, `[settings, shots, (steps − 1) · M]`, from those of the membranes
/// that the readings add at each step, `direct`, and what each membrane passes on, `carried`; those of spikes go back
/// through `through_neurons`, s′ and Rᵀ. `None` where the backend runs no kernels.
pub(super) fn go_back(
    neurons: &Neurons,
    direct: &Tensor<3>,
    carried: &Tensor<3>,
    through_neurons: Option<(&Tensor<3>, &Tensor<3>)>,
) -> Option<Tensor<3>> {
    let sizes = Sizes::of(direct, neurons)?;
    let Sizes { settings, shots, neurons: count, steps } = sizes;
    let (direct, carried) = (contiguous(direct)?, contiguous(carried)?);
    let (slopes, back) = match through_neurons {
        Some((slopes, back)) => (contiguous(slopes)?, contiguous(back)?),
        None => (direct.clone(), direct.clone()),
    };
    let (synapse, gain) = (contiguous(neurons.synapse)?, contiguous(neurons.gain)?);
    let of_currents = empty(&direct, [settings, shots, (steps - 1) * count]);
    if settings * shots > 0 && steps > 1 {
        follow_back::launch(
            &direct.client.clone(),
            cubes(settings * shots),
            CubeDim::new_1d(sizes.units() as u32),
            direct.into_buffer_arg(),
            carried.into_buffer_arg(),
            slopes.into_buffer_arg(),
            back.into_buffer_arg(),
            synapse.into_buffer_arg(),
            gain.into_buffer_arg(),
            of_currents.clone().into_buffer_arg(),
            (settings * shots) as u32,
            shots as u32,
            count as u32,
            steps as u32,
            sizes.units(),
            sizes.each(),
            through_neurons.is_some(),
        );
    }
    Some(tensor(of_currents))
}

/// Each unit's sums of the cube's `shared` values times the rows of a matrix that begins at `first`.
#[cube]
fn weighted(
    sums: &mut Array<f32>,
    shared: &Shared<[f32]>,
    matrix: &[f32],
    first: usize,
    count: usize,
    #[comptime] units: usize,
    #[comptime] each: usize,
) {
    for from in 0..count {
        let value = shared[from];
        // Most are zero: few neurons fire in a step.
        if value != 0.0f32 {
            #[unroll]
            for own in 0..each {
                let neuron = own * units + UNIT_POS as usize;
                if neuron < count {
                    sums[own] += value * matrix[first + from * count + neuron];
                }
            }
        }
    }
}

#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are plain numbers")]
fn follow(
    by_lines: &[f32],
    weights: &[f32],
    noise: &[f32],
    membrane: &[f32],
    synapse: &[f32],
    gain: &[f32],
    firing: &[f32],
    refractory: &[f32],
    spikes: &mut [f32],
    membranes: &mut [f32],
    rows: u32,
    shots: u32,
    count: u32,
    steps: u32,
    #[comptime] units: usize,
    #[comptime] each: usize,
    #[comptime] is_recurrent: bool,
    #[comptime] is_noisy: bool,
) {
    let (row, count, steps) = (CUBE_POS, count as usize, steps as usize);
    if row < rows as usize {
        let first_weight = row / shots as usize * count * count;
        let mut fired = Shared::<[f32]>::new_slice(comptime!(units * each));
        let mut p = Array::<f32>::new(each);
        let mut v = Array::<f32>::new(each);
        let mut waiting = Array::<f32>::new(each);
        let mut x = Array::<f32>::new(each);
        #[unroll]
        for own in 0..each {
            p[own] = 0.0f32;
            v[own] = 0.0f32;
            waiting[own] = 0.0f32;
        }
        for step in 0..steps {
            let cells = (row * steps + step) * count;
            if step > 0 {
                #[unroll]
                for own in 0..each {
                    let neuron = own * units + UNIT_POS as usize;
                    x[own] = 0.0f32;
                    if neuron < count {
                        x[own] = by_lines[cells - count + neuron];
                    }
                }
                if comptime!(is_recurrent) {
                    weighted(&mut x, &fired, weights, first_weight, count, units, each);
                }
                #[unroll]
                for own in 0..each {
                    let neuron = own * units + UNIT_POS as usize;
                    if neuron < count {
                        p[own] = p[own] * synapse[neuron] + x[own];
                    }
                }
            }
            // Wait until all units have read the spikes of the previous step.
            sync_cube();
            #[unroll]
            for own in 0..each {
                let neuron = own * units + UNIT_POS as usize;
                let mut spike = 0.0f32;
                if neuron < count {
                    let mut potential = v[own] * membrane[neuron] + p[own] * gain[neuron];
                    if comptime!(is_noisy) {
                        potential += noise[cells + neuron];
                    }
                    if waiting[own] > 0.0f32 {
                        potential = 0.0f32;
                    }
                    membranes[cells + neuron] = potential;
                    if potential > firing[neuron] {
                        spike = 1.0f32;
                        potential = 0.0f32;
                    }
                    v[own] = potential;
                    waiting[own] = max(waiting[own] - 1.0f32, spike * refractory[neuron]);
                    spikes[cells + neuron] = spike;
                }
                fired[neuron] = spike;
            }
            sync_cube();
        }
    }
}

#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "a kernel's arguments are plain numbers")]
fn follow_back(
    direct: &[f32],
    carried: &[f32],
    slopes: &[f32],
    back: &[f32],
    synapse: &[f32],
    gain: &[f32],
    of_currents: &mut [f32],
    rows: u32,
    shots: u32,
    count: u32,
    steps: u32,
    #[comptime] units: usize,
    #[comptime] each: usize,
    #[comptime] is_recurrent: bool,
) {
    let (row, count, steps) = (CUBE_POS, count as usize, steps as usize);
    if row < rows as usize {
        let first_weight = row / shots as usize * count * count;
        let mut shared = Shared::<[f32]>::new_slice(comptime!(units * each));
        let mut of_p = Array::<f32>::new(each);
        let mut of_v = Array::<f32>::new(each);
        let mut of_spikes = Array::<f32>::new(each);
        #[unroll]
        for own in 0..each {
            of_p[own] = 0.0f32;
            of_v[own] = 0.0f32;
        }
        for from_last in 0..steps - 1 {
            let step = steps - 1 - from_last;
            let cells = (row * steps + step) * count;
            #[unroll]
            for own in 0..each {
                of_spikes[own] = 0.0f32;
            }
            if comptime!(is_recurrent) {
                sync_cube();
                #[unroll]
                for own in 0..each {
                    shared[own * units + UNIT_POS as usize] = of_p[own];
                }
                sync_cube();
                weighted(&mut of_spikes, &shared, back, first_weight, count, units, each);
            }
            #[unroll]
            for own in 0..each {
                let neuron = own * units + UNIT_POS as usize;
                if neuron < count {
                    let mut pull = of_v[own] * carried[cells + neuron] + direct[cells + neuron];
                    if comptime!(is_recurrent) {
                        pull += of_spikes[own] * slopes[cells + neuron];
                    }
                    of_v[own] = pull;
                    of_p[own] = of_p[own] * synapse[neuron] + pull * gain[neuron];
                    let place = (row * (steps - 1) + step - 1) * count + neuron;
                    of_currents[place] = of_p[own];
                }
            }
        }
    }
}
