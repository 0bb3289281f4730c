//! A transistor under a resonant branch: a nonlinear analog circuit.
//!
//! ```text
//!  u(t) ──R──L──┬── v (read)        L di/dt = u − R i − v
//!               ├──C── ground       C dv/dt = i − I_D(u_G, v)
//!  u_G ──gate──[M]── ground         u_G = a u + U_B
//!
//! I_D = 2 n β U_T² [F((u_G − V_T) / n) − F((u_G − V_T) / n − v)] (1 + λ v),   F(x) = ln²(1 + exp(x / 2U_T))
//! ```
//!
//! u is the drive: a waveform of samples, the data and between them the trainable parameters, each held for some steps. A shot starts at rest; readings are the drain's voltage v at
//! evenly spaced instants.
//!
//! | symbol | meaning | unit |
//! |---|---|---|
//! | u, u_G, v | drive, gate and drain voltage; the source is grounded | V |
//! | i | current through the coil | A |
//! | R, L, C | the branch | Ω, H, F |
//! | a, U_B | share of the drive that reaches the gate, and the gate's bias | 1, V |
//! | β | transconductance factor | A/V² |
//! | V_T, n | threshold voltage, and slope factor: the body effect | V, 1 |
//! | λ | channel-length modulation | 1/V |
//! | U_T | thermal voltage, 25.85 mV at 300 K | V |
//!
//! Source: the EKV model, which holds from weak to strong inversion and for either sign of v (Enz,
//! Krummenacher & Vittoz, Analog Integrated Circuits and Signal Processing 8, 83, 1995, eqs 13 and
//! 35), with the usual factor for channel-length modulation, made even in v; the circuit after the
//! electronic network of Wright et al., Nature 601, 549 (2022). Left out: the transistor's charges, except
//! that C includes the drain's.
//!
//! Time: the L-stable two-stage diagonally implicit Runge-Kutta method of second order (Alexander,
//! SIAM Journal on Numerical Analysis 14, 1006, 1977), which stays stable at the short time
//! constant of a conducting channel. The branch is linear, so a stage is one equation for v, monotone, which
//! Newton's method solves. The adjoint differentiates the solved stages exactly.

mod as_built;
mod circuit;
mod config;

pub use as_built::TransistorConstants;
pub use config::TransistorConfig;

use self::circuit::{Circuit, Factors, GAMMA, ITERATIONS};
use crate::elementary::MULTIPLY_ADDS;
use crate::lanes::{Cotangents, Equation, LANES, Lane, Simulation, ZERO, dot};
use crate::saturation::Saturation;
use crate::waveform::{Placed, Sampling, interleave};
use crate::{Channels, Constant, DeviceError, Interface, random};

/// The converter saturates at this many times the largest drive.
const READING: f32 = 1.5;

/// A transistor circuit: nominal, or as built.
pub type Transistor = Simulation<TransistorEquation>;

/// One copy's equation.
#[derive(Clone, Debug)]
pub struct TransistorEquation {
    interface: Interface,
    placement: Vec<usize>,
    sampling: Sampling,
    config: TransistorConfig,
    factors: Factors,
    circuit: Circuit,
}

/// One step's stages, for the adjoint: (i, v) of the first and of the second.
type Stages = [[Lane; 2]; 2];

impl Transistor {
    /// The circuit as designed.
    ///
    /// # Errors
    /// [`DeviceError::Config`] where there are more readings than integration steps.
    pub fn nominal(config: &TransistorConfig) -> Result<Self, DeviceError> {
        Self::fabricated(config, 0.0, 0)
    }

