//! The plate's motion and its detectors, step by step.
//!
//! A step from (q, v) under the force f is, for each mode of each shot,
//!
//! ```text
//! S = Σ Ω q²      k = v − κ Ω S q      q ← a q + b k + g_q f      v ← c q + d k + g_v f
//! ```
//!
//! The force is a column of the waveform, and the constants are rows. The adjoint passes through the steps in reverse.
//! Where a backend runs kernels, each of the two passes is one.

use burn::tensor::{Device, Tensor};
use twinprop_devices::mechanical::{Detection, PlateConstants, PlateMode};

#[cfg(feature = "kernels")]
use super::kernel;
use crate::bridge::from_vec;

/// The modes of a plate and how they are read.
#[derive(Clone)]
pub(super) struct Motion {
    steps_per_sample: usize,
    /// Steps after which each reading is taken.
    read_after: Vec<usize>,
    /// Constants and reading instants, as the kernel takes them.
    #[cfg(feature = "kernels")]
    of_kernel: kernel::Modes,
    detector: Detector,
    /// a, b, c and d, `[1, M]` each.
    matrix: [Tensor<2>; 4],
    /// g_q and g_v.
    force: [Tensor<2>; 2],
    /// Ω and κ Ω.
    ratio: Tensor<2>,
    kick: Tensor<2>,
}

/// What is read of the velocities.
#[derive(Clone)]
enum Detector {
    /// Their sum with these weights, `[1, M]`.
    Pickup(Tensor<2>),
    /// The root mean square of each over windows.
    Envelopes {
        /// M.
        modes: usize,
        /// G_m² over the steps of a window, window by window, `[1, K · M]`.
        factors: Tensor<2>,
        /// ε².
        floor: f32,
    },
}

/// What the adjoint needs of all steps.
pub(super) enum States {
    /// Step by step.
    Steps(Vec<State>),
    /// By the kernel.
    #[cfg(feature = "kernels")]
    Kernel(Vec<kernel::Saved>),
}

/// One step, as its adjoint needs it.
pub(super) struct State {
    /// q before the step, `[settings · shots, M]`.
    q: Tensor<2>,
    /// S, `[settings · shots, 1]`.
    stretch: Tensor<2>,
    /// Cotangents of the velocities after the step are this times the cotangent that [`Detector::pull_back`] returns.
    along: Tensor<2>,
}

impl Motion {
    /// That of `constants` on `backend`.
    pub(super) fn new(constants: &PlateConstants, backend: &Device) -> Self {
        let row = |value: &dyn Fn(&PlateMode) -> f32| {
            let values: Vec<f32> = constants.modes.iter().map(value).collect();
            let shape = [1, values.len()];
            from_vec(values, shape, backend)
        };
        let matrix = std::array::from_fn(|place| row(&|mode| mode.matrix[place]));
        let force = std::array::from_fn(|place| row(&|mode| mode.force[place]));
        let (ratio, kick) = (row(&|mode| mode.ratio), row(&|mode| constants.kick * mode.ratio));
        #[cfg(feature = "kernels")]
        let of_kernel = {
            let mut ends = vec![0.0; constants.placement.len() * constants.steps_per_sample];
            constants.read_after.iter().for_each(|&steps| ends[steps - 1] = 1.0);
            let [a, b, c, d]: [Tensor<2>; 4] = matrix.clone();
            let [to_q, to_v]: [Tensor<2>; 2] = force.clone();
            let gain = row(&|mode| mode.gain);
            let rows = vec![a, b, c, d, to_q, to_v, ratio.clone(), kick.clone(), gain];
            let steps = ends.len();
            kernel::Modes {
                constants: Tensor::cat(rows, 0),
                ends: from_vec(ends, [1, steps], backend),
                steps_per_sample: constants.steps_per_sample,
                instants: constants.read_after.len(),
                sees_windows: constants.detection == Detection::ModalEnvelopes,
            }
        };
        Self {
            #[cfg(feature = "kernels")]
            of_kernel,
            steps_per_sample: constants.steps_per_sample,
            read_after: constants.read_after.clone(),
            detector: Detector::new(constants, backend),
            matrix,
            force,
            ratio,
            kick,
        }
    }

