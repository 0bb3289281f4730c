//! The adjoint of a chip's spikes.
//!
//! Spikes are those that were measured or, where counts are read, those of the equation. Resets stay where they are.
//! From the last step back, with s′ = φ′(u) / ν at free neurons and 0 at refractory ones, the cotangents of v and p are
//!
//! ```text
//! of_v[t] = direct[t] + carried[t] of_v[t+1] + s′[t] (of_p[t+1] Rᵀ)
//! of_p[t] = of_v[t] / τ_s + (1 − 1/τ_s) of_p[t+1]
//! ```
//!
//! `carried` is 1 − 1/τ_m where a membrane is neither reset nor refractory, and else 0. Spikes s[t] and s_in[t] act by
//! of_p[t+1]: products over all steps give the cotangents of the weights and of the drives. The traces of spike trains
//! obey the same equations without R.

use burn::tensor::Tensor;
use twinprop_devices::neuromorphic::LifReadout;

use super::chip::{Chip, Played, Synapses, is_spike, of_each_step};
#[cfg(feature = "kernels")]
use super::kernel;
use crate::tensors::equation::{join, split};
use crate::tensors::sums::parts_of;
use crate::twin::Linearised;

/// The derivative of the spikes.
#[derive(Clone, Copy)]
pub(super) enum Derivative {
    /// The surrogate gradient, with the slope β.
    Surrogate(f32),
    /// ST-RSBP by the diagonal of Ω, with the smallest Ω_ll.
    SpikeTrain(f32),
}

/// Shots at their settings, with what the adjoint needs.
pub(super) struct Pass {
    pub chip: Chip,
    pub derivative: Derivative,
    pub synapses: Synapses,
    /// Spikes of the lines, `[settings, shots, steps · lines]`.
    pub arriving: Tensor<3>,
    /// The equation's spikes and membranes, where counts are read.
    pub played: Option<Played>,
}

impl Linearised for Pass {
    fn vjp(&self, y: Tensor<2>, dy: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let settings = self.arriving.dims()[0];
        let (measured, dy) = (self.measured(split(y, settings)), split(dy, settings));
        let (of_drives, dtheta) = match self.derivative {
            Derivative::Surrogate(slope) => self.surrogate(slope, measured, dy),
            Derivative::SpikeTrain(floor) => self.spike_train(floor, measured.spikes, dy),
        };
        (join(of_drives), dtheta)
    }
}

impl Pass {
    /// Spikes and membranes at the readings `y`.
    fn measured(&self, y: Tensor<3>) -> Played {
        if let Some(played) = &self.played {
            return played.clone();
        }
        let cells = self.chip.cells();
        let membranes = (self.chip.readout == LifReadout::RasterAndMembrane)
            .then(|| y.clone().narrow(2, cells, cells));
        Played { spikes: is_spike(y.narrow(2, 0, cells)), membranes }
    }

    /// Cotangents of the drives, `[settings, shots, steps · lines]`, and of the parameters from those `of` the
    /// readings.
    fn surrogate(&self, slope: f32, measured: Played, of: Tensor<3>) -> (Tensor<3>, Tensor<2>) {
        let Played { spikes, membranes } = measured;
        let (chip, cells) = (&self.chip, self.chip.cells());
        let free = chip.is_free(&spikes);
        let carried = self.carried(&free, &spikes);
        let membranes = membranes.unwrap_or_else(|| self.replay(&spikes, &carried));
        let threshold = chip.everywhere(chip.threshold.clone());
        let distance = (membranes - threshold.clone()).abs() / threshold.clone();
        let slopes = free.clone() / ((distance * slope + 1.0).square() * threshold);
        let of_cells = match chip.readout {
            LifReadout::Counts => chip.everywhere(of.clone()),
            _ => of.clone().narrow(2, 0, cells),
        };
        let mut direct = of_cells * slopes.clone();
        if chip.readout == LifReadout::RasterAndMembrane {
            direct = direct + of.narrow(2, cells, cells) * free;
        }
        let back = self.synapses.neurons.as_ref().map(|weights| weights.clone().transpose());
        let of_currents = self.go_back(&direct, &carried, back.map(|back| (slopes, back)));
        let of_lines = of_each_step(of_currents.clone(), &self.synapses.lines.clone().transpose());
        // What fires in the last step reaches nobody.
        let [settings, shots, _] = of_lines.dims();
        let zeros = Tensor::zeros([settings, shots, chip.lines], &of_lines.device());
        (Tensor::cat(vec![of_lines, zeros], 2), self.of_parameters(spikes, of_currents))
    }

