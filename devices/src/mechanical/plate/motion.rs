//! The plate's motion under a force, and the adjoint of its discretised equation.

use super::PlateEquation;
use super::detectors::{Detector, Readings};
use super::modes::Propagator;
use crate::lanes::{Cotangents, LANES, Lane, ZERO, dot};
use crate::waveform::Placed;

impl PlateEquation {
    /// Steps from rest under the force `waveform`; `detector` fills the readings. `visit` gets each step, the
    /// state before its kick (q, then v) and S, and the final state at last.
    #[inline(always)]
    pub(super) fn integrate(
        &self,
        waveform: &[Lane],
        outputs: &mut [Lane],
        mut detector: impl Detector,
        mut visit: impl FnMut(usize, &[Lane], &Lane),
    ) {
        let count = self.modes.len();
        let kick = self.tension * self.factors.tension;
        let steps = self.sampling.steps();
        let mut state = vec![ZERO; 2 * count];
        let mut reading = 0;
        for step in 0..steps {
            let force = waveform[self.sampling.sample(step)];
            let mut stretch = ZERO;
            for (mode, q) in self.modes.iter().zip(&state) {
                for lane in 0..LANES {
                    stretch[lane] += mode.ratio * q[lane] * q[lane];
                }
            }
            visit(step, &state, &stretch);
            let (q, v) = state.split_at_mut(count);
            for (mode, (q, v)) in self.modes.iter().zip(q.iter_mut().zip(v)) {
                let Propagator { matrix: [a, b, c, d], force: [to_q, to_v], ratio, .. } = *mode;
                let (mut after_q, mut after_v) = (*q, *v);
                for lane in 0..LANES {
                    let before = after_q[lane];
                    let kicked = after_v[lane] - kick * ratio * before * stretch[lane];
                    after_q[lane] = a * before + b * kicked + to_q * force[lane];
                    after_v[lane] = c * before + d * kicked + to_v * force[lane];
                }
                (*q, *v) = (after_q, after_v);
            }
            detector.follow(&state[count..]);
            if step + 1 == self.sampling.read_after(reading) {
                detector.read(reading, &state[count..], outputs);
                reading += 1;
            }
        }
        visit(steps, &state, &ZERO);
    }

    /// [`Equation::vjp`](crate::lanes::Equation::vjp) of a plate that is read by `detector`; with `OF_CONSTANTS` the
    /// cotangents of its constants as well.
    #[inline(always)]
    pub(super) fn pull_back<D: Detector, const OF_CONSTANTS: bool>(
        &self,
        setting: &Placed,
        inputs: &[Lane],
        cotangents: &[Lane],
        of_inputs: &mut [Lane],
        sums: &mut Cotangents,
        detector: impl Fn() -> D,
    ) {
        let count = self.modes.len();
        let waveform = setting.with_data(inputs);
        let steps = self.sampling.steps();
        let mut states = vec![ZERO; 2 * count * (steps + 1)];
        let mut stretches = vec![ZERO; steps + 1];
        let mut readings = vec![ZERO; cotangents.len()];
        self.integrate(
            &waveform,
            &mut readings,
            detector(),
            #[inline(always)]
            |step, state, stretch| {
                states[2 * count * step..2 * count * (step + 1)].copy_from_slice(state);
                stretches[step] = *stretch;
            },
        );
        let kick = self.tension * self.factors.tension;
        let mut of_waveform = vec![ZERO; waveform.len()];
        let mut of_state = vec![ZERO; 2 * count];
        let mut of_kick = ZERO;
        // A mode's cotangents of P and g, and of its pickup factor.
        let mut of_mode = vec![[ZERO; 6]; count];
        let mut of_pickups = vec![ZERO; count];
        let mut detector = detector();
        let readings = Readings { values: &readings, cotangents };
        let mut reading = self.sampling.readings();
        for step in (0..steps).rev() {
            let (q, v) = states[2 * count * step..2 * count * (step + 1)].split_at(count);
            let after = &states[2 * count * (step + 1) + count..2 * count * (step + 2)];
            if reading > 0 && step + 1 == self.sampling.read_after(reading - 1) {
                reading -= 1;
                let of_velocities = &mut of_state[count..];
                detector.pull_back(reading, &readings, after, of_velocities, &mut of_pickups);
            }
            detector.pull_back_step(after, &mut of_state[count..]);
            let sample = self.sampling.sample(step);
            // Lanes are copied, so that the compiler knows that none is written while another is read.
            let (force, stretch) = (waveform[sample], stretches[step]);
            let (mut of_force, mut of_stretch) = (of_waveform[sample], ZERO);
            let (of_q, of_v) = of_state.split_at_mut(count);
            for (m, mode) in self.modes.iter().enumerate() {
                let [a, b, c, d] = mode.matrix;
                let (q, v) = (q[m], v[m]);
                let (mut dq, mut dv, of_mode) = (of_q[m], of_v[m], &mut of_mode[m]);
                for lane in 0..LANES {
                    let pull = mode.ratio * q[lane] * stretch[lane];
                    let kicked = v[lane] - kick * pull;
                    let (of_q, of_v) = (dq[lane], dv[lane]);
                    if OF_CONSTANTS {
                        of_mode[0][lane] += of_q * q[lane];
                        of_mode[1][lane] += of_q * kicked;
                        of_mode[2][lane] += of_v * q[lane];
                        of_mode[3][lane] += of_v * kicked;
                        of_mode[4][lane] += of_q * force[lane];
                        of_mode[5][lane] += of_v * force[lane];
                    }
                    of_force[lane] += mode.force[0] * of_q + mode.force[1] * of_v;
                    let of_kicked = b * of_q + d * of_v;
                    if OF_CONSTANTS {
                        of_kick[lane] -= of_kicked * pull;
                    }
                    of_stretch[lane] -= of_kicked * kick * mode.ratio * q[lane];
                    dv[lane] = of_kicked;
                    dq[lane] = a * of_q + c * of_v - of_kicked * kick * mode.ratio * stretch[lane];
                }
                (of_q[m], of_v[m]) = (dq, dv);
            }
            of_waveform[sample] = of_force;
            for (m, mode) in self.modes.iter().enumerate() {
                let (q, mut of) = (q[m], of_q[m]);
                for lane in 0..LANES {
                    of[lane] += 2.0 * mode.ratio * q[lane] * of_stretch[lane];
                }
                of_q[m] = of;
            }
        }
        setting.gather(&of_waveform, of_inputs, &mut sums.parameters);
        if !OF_CONSTANTS {
            return;
        }
        let ones = [1.0; LANES];
        for (m, (mode, of_mode)) in self.modes.iter().zip(&of_mode).enumerate() {
            let along = |(matrix, force): &([f32; 4], [f32; 2])| -> f32 {
                let slopes = matrix.iter().chain(force);
                slopes.zip(of_mode).map(|(slope, of)| slope * dot(of, &ones)).sum()
            };
            sums.constants[m] += along(&mode.by_frequency);
            sums.constants[count + m] += along(&mode.by_damping);
            sums.constants[2 * count + m] += mode.nominal_pickup * dot(&of_pickups[m], &ones);
        }
        sums.constants[3 * count] += self.tension * dot(&of_kick, &ones);
    }
}