    /// Readings before the converter under the force `waveform`, from rest.
    pub(super) fn readings(&self, waveform: &Tensor<2>) -> Tensor<2> {
        #[cfg(feature = "kernels")]
        if let Some(seen) = kernel::play(&self.of_kernel, waveform) {
            return self.detector.readings(seen);
        }
        self.step_by_step(waveform, |_| ())
    }

    /// The same, with what the adjoint needs.
    pub(super) fn readings_and_states(&self, waveform: &Tensor<2>) -> (Tensor<2>, States) {
        #[cfg(feature = "kernels")]
        if let Some((seen, saved)) = kernel::play_and_save(&self.of_kernel, waveform) {
            return (self.detector.readings(seen), States::Kernel(saved));
        }
        let mut states = Vec::new();
        let readings = self.step_by_step(waveform, |state| states.push(state));
        (readings, States::Steps(states))
    }

    /// [`readings`](Self::readings) by an operation of all shots at a time; `visit` gets each step.
    fn step_by_step(&self, waveform: &Tensor<2>, mut visit: impl FnMut(State)) -> Tensor<2> {
        let [rows, samples] = waveform.dims();
        let modes = self.ratio.dims()[1];
        let [a, b, c, d] = &self.matrix;
        let [to_q, to_v] = &self.force;
        let mut q: Tensor<2> = Tensor::zeros([rows, modes], &waveform.device());
        let mut v = q.clone();
        let mut read = Vec::with_capacity(self.read_after.len());
        let mut window = None;
        for sample in 0..samples {
            let force = waveform.clone().narrow(1, sample, 1);
            for step in (sample * self.steps_per_sample..).take(self.steps_per_sample) {
                let stretch = (q.clone().square() * self.ratio.clone()).sum_dim(1);
                let kicked = v - q.clone() * self.kick.clone() * stretch.clone();
                let before = q;
                q = before.clone() * a.clone()
                    + kicked.clone() * b.clone()
                    + force.clone() * to_q.clone();
                v = before.clone() * c.clone() + kicked * d.clone() + force.clone() * to_v.clone();
                visit(State { q: before, stretch, along: self.detector.along(&v) });
                let seen = self.detector.seen(&v, window.take());
                if step + 1 == self.read_after[read.len()] {
                    read.push(seen);
                } else {
                    window = Some(seen);
                }
            }
        }
        self.detector.readings(Tensor::cat(read, 1))
    }

    /// Cotangents of the waveform from those of the readings, both before the converter.
    pub(super) fn pull_back(
        &self,
        states: &States,
        readings: Tensor<2>,
        of_readings: Tensor<2>,
    ) -> Tensor<2> {
        let of_seen = self.detector.pull_back(readings, of_readings);
        match states {
            States::Steps(states) => self.pull_back_step_by_step(states, of_seen),
            #[cfg(feature = "kernels")]
            States::Kernel(saved) => kernel::pull_back(&self.of_kernel, saved, &of_seen),
        }
    }

    /// [`pull_back`](Self::pull_back) from what the detectors saw, by an operation of all shots at a time.
    fn pull_back_step_by_step(&self, states: &[State], of_seen: Tensor<2>) -> Tensor<2> {
        let [a, b, c, d] = &self.matrix;
        let [to_q, to_v] = &self.force;
        let twice_ratio = self.ratio.clone() * 2.0;
        let width = of_seen.dims()[1] / self.read_after.len();
        let mut reading = self.read_after.len();
        let mut of_window: Option<Tensor<2>> = None;
        let shape = [of_seen.dims()[0], self.ratio.dims()[1]];
        let mut of_q: Tensor<2> = Tensor::zeros(shape, &of_seen.device());
        let mut of_v = of_q.clone();
        let mut of_waveform = Vec::with_capacity(states.len() / self.steps_per_sample);
        let mut of_sample: Option<Tensor<2>> = None;
        for (step, State { q, stretch, along }) in states.iter().enumerate().rev() {
            if reading > 0 && step + 1 == self.read_after[reading - 1] {
                reading -= 1;
                of_window = Some(of_seen.clone().narrow(1, reading * width, width));
            }
            if let Some(of_window) = self.detector.at_step(&mut of_window) {
                of_v = of_v + of_window * along.clone();
            }
            let of_force = of_q.clone() * to_q.clone() + of_v.clone() * to_v.clone();
            let of_steps = match of_sample.take() {
                Some(later) => later + of_force,
                None => of_force,
            };
            if step.is_multiple_of(self.steps_per_sample) {
                of_waveform.push(of_steps.sum_dim(1));
            } else {
                of_sample = Some(of_steps);
            }
            let of_kicked = of_q.clone() * b.clone() + of_v.clone() * d.clone();
            let pull = of_kicked.clone() * self.kick.clone();
            let of_stretch = (pull.clone() * q.clone()).sum_dim(1);
            of_q = of_q * a.clone() + of_v * c.clone()
                - pull * stretch.clone()
                - q.clone() * twice_ratio.clone() * of_stretch;
            of_v = of_kicked;
        }
        of_waveform.reverse();
        Tensor::cat(of_waveform, 1)
    }
}