    /// A copy with relative normal deviates of standard deviation `mismatch` in every constant, drawn from
    /// `seed`.
    ///
    /// # Errors
    /// As [`nominal`](Self::nominal).
    pub fn fabricated(
        config: &TransistorConfig,
        mismatch: f64,
        seed: u64,
    ) -> Result<Self, DeviceError> {
        let samples = config.inputs + config.parameters;
        let sampling =
            Sampling::new("transistor", samples, config.steps_per_sample, config.outputs)?;
        let mut random = random::stream(seed, "fabrication");
        let factors = Factors::from_array(std::array::from_fn(|_| {
            (1.0 + mismatch * random::deviate(&mut random)).max(0.1) as f32
        }));
        let volts = config.largest_volts as f32;
        Ok(Self::new(TransistorEquation {
            interface: Interface {
                device: "transistor".to_owned(),
                inputs: Channels::bank("data", config.inputs, "V", -volts, volts),
                parameters: Channels::bank("parameter", config.parameters, "V", -volts, volts),
                outputs: Channels::bank(
                    "drain",
                    config.outputs,
                    "V",
                    -READING * volts,
                    READING * volts,
                ),
                seconds_per_shot: samples as f64 * config.sample_seconds,
            },
            placement: interleave(config.inputs, config.parameters),
            sampling,
            circuit: Circuit::new(config, &factors),
            config: config.clone(),
            factors,
        }))
    }
}

impl TransistorEquation {
    /// Steps from rest under the drive `waveform` and fills the readings; `visit` gets the stages of every
    /// step.
    #[inline(always)]
    fn integrate(
        &self,
        waveform: &[Lane],
        outputs: &mut [Lane],
        mut visit: impl FnMut(usize, &Stages),
    ) {
        let steps = self.sampling.steps();
        let mut state = [ZERO; 2];
        let mut stages: Stages = [[ZERO; 2]; 2];
        let mut reading = 0;
        for step in 0..steps {
            let drive = &waveform[self.sampling.sample(step)];
            let [first, second] = &mut stages;
            first[1] = state[1];
            self.circuit.solve(&state, drive, first);
            // y + (1 − γ) h f(Y₁), with h f(Y₁) = (Y₁ − y) / γ.
            let mut base = [ZERO; 2];
            for ((base, start), first) in base.iter_mut().zip(&state).zip(&*first) {
                for lane in 0..LANES {
                    base[lane] = start[lane] + (1.0 - GAMMA) / GAMMA * (first[lane] - start[lane]);
                }
            }
            second[1] = first[1];
            self.circuit.solve(&base, drive, second);
            state = stages[1];
            visit(step, &stages);
            if step + 1 == self.sampling.read_after(reading) {
                outputs[reading] = state[1];
                reading += 1;
            }
        }
    }

    /// The converter behind the drain.
    fn saturation(&self) -> Saturation {
        Saturation::at(READING * self.config.largest_volts as f32)
    }
}

impl Equation for TransistorEquation {
    type Setting = Placed;

    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn prepare(&self, parameters: &[f32]) -> Placed {
        Placed::new(&self.placement, parameters)
    }

    #[inline(always)]
    fn respond(&self, setting: &Placed, inputs: &[Lane], outputs: &mut [Lane]) {
        self.integrate(&setting.with_data(inputs), outputs, |_, _| ());
        self.saturation().clamp(outputs.as_flattened_mut());
    }

