//! A transistor under a resonant branch: an analog circuit that bends its own drive.
//!
//! ```text
//!  u(t) ──R──L──┬── v (read)        L di/dt = u − R i − v
//!               ├──C── ground       C dv/dt = i − I_D(u_G, v)
//!  u_G ──gate──[M]── ground         u_G = a u + U_B
//!
//! I_D = 2 n β U_T² [F((u_G − V_T) / n) − F((u_G − V_T) / n − v)] (1 + λ v),   F(x) = ln²(1 + exp(x / 2U_T))
//! ```
//!
//! u is the drive: a waveform whose samples are the data and, between them, the trainable
//! parameters, each held for some steps. A shot starts at rest; readings are the drain's voltage v at
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
//! 35), with the usual factor for channel-length modulation, taken even in v; the circuit after the
//! electronic network of Wright et al., Nature 601, 549 (2022). Left out: the transistor's charges, of
//! which C takes the drain's.
//!
//! Time: the L-stable two-stage diagonally implicit Runge-Kutta method of second order (Alexander,
//! SIAM Journal on Numerical Analysis 14, 1006, 1977), so that a conducting channel's short time
//! constant is no danger. The branch is linear, so a stage is one equation for v, monotone, which
//! Newton's method solves. The adjoint differentiates the solved stages exactly.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::elementary::{MULTIPLY_ADDS, soft_plus};
use crate::lanes::{Cotangents, Equation, LANES, Lane, Simulation, ZERO, dot};
use crate::waveform::{Placed, Sampling, interleave};
use crate::{Channels, Constant, DeviceError, Interface, random, validate};

/// A transistor circuit, as a recipe writes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TransistorConfig {
    /// Samples of the waveform that carry data.
    #[serde(deserialize_with = "validate::count")]
    pub inputs: usize,
    /// Samples that carry trainable parameters, spread evenly between the data.
    #[serde(deserialize_with = "validate::count")]
    pub parameters: usize,
    /// Readings, evenly spaced over the shot; the last is its end.
    #[serde(deserialize_with = "validate::count")]
    pub outputs: usize,
    /// Drives reach from minus to plus this, in V.
    #[serde(deserialize_with = "validate::positive")]
    pub largest_volts: f64,
    /// R in Ω.
    #[serde(deserialize_with = "validate::positive")]
    pub ohms: f64,
    /// L in H.
    #[serde(deserialize_with = "validate::positive")]
    pub henries: f64,
    /// C in F.
    #[serde(deserialize_with = "validate::positive")]
    pub farads: f64,
    /// β in A/V².
    #[serde(deserialize_with = "validate::positive")]
    pub transconductance: f64,
    /// V_T in V.
    #[serde(deserialize_with = "validate::finite")]
    pub threshold_volts: f64,
    /// n, one or more.
    #[serde(deserialize_with = "validate::positive")]
    pub slope_factor: f64,
    /// λ in 1/V.
    #[serde(deserialize_with = "validate::non_negative")]
    pub channel_length_modulation: f64,
    /// a.
    #[serde(deserialize_with = "validate::finite")]
    pub gate_share: f64,
    /// U_B in V.
    #[serde(deserialize_with = "validate::finite")]
    pub gate_bias_volts: f64,
    /// Time between two samples of the waveform, in seconds.
    #[serde(deserialize_with = "validate::positive")]
    pub sample_seconds: f64,
    /// Integration steps a sample.
    #[serde(deserialize_with = "validate::count")]
    pub steps_per_sample: usize,
}

impl Default for TransistorConfig {
    /// A branch that rings at 50 kHz over a transistor that opens at half the drive's range, sampled
    /// at 400 kHz.
    fn default() -> Self {
        Self {
            inputs: 64,
            parameters: 64,
            outputs: 64,
            largest_volts: 2.5,
            ohms: 100.0,
            henries: 1e-3,
            farads: 1e-8,
            transconductance: 4e-3,
            threshold_volts: 0.7,
            slope_factor: 1.3,
            channel_length_modulation: 0.05,
            gate_share: 0.5,
            gate_bias_volts: 0.5,
            sample_seconds: 2.5e-6,
            steps_per_sample: 1,
        }
    }
}

