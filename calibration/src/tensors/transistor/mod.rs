//! A transistor under a resonant branch in tensors.
//!
//! The equation and its integration are those of [`Transistor`]. A shot is a column here, and a step a row,
//! `[steps, shots]`. Values that depend on the drives alone are computed for all steps at once; then each step solves
//! its two stages for all shots.
//!
//! The adjoint of a step multiplies the cotangents of (i, v) by a 2 × 2 matrix of its shot. With Aₛ the inverse of
//! (1 − γ h J)ᵀ at stage s, and α = (1 − γ) / γ, it is
//!
//! ```text
//! T = (1 − α) A₂ + α A₁ A₂
//! ```
//!
//! These matrices are computed for all steps at once, so that the recursion from the last step to the first is one
//! product a step. The cotangents of the drives follow from those of the states, for all steps at once.
//!
//! Where a backend runs kernels, each of the two recursions over the steps is one.

#[cfg(feature = "kernels")]
mod kernel;
mod states;

use burn::tensor::{Bool, Device, IndexingUpdateOp, Int, Tensor};
use twinprop_devices::PhysicalLayer;
use twinprop_devices::electronic::{Transistor, TransistorConstants};

use self::states::StateMatrices;
use super::equation::TensorEquation;
use super::saturation::Saturation;
use super::waveform::Waveform;
use crate::twin::Linearised;

/// A transistor circuit on a backend.
#[derive(Clone)]
pub struct TransistorTensors {
    constants: TransistorConstants,
    /// The step after which each reading is taken, from zero.
    read_steps: Tensor<1, Int>,
    waveform: Waveform,
    saturation: Saturation,
}

impl TransistorTensors {
    /// `transistor` on `backend`.
    #[must_use]
    pub fn new(transistor: &Transistor, backend: &Device) -> Self {
        let constants = transistor.as_built();
        let inputs = transistor.interface().inputs.len();
        let read_steps: Vec<i64> =
            constants.read_after.iter().map(|&steps| steps as i64 - 1).collect();
        Self {
            read_steps: Tensor::from_data(read_steps.as_slice(), backend),
            waveform: Waveform::new(&constants.placement, inputs, backend),
            saturation: Saturation::at(constants.full_scale),
            constants,
        }
    }

    /// γ h/L.
    fn g_l(&self) -> f32 {
        self.constants.gamma * self.constants.per_inductance
    }

    /// γ h/C.
    fn g_c(&self) -> f32 {
        self.constants.gamma * self.constants.per_capacitance
    }

    /// 1 / (1 + γ h R/L).
    fn damped(&self) -> f32 {
        1.0 / (1.0 + self.g_l() * self.constants.resistance)
    }

    /// α = (1 − γ) / γ.
    fn alpha(&self) -> f32 {
        (1.0 - self.constants.gamma) / self.constants.gamma
    }

    /// What the drives determine at every step.
    fn drives(&self, x: Tensor<2>, theta: Tensor<2>) -> Drives {
        let constants = &self.constants;
        let samples = self.waveform.with_data(x, theta).transpose();
        let ([count, rows], held) = (samples.dims(), constants.steps_per_sample);
        let waveform = samples.reshape([count, 1, rows]).repeat_dim(1, held);
        let waveform: Tensor<2> = waveform.reshape([count * held, rows]);
        let gate = waveform.clone() * constants.gate_share + constants.gate_bias;
        let pinch = (gate - constants.threshold) / constants.slope_factor;
        let [source, _] = self.inversion(pinch.clone());
        Drives { lift: waveform * self.g_l(), pinch, source }
    }

    /// F(x) and its slope.
    fn inversion(&self, x: Tensor<2>) -> [Tensor<2>; 2] {
        let half = 0.5 / self.constants.thermal_volts;
        let x = x * half;
        let small = x.clone().abs().neg().exp();
        let log = x.clone().clamp_min(0.0) + small.clone().log1p();
        let slope = small.clone().mask_fill(x.greater_equal_scalar(0.0), 1.0) / (small + 1.0);
        [log.clone().square(), log * slope * (2.0 * half)]
    }

