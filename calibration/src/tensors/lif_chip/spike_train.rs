//! Spike-train-level backpropagation, ST-RSBP: derivatives of spike counts by spike counts.
//!
//! The equations are those of the devices' [`SpikeTrain`](twinprop_devices::neuromorphic::SpikeTrain), by the diagonal
//! of Ω. The traces behind the spikes are multiplied by λ = d / (ν Ω) of their neuron where they begin.

use burn::tensor::Tensor;
use twinprop_devices::neuromorphic::LifReadout;

use super::chip::{of_each_step, sum_steps};
use super::pass::Pass;

impl Pass {
    /// Cotangents of the drives and of the parameters at `spikes` from those `of` the readings.
    pub fn spike_train(
        &self,
        floor: f32,
        spikes: Tensor<3>,
        of: Tensor<3>,
    ) -> (Tensor<3>, Tensor<2>) {
        let chip = &self.chip;
        let counts = sum_steps(spikes.clone(), chip.neurons);
        let lines = sum_steps(self.arriving.clone(), chip.lines);
        let omega = self.omega(&lines, &counts).clamp_min(floor);
        let lambda = self.of_counts(of) / chip.threshold.clone() / omega;
        let carried = self.carried(&chip.is_free(&spikes), &spikes);
        let direct = spikes.clone() * chip.everywhere(lambda.clone());
        let of_currents = self.go_back(&direct, &carried, None);

        let back = self.synapses.lines.clone().transpose();
        let of_cells = of_each_step(of_currents.clone(), &back);
        let arriving = self.arriving.clone().narrow(2, 0, of_cells.dims()[2]);
        let sums = sum_steps(of_cells * arriving, chip.lines);
        // Where either count is 0, r = ½.
        let of_silent = lambda.clone().mask_fill(counts.greater_scalar(0.0), 0.0);
        let by_silent = of_silent.matmul(back.clone());
        let halves =
            by_silent.mask_where(lines.clone().lower_equal_scalar(0.0), lambda.matmul(back));
        let of_lines = sums / lines.clamp_min(1.0) + halves * 0.5;
        (chip.everywhere(of_lines), self.of_parameters(spikes, of_currents))
    }

    /// Cotangents of counts from those of the readings: of a raster, the mean over the steps.
    fn of_counts(&self, of: Tensor<3>) -> Tensor<3> {
        match self.chip.readout {
            LifReadout::Counts => of,
            _ => {
                let of_cells = of.narrow(2, 0, self.chip.cells());
                sum_steps(of_cells, self.chip.neurons) / self.chip.steps as f32
            }
        }
    }

    /// Ω_ll of neurons that fire `counts` times, `[settings, shots, M]`; that of the lines is `lines`.
    fn omega(&self, lines: &Tensor<3>, counts: &Tensor<3>) -> Tensor<3> {
        let chip = &self.chip;
        let mut drive = lines.clone().matmul(self.synapses.lines.clone());
        if let Some(weights) = &self.synapses.neurons {
            drive = drive + counts.clone().matmul(weights.clone());
        }
        let steps = chip.steps as f32;
        let share = chip.refractory.clone() / steps;
        // f′(o) with q = o (τ_m − T_ref + T / o); a silent neuron has none.
        let q = counts.clone() * (chip.membrane_time.clone() - chip.refractory.clone()) + steps;
        let reachable = (counts.clone() * share.clone()).neg() + 1.0;
        let rising = reachable * steps / q.clone().square();
        let slope = (rising - counts.clone() * share / q) * chip.membrane_time.clone();
        let slope = slope.mask_fill(counts.clone().lower_equal_scalar(0.0), 0.0);
        (slope * drive / chip.threshold.clone()).neg() + 1.0
    }
}