/// U_T at 300 K, in V.
const THERMAL_VOLTS: f32 = 0.025_85;
/// γ of Alexander's method.
const GAMMA: f32 = 1.0 - std::f32::consts::FRAC_1_SQRT_2;
/// Newton's iterations a stage: from the last voltage, the monotone equation is solved to the last
/// digits in fewer.
const ITERATIONS: usize = 6;
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
    factors: [f32; CONSTANTS.len()],
    circuit: Circuit,
}

/// The constants that a copy can be off by a factor.
const CONSTANTS: [&str; 8] = [
    "resistance",
    "inductance",
    "capacitance",
    "transconductance",
    "threshold",
    "slope factor",
    "channel-length modulation",
    "gate share",
];

/// The numbers of one copy, in units of V, mA and steps.
#[derive(Clone, Copy, Debug)]
struct Circuit {
    /// h/L, h/C and R.
    per_inductance: f32,
    per_capacitance: f32,
    resistance: f32,
    /// 2 n β U_T².
    specific: f32,
    threshold: f32,
    slope_factor: f32,
    modulation: f32,
    gate_share: f32,
    gate_bias: f32,
}

/// I_D and its derivatives.
#[derive(Clone, Copy)]
struct Drain {
    current: f32,
    by_drain: f32,
    by_gate: f32,
    /// ∂I_D/∂n at constant 2 n β U_T², and I_D / (1 + λ √…) times the modulation's argument.
    by_slope: f32,
    by_modulation: f32,
}

impl Circuit {
    fn new(config: &TransistorConfig, factors: &[f32; CONSTANTS.len()]) -> Self {
        let [r, l, c, beta, threshold, slope, modulation, share] = factors.map(f64::from);
        // mA instead of A: resistances in kΩ, and so on.
        let step = config.sample_seconds / config.steps_per_sample as f64;
        let slope_factor = config.slope_factor * slope;
        let thermal = f64::from(THERMAL_VOLTS);
        Self {
            per_inductance: (step / (config.henries * l) * 1e3) as f32,
            per_capacitance: (step / (config.farads * c) * 1e-3) as f32,
            resistance: (config.ohms * r * 1e-3) as f32,
            specific: (2.0
                * slope_factor
                * config.transconductance
                * beta
                * thermal
                * thermal
                * 1e3) as f32,
            threshold: (config.threshold_volts * threshold) as f32,
            slope_factor: slope_factor as f32,
            modulation: (config.channel_length_modulation * modulation) as f32,
            gate_share: (config.gate_share * share) as f32,
            gate_bias: config.gate_bias_volts as f32,
        }
    }

    /// The drain's current at gate voltage `gate` and drain voltage `drain`.
    #[inline(always)]
    fn drain(&self, gate: f32, drain: f32) -> Drain {
        let half = 0.5 / THERMAL_VOLTS;
        let pinch = (gate - self.threshold) / self.slope_factor;
        let (source_log, source_slope) = soft_plus(pinch * half);
        let (drain_log, drain_slope) = soft_plus((pinch - drain) * half);
        // F = ln²(1 + exp(x / 2U_T)) and its slope.
        let (f, df) = (source_log * source_log, 2.0 * half * source_log * source_slope);
        let (r, dr) = (drain_log * drain_log, 2.0 * half * drain_log * drain_slope);
        // |v| smoothed over a thermal voltage, so that the current keeps its slope through zero.
        let size = (drain * drain + THERMAL_VOLTS * THERMAL_VOLTS).sqrt();
        let factor = 1.0 + self.modulation * size;
        let difference = self.specific * (f - r);
        let by_pinch = self.specific * (df - dr) * factor;
        Drain {
            current: difference * factor,
            by_drain: self.specific * dr * factor + difference * self.modulation * drain / size,
            by_gate: by_pinch / self.slope_factor,
            by_slope: -by_pinch * pinch / self.slope_factor,
            by_modulation: difference * size,
        }
    }