impl Detector {
    fn new(constants: &PlateConstants, backend: &Device) -> Self {
        let gains = constants.modes.iter().map(|mode| mode.gain);
        let modes = constants.modes.len();
        if constants.detection != Detection::ModalEnvelopes {
            return Self::Pickup(from_vec(gains.collect(), [1, modes], backend));
        }
        let starts = std::iter::once(&0).chain(&constants.read_after);
        let factors: Vec<f32> = starts
            .zip(&constants.read_after)
            .flat_map(|(start, end)| {
                let per_step = 1.0 / (end - start) as f32;
                gains.clone().map(move |gain| gain.powi(2) * per_step)
            })
            .collect();
        let shape = [1, factors.len()];
        let factors = from_vec(factors, shape, backend);
        Self::Envelopes { modes, factors, floor: constants.floor.powi(2) }
    }

    /// M.
    fn modes(&self) -> usize {
        match self {
            Self::Pickup(gains) => gains.dims()[1],
            Self::Envelopes { modes, .. } => *modes,
        }
    }

    /// What a reading takes of the velocities after a step, and of the steps `before` in its window.
    fn seen(&self, velocities: &Tensor<2>, before: Option<Tensor<2>>) -> Tensor<2> {
        match (self, before) {
            (Self::Pickup(_), _) => velocities.clone(),
            (Self::Envelopes { .. }, None) => velocities.clone().square(),
            (Self::Envelopes { .. }, Some(before)) => before + velocities.clone().square(),
        }
    }

    /// The readings of what was [`seen`](Self::seen) at each instant, side by side.
    fn readings(&self, seen: Tensor<2>) -> Tensor<2> {
        let [rows, width] = seen.dims();
        let instants = width / self.modes();
        match self {
            Self::Pickup(gains) => {
                let weighted = seen.reshape([rows * instants, width / instants]) * gains.clone();
                weighted.sum_dim(1).reshape([rows, instants])
            }
            Self::Envelopes { factors, floor, .. } => {
                transposed((seen * factors.clone() + *floor).sqrt(), instants)
            }
        }
    }

    /// [`State::along`] of a step with the velocities `velocities` after it.
    fn along(&self, velocities: &Tensor<2>) -> Tensor<2> {
        match self {
            Self::Pickup(gains) => gains.clone(),
            Self::Envelopes { .. } => velocities.clone(),
        }
    }

    /// Cotangents by instant, `[settings · shots, instants · n]`: with a pickup n is one, with envelopes M.
    fn pull_back(&self, readings: Tensor<2>, of_readings: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Pickup(_) => of_readings,
            Self::Envelopes { modes, factors, .. } => {
                transposed(of_readings / readings, *modes) * factors.clone()
            }
        }
    }

    /// The cotangents of an instant that act at a step: a pickup sees one step of each window, envelopes see all.
    fn at_step(&self, of_window: &mut Option<Tensor<2>>) -> Option<Tensor<2>> {
        match self {
            Self::Pickup(_) => of_window.take(),
            Self::Envelopes { .. } => of_window.clone(),
        }
    }
}

/// Rows of `groups` groups of values, as rows of the groups' first values, of their second, and so on.
fn transposed(values: Tensor<2>, groups: usize) -> Tensor<2> {
    let [rows, width] = values.dims();
    let by_group = values.reshape([rows, groups, width / groups]);
    by_group.swap_dims(1, 2).reshape([rows, width])
}