    /// The transistor at drain voltage `voltage`.
    fn channel(&self, drives: &Drives, voltage: &Tensor<2>) -> Channel {
        let &TransistorConstants { thermal_volts, modulation, specific, .. } = &self.constants;
        let [drain, slope] = self.inversion(drives.pinch.clone() - voltage.clone());
        let size = (voltage.clone().square() + thermal_volts * thermal_volts).sqrt();
        let factor = (size.clone() * modulation + 1.0) * specific;
        let difference = drives.source.clone() - drain;
        let of_modulation = difference.clone() * voltage.clone() / size * (specific * modulation);
        Channel {
            by_drain: slope.clone() * factor.clone() + of_modulation,
            current: difference * factor.clone(),
            factor,
            slope,
        }
    }

    /// The stage (i, v) = base + γ h f(i, v); `voltage` is the guess of v.
    fn solve(
        &self,
        [current, potential]: [Tensor<2>; 2],
        drives: &Drives,
        mut voltage: Tensor<2>,
    ) -> [Tensor<2>; 2] {
        let (g_l, g_c, damped) = (self.g_l(), self.g_c(), self.damped());
        let lifted = current + drives.lift.clone();
        let known = potential + lifted.clone() * (g_c * damped);
        // The branch's share of the equation's slope.
        let linear = 1.0 + g_c * g_l * damped;
        for _ in 0..self.constants.iterations {
            let channel = self.channel(drives, &voltage);
            let rest = voltage.clone() * linear - known.clone() + channel.current * g_c;
            voltage = voltage - rest / (channel.by_drain.clamp_min(0.0) * g_c + linear);
        }
        [(lifted - voltage.clone() * g_l) * damped, voltage]
    }

    /// v of both stages of every step, `[steps, shots]` each.
    fn integrate(&self, drives: &Drives) -> [Tensor<2>; 2] {
        #[cfg(feature = "kernels")]
        {
            let &TransistorConstants { iterations, thermal_volts, modulation, specific, .. } =
                &self.constants;
            let circuit = kernel::Circuit {
                iterations,
                thermal_volts,
                modulation,
                specific,
                g_l: self.g_l(),
                g_c: self.g_c(),
                damped: self.damped(),
                alpha: self.alpha(),
            };
            let Drives { lift, pinch, source } = drives;
            if let Some(stages) = kernel::integrate(&circuit, lift, pinch, source) {
                return stages;
            }
        }
        let alpha = self.alpha();
        let mut stages = [Vec::new(), Vec::new()];
        let zeros = drives.lift.clone().narrow(0, 0, 1).zeros_like();
        let mut state = [zeros.clone(), zeros];
        for step in 0..drives.lift.dims()[0] {
            let drives = drives.at(step);
            let first = self.solve(state.clone(), &drives, state[1].clone());
            let voltage = first[1].clone();
            stages[0].push(voltage.clone());
            // y + (1 − γ) h f(Y₁), with h f(Y₁) = (Y₁ − y) / γ.
            let base = |start: Tensor<2>, first: Tensor<2>| start.clone() + (first - start) * alpha;
            let ([start_i, start_v], [first_i, first_v]) = (state, first);
            let base = [base(start_i, first_i), base(start_v, first_v)];
            state = self.solve(base, &drives, voltage);
            stages[1].push(state[1].clone());
        }
        stages.map(|voltages| Tensor::cat(voltages, 0))
    }

    /// Readings before the converter saturates, from v after each step.
    fn open(&self, voltages: Tensor<2>) -> Tensor<2> {
        voltages.select(0, self.read_steps.clone()).transpose()
    }

    /// The adjoint of a stage, solved at v of each step.
    fn pull_back(&self, drives: &Drives, voltages: &Tensor<2>) -> StageAdjoint {
        let (g_l, g_c) = (self.g_l(), self.g_c());
        let channel = self.channel(drives, voltages);
        let [_, source_slope] = self.inversion(drives.pinch.clone());
        let by_gate = (source_slope - channel.slope) * channel.factor / self.constants.slope_factor;
        // (1 − γ h J)ᵀ μ = pull, with J = [[−R/L, −1/L], [1/C, −g/C]].
        let (a, d) = (1.0 + g_l * self.constants.resistance, channel.by_drain * g_c + 1.0);
        let inverse = (d.clone() * a + g_c * g_l).recip();
        let states = StateMatrices {
            ii: d * inverse.clone(),
            iv: inverse.clone() * g_c,
            vi: inverse.clone() * -g_l,
            vv: inverse * a,
        };
        StageAdjoint { states, by_gate }
    }
}

impl TensorEquation for TransistorTensors {
    fn respond(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
        let [_, voltages] = self.integrate(&self.drives(x, theta));
        self.saturation.clamp(self.open(voltages))
    }