    #[inline(always)]
    fn vjp(
        &self,
        setting: &Placed,
        inputs: &[Lane],
        cotangents: &[Lane],
        of_inputs: &mut [Lane],
        sums: &mut Cotangents,
    ) {
        let circuit = &self.circuit;
        let waveform = setting.with_data(inputs);
        let steps = self.sampling.steps();
        let mut stages: Vec<Stages> = vec![[[ZERO; 2]; 2]; steps];
        self.integrate(&waveform, &mut vec![ZERO; cotangents.len()], |step, seen| {
            stages[step] = *seen;
        });
        let (g_l, g_c) = (GAMMA * circuit.per_inductance, GAMMA * circuit.per_capacitance);
        let mut of_waveform = vec![ZERO; waveform.len()];
        let mut of_factor = [ZERO; Factors::COUNT];
        let (mut of_current, mut of_voltage) = (ZERO, ZERO);
        let saturation = self.saturation();
        let mut reading = cotangents.len();
        for step in (0..steps).rev() {
            if reading > 0 && step + 1 == self.sampling.read_after(reading - 1) {
                reading -= 1;
                for lane in 0..LANES {
                    if !saturation.saturates(stages[step][1][1][lane]) {
                        of_voltage[lane] += cotangents[reading][lane];
                    }
                }
            }
            let sample = self.sampling.sample(step);
            let (drive, of_drive) = (&waveform[sample], &mut of_waveform[sample]);
            // Of the second stage, then of the first.
            let mut pull = [of_current, of_voltage];
            (of_current, of_voltage) = (ZERO, ZERO);
            for (stage, [current, voltage]) in stages[step].iter().enumerate().rev() {
                let (to_start, to_first) = match stage {
                    1 => (1.0 - (1.0 - GAMMA) / GAMMA, (1.0 - GAMMA) / GAMMA),
                    _ => (1.0, 0.0),
                };
                let [of_r, of_l, of_c, of_beta, of_threshold, of_slope, of_lambda, of_share] =
                    &mut of_factor;
                for lane in 0..LANES {
                    let (u, i, v) = (drive[lane], current[lane], voltage[lane]);
                    let gate = circuit.gate_share * u + circuit.gate_bias;
                    let drain = circuit.drain(gate, v);
                    // (1 − γ h J)ᵀ μ = pull, with J = [[−R/L, −1/L], [1/C, −g/C]].
                    let (a, d) = (1.0 + g_l * circuit.resistance, 1.0 + g_c * drain.by_drain);
                    let inverse = 1.0 / (a * d + g_c * g_l);
                    let of_i = (d * pull[0][lane] + g_c * pull[1][lane]) * inverse;
                    let of_v = (a * pull[1][lane] - g_l * pull[0][lane]) * inverse;
                    let of_drain = -g_c * of_v;
                    let of_gate = of_drain * drain.by_gate;
                    of_drive[lane] += g_l * of_i + of_gate * circuit.gate_share;
                    of_r[lane] -= g_l * of_i * i;
                    of_l[lane] += g_l * of_i * (u - circuit.resistance * i - v);
                    of_c[lane] += g_c * of_v * (i - drain.current);
                    of_beta[lane] += of_drain * drain.current;
                    of_threshold[lane] -= of_gate;
                    of_slope[lane] +=
                        of_drain * (drain.current + drain.by_slope * circuit.slope_factor);
                    of_lambda[lane] += of_drain * drain.by_modulation;
                    of_share[lane] += of_gate * u;
                    of_current[lane] += to_start * of_i;
                    of_voltage[lane] += to_start * of_v;
                    pull[0][lane] = to_first * of_i;
                    pull[1][lane] = to_first * of_v;
                }
            }
        }
        setting.gather(&of_waveform, of_inputs, &mut sums.parameters);
        // From the derivatives by the circuit's numbers to those by the factors: d ln(1/L) = −d ln L, and so on.
        let factors = &self.factors;
        let by_factor = [
            circuit.resistance / factors.resistance,
            -1.0 / factors.inductance,
            -1.0 / factors.capacitance,
            1.0 / factors.transconductance,
            circuit.threshold / factors.threshold,
            1.0 / factors.slope_factor,
            circuit.modulation / factors.modulation,
            circuit.gate_share / factors.gate_share,
        ];
        let ones = [1.0; LANES];
        for ((sum, of_factor), scale) in sums.constants.iter_mut().zip(&of_factor).zip(by_factor) {
            *sum += scale * dot(of_factor, &ones);
        }
    }

    fn constants(&self) -> Vec<Constant> {
        let named = Factors::NAMES.iter().zip(self.factors.to_array());
        named.map(|(name, value)| Constant { name: (*name).to_owned(), value }).collect()
    }

    fn set_constants(&mut self, values: &[f32]) {
        let mut factors = self.factors.to_array();
        factors.copy_from_slice(values);
        self.factors = Factors::from_array(factors);
        self.circuit = Circuit::new(&self.config, &self.factors);
    }

    fn multiply_adds(&self) -> u64 {
        // Two stages a step; an iteration evaluates the channel's two logarithms and exponentials and
        // divides.
        (self.sampling.steps() * 2 * ITERATIONS) as u64 * (5 * MULTIPLY_ADDS + 10)
    }
}