    /// The stage (i, v) = base + γ h f(i, v) under the drive `drive`; `stage` holds the guess of v.
    #[inline(always)]
    fn solve(&self, base: &[Lane; 2], drive: &Lane, stage: &mut [Lane; 2]) {
        let half = 0.5 / THERMAL_VOLTS;
        let (g_l, g_c) = (GAMMA * self.per_inductance, GAMMA * self.per_capacitance);
        let damped = 1.0 / (1.0 + g_l * self.resistance);
        let [current, voltage] = stage;
        // What does not depend on v: the source's side of the channel.
        let (mut pinch, mut source) = (ZERO, ZERO);
        for lane in 0..LANES {
            let gate = self.gate_share * drive[lane] + self.gate_bias;
            pinch[lane] = (gate - self.threshold) / self.slope_factor;
            let log = soft_plus(pinch[lane] * half).0;
            source[lane] = log * log;
        }
        for _ in 0..ITERATIONS {
            for lane in 0..LANES {
                let v = voltage[lane];
                let (log, slope) = soft_plus((pinch[lane] - v) * half);
                let size = (v * v + THERMAL_VOLTS * THERMAL_VOLTS).sqrt();
                let factor = self.specific * (1.0 + self.modulation * size);
                let difference = source[lane] - log * log;
                let drain = difference * factor;
                let by_drain = 2.0 * half * log * slope * factor
                    + self.specific * difference * self.modulation * v / size;
                let through = (base[0][lane] + g_l * (drive[lane] - v)) * damped;
                let rest = v - base[1][lane] - g_c * (through - drain);
                voltage[lane] = v - rest / (1.0 + g_c * (g_l * damped + by_drain.max(0.0)));
            }
        }
        for lane in 0..LANES {
            current[lane] = (base[0][lane] + g_l * (drive[lane] - voltage[lane])) * damped;
        }
    }
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

    /// A copy whose every constant is off by a relative normal deviate of standard deviation
    /// `mismatch`, drawn from `seed`.
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
        let factors = std::array::from_fn(|_| {
            (1.0 + mismatch * random::deviate(&mut random)).max(0.1) as f32
        });
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
    /// Steps from rest under the drive `waveform`; fills the readings and shows every step's stages
    /// to `visit`.
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

    fn largest_reading(&self) -> f32 {
        READING * self.config.largest_volts as f32
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
        let largest = self.largest_reading();
        for reading in outputs.iter_mut().flatten() {
            *reading = reading.clamp(-largest, largest);
        }
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
        let mut of_factor = [ZERO; CONSTANTS.len()];
        let (mut of_current, mut of_voltage) = (ZERO, ZERO);
        let mut reading = cotangents.len();
        for step in (0..steps).rev() {
            if reading > 0 && step + 1 == self.sampling.read_after(reading - 1) {
                reading -= 1;
                for lane in 0..LANES {
                    // A saturated reading no longer moves.
                    if stages[step][1][1][lane].abs() <= self.largest_reading() {
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
        // d ln(1/L) = −d ln L, and so on: each sum above is by the factor's own number.
        let by_factor = [
            circuit.resistance / self.factors[0],
            -1.0 / self.factors[1],
            -1.0 / self.factors[2],
            1.0 / self.factors[3],
            circuit.threshold / self.factors[4],
            1.0 / self.factors[5],
            circuit.modulation / self.factors[6],
            circuit.gate_share / self.factors[7],
        ];
        let ones = [1.0; LANES];
        for ((sum, of_factor), scale) in sums.constants.iter_mut().zip(&of_factor).zip(by_factor) {
            *sum += scale * dot(of_factor, &ones);
        }
    }

    fn constants(&self) -> Vec<Constant> {
        let named = CONSTANTS.iter().zip(self.factors);
        named.map(|(name, value)| Constant { name: (*name).to_owned(), value }).collect()
    }

    fn set_constants(&mut self, values: &[f32]) {
        self.factors.copy_from_slice(values);
        self.circuit = Circuit::new(&self.config, &self.factors);
    }

    fn multiply_adds(&self) -> u64 {
        // Two stages a step; an iteration evaluates the channel's two logarithms and exponentials and
        // divides.
        (self.sampling.steps() * 2 * ITERATIONS) as u64 * (5 * MULTIPLY_ADDS + 10)
    }
}