    fn linearise(&self, x: Tensor<2>, theta: Tensor<2>) -> Box<dyn Linearised> {
        let settings = theta.dims()[0];
        let drives = self.drives(x, theta);
        let [first, second] = self.integrate(&drives);
        let saturated = self.saturation.saturates(self.open(second.clone()));
        let [first, second] = [first, second].map(|voltages| self.pull_back(&drives, &voltages));
        let alpha = self.alpha();
        let step = second
            .states
            .times(1.0 - alpha)
            .plus(first.states.product(&second.states).times(alpha));
        Box::new(Trajectory { device: self.clone(), settings, saturated, first, second, step })
    }
}

/// What the drives of some steps determine, `[steps, shots]` each.
struct Drives {
    /// γ h/L u.
    lift: Tensor<2>,
    /// (u_G − V_T) / n.
    pinch: Tensor<2>,
    /// F of it.
    source: Tensor<2>,
}

impl Drives {
    fn at(&self, step: usize) -> Self {
        let row = |values: &Tensor<2>| values.clone().narrow(0, step, 1);
        Self { lift: row(&self.lift), pinch: row(&self.pinch), source: row(&self.source) }
    }
}

/// The transistor's channel at a drain voltage, `[steps, shots]` each.
struct Channel {
    /// I_D, and its derivative by v.
    current: Tensor<2>,
    by_drain: Tensor<2>,
    /// The slope of F at the drain's side.
    slope: Tensor<2>,
    /// 2 n β U_T² (1 + λ |v|), |v| smoothed.
    factor: Tensor<2>,
}

/// The adjoint of one of the stages, at every step.
struct StageAdjoint {
    /// A.
    states: StateMatrices,
    /// ∂I_D/∂u_G, `[steps, shots]`.
    by_gate: Tensor<2>,
}

/// Shots' trajectories, with the values that the adjoint needs.
struct Trajectory {
    device: TransistorTensors,
    settings: usize,
    /// Mask of the readings beyond full scale, `[shots, n_outputs]`.
    saturated: Tensor<2, Bool>,
    first: StageAdjoint,
    second: StageAdjoint,
    /// T of each step.
    step: StateMatrices,
}

impl Trajectory {
    /// Cotangents of (i, v) after each step, `[steps, shots]` each, from those of the readings.
    fn of_states(&self, dy: Tensor<2>) -> [Tensor<2>; 2] {
        let of_readings = dy.mask_fill(self.saturated.clone(), 0.0).transpose();
        // What the readings add to the cotangents of v after each step.
        let seen = self.step.ii.zeros_like().select_assign(
            0,
            self.device.read_steps.clone(),
            of_readings,
            IndexingUpdateOp::Add,
        );
        #[cfg(feature = "kernels")]
        if let Some(pulls) = kernel::pull_states(&self.step, &seen) {
            return pulls;
        }
        let zeros = seen.clone().narrow(0, 0, 1).zeros_like();
        let mut pull = [zeros.clone(), zeros];
        let mut pulls = [Vec::new(), Vec::new()];
        for step in (0..seen.dims()[0]).rev() {
            pull[1] = pull[1].clone() + seen.clone().narrow(0, step, 1);
            for (all, pull) in pulls.iter_mut().zip(&pull) {
                all.push(pull.clone());
            }
            pull = self.step.at(step).pull(pull);
        }
        pulls.map(|mut all| {
            all.reverse();
            Tensor::cat(all, 0)
        })
    }
}

impl Linearised for Trajectory {
    fn vjp(&self, _y: Tensor<2>, dy: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let device = &self.device;
        let constants = &device.constants;
        let second = self.second.states.pull(self.of_states(dy));
        let first = self.first.states.pull(second.clone().map(|of| of * device.alpha()));
        let of_drives = |[of_i, of_v]: [Tensor<2>; 2], stage: &StageAdjoint| {
            let of_gate = of_v * stage.by_gate.clone() * -device.g_c();
            of_i * device.g_l() + of_gate * constants.gate_share
        };
        let of_drives = of_drives(first, &self.first) + of_drives(second, &self.second);
        let ([steps, rows], held) = (of_drives.dims(), constants.steps_per_sample);
        let of_samples = of_drives.reshape([steps / held, held, rows]).sum_dim(1);
        let of_waveform = of_samples.reshape([steps / held, rows]).transpose();
        device.waveform.gather(of_waveform, self.settings)
    }
}