    /// What a membrane of each step passes on to the next step.
    pub fn carried(&self, free: &Tensor<3>, spikes: &Tensor<3>) -> Tensor<3> {
        let membrane = self.chip.everywhere(self.chip.membrane.clone());
        free.clone() * membrane * (spikes.clone().neg() + 1.0)
    }

    /// Membranes with the resets and the recurrent input of `spikes`; any value while refractory.
    fn replay(&self, spikes: &Tensor<3>, carried: &Tensor<3>) -> Tensor<3> {
        let chip = &self.chip;
        let mut x = of_each_step(self.arriving.clone(), &self.synapses.lines);
        if let Some(weights) = &self.synapses.neurons {
            x = x + of_each_step(spikes.clone(), weights);
        }
        let mut p = chip.at(&x, 0).zeros_like();
        let mut v = p.clone();
        // The first step has no input.
        let mut membranes = Vec::with_capacity(chip.steps);
        membranes.push(v.clone());
        for before in 0..chip.steps - 1 {
            p = p * chip.synapse.clone() + chip.at(&x, before);
            v = v * chip.at(carried, before) + p.clone() * chip.gain.clone();
            membranes.push(v.clone());
        }
        Tensor::cat(membranes, 2)
    }

    /// The cotangents of p from the second step to the last, `[settings, shots, (steps − 1) · neurons]`; those of
    /// spikes go back through R where s′ and Rᵀ are given.
    pub fn go_back(
        &self,
        direct: &Tensor<3>,
        carried: &Tensor<3>,
        through_neurons: Option<(Tensor<3>, Tensor<3>)>,
    ) -> Tensor<3> {
        let chip = &self.chip;
        #[cfg(feature = "kernels")]
        {
            let through = through_neurons.as_ref().map(|(slopes, back)| (slopes, back));
            if let Some(of_currents) = kernel::go_back(&chip.of_kernel(), direct, carried, through)
            {
                return of_currents;
            }
        }
        let mut of_v = chip.at(direct, 0).zeros_like();
        let mut of_p = of_v.clone();
        let mut of_currents = Vec::with_capacity(chip.steps - 1);
        for step in (1..chip.steps).rev() {
            of_v = of_v * chip.at(carried, step) + chip.at(direct, step);
            if let Some((slopes, back)) = &through_neurons {
                of_v = of_v + of_p.clone().matmul(back.clone()) * chip.at(slopes, step);
            }
            of_p = of_p * chip.synapse.clone() + of_v.clone() * chip.gain.clone();
            of_currents.push(of_p.clone());
        }
        of_currents.reverse();
        Tensor::cat(of_currents, 2)
    }

    /// Cotangents of the parameters, `[settings, n_parameters]`: each spike of a source adds those of the currents one
    /// step later.
    pub fn of_parameters(&self, spikes: Tensor<3>, of_currents: Tensor<3>) -> Tensor<2> {
        let of_lines = self.of_rows(self.arriving.clone(), of_currents.clone());
        let of_neurons = self.synapses.neurons.is_some().then(|| self.of_rows(spikes, of_currents));
        let of_synapses = Tensor::cat([of_lines].into_iter().chain(of_neurons).collect(), 1);
        of_synapses * self.chip.gains.clone()
    }

    /// Σ over shots and steps of spikes times cotangents, `[settings, sources · neurons]`.
    fn of_rows(&self, spikes: Tensor<3>, of_currents: Tensor<3>) -> Tensor<2> {
        let (chip, [settings, shots, width]) = (&self.chip, spikes.dims());
        let (sources, steps) = (width / chip.steps, chip.steps - 1);
        let parts = parts_of(shots * steps);
        let rows = |values: Tensor<3>, count: usize| {
            values.reshape([settings * parts, shots * steps / parts, count])
        };
        let spikes = rows(spikes.narrow(2, 0, steps * sources), sources);
        let sums = spikes.transpose().matmul(rows(of_currents, chip.neurons));
        let sums = sums.reshape([settings, parts, sources * chip.neurons]).sum_dim(1);
        sums.reshape([settings, sources * chip.neurons])
    }
}
