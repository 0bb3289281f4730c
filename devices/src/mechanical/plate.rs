//! A driven plate: many modes, one drive point, one pickup.
//!
//! ```text
//! q̈_m + 2 ζ_m ω_m q̇_m + ω_m² q_m + γ Ω_m q_m S = ω_11² φ_m f(t)      S = Σ_n Ω_n q_n²
//! y(t) = G Σ_m ψ_m q̇_m(t)
//! ω_ij = Ω_ij ω_11,   Ω_ij = ((i/a)² + j²) / (1/a² + 1),   φ, ψ = sin(iπx/a) sin(jπy)
//! ```
//!
//! f is the force at the drive point: a waveform whose samples are the data and, between them, the
//! trainable parameters, each held for some steps. A shot starts at rest; readings are the velocity at
//! the pickup, as a laser vibrometer has it, at evenly spaced instants. Or a film under the plate for each
//! mode, shaped so that it feels no other (a modal sensor: Lee & Moon, Journal of Applied Mechanics 57,
//! 434, 1990), with a detector of its root mean square behind it, read at the end of each of K windows:
//!
//! ```text
//! y_mk = √(G_m² ⟨q̇_m²⟩_k + ε²)
//! ```
//!
//! which is what a cochlea makes of a sound.
//!
//! | symbol | meaning | unit |
//! |---|---|---|
//! | q_m | amplitude of mode m, of the M lowest of the plate | static deflection of the lowest |
//! | ω_m, ζ_m | frequency and damping ratio | rad/s, 1 |
//! | φ_m, ψ_m | shape at the drive point and at the pickup | 1 |
//! | γ | Duffing stiffness: the membrane tension that a bent plate pulls on itself | s⁻² |
//! | a | length over width of the plate | 1 |
//! | G, G_m | gain that makes the root mean square of a random shot's readings a quarter of full scale | 1 |
//! | ε | floor of the detectors, a thousandth of full scale | 1 |
//!
//! Sources: modes of a simply supported rectangular plate, Leissa, Vibration of Plates (NASA SP-160,
//! 1969), eq. 4.20; the tension common to all modes, Berger, Journal of Applied Mechanics 22, 465
//! (1955). Left out: in-plane inertia and the air.
//!
//! Time: the linear part by its exact propagator over a step under a force held constant, the
//! nonlinear part as a kick before it (Strang splitting: the half kicks at the ends act on no
//! reading). Without γ the readings are exact at any step.

use std::f64::consts::{PI, TAU};

use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::lanes::{Cotangents, Equation, LANES, Lane, Simulation, ZERO, add_scaled, dot};
use crate::waveform::{Placed, Sampling, interleave};
use crate::{Channels, Constant, DeviceError, Interface, random, validate};

/// A driven plate, as a recipe writes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PlateConfig {
    /// Samples of the waveform that carry data.
    #[serde(deserialize_with = "validate::count")]
    pub inputs: usize,
    /// Samples that carry trainable parameters, spread evenly between the data.
    #[serde(deserialize_with = "validate::count")]
    pub parameters: usize,
    /// Readings, evenly spaced over the shot; the last is its end.
    #[serde(deserialize_with = "validate::count")]
    pub outputs: usize,
    /// Modes, the lowest of the plate.
    #[serde(deserialize_with = "validate::count")]
    pub modes: usize,
    /// Frequency of the lowest mode in Hz.
    #[serde(deserialize_with = "validate::positive")]
    pub fundamental_hz: f64,
    /// Damping ratio of every mode, below one.
    #[serde(deserialize_with = "validate::open_fraction")]
    pub damping: f64,
    /// Length over width.
    #[serde(deserialize_with = "validate::positive")]
    pub aspect: f64,
    /// Share by which the tension of a random shot stiffens the lowest mode.
    #[serde(deserialize_with = "validate::non_negative")]
    pub stiffening: f64,
    /// Time between two samples of the waveform, in seconds.
    #[serde(deserialize_with = "validate::positive")]
    pub sample_seconds: f64,
    /// Integration steps a sample.
    #[serde(deserialize_with = "validate::count")]
    pub steps_per_sample: usize,
    /// Gain of the pickup, in units of the one that makes a random shot's root mean square a quarter
    /// of full scale.
    #[serde(deserialize_with = "validate::positive")]
    pub gain: f64,
    /// What is read.
    pub detection: Detection,
}

/// How a plate's motion is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Detection {
    /// The velocity at one point.
    #[default]
    Velocity,
    /// The root mean square of each mode's velocity over windows: all windows of the lowest mode, then of
    /// the next. The outputs are a multiple of the modes.
    ModalEnvelopes,
}

impl Default for PlateConfig {
    /// Sixteen modes from 100 Hz, driven for 32 ms.
    fn default() -> Self {
        Self {
            inputs: 64,
            parameters: 64,
            outputs: 64,
            modes: 16,
            fundamental_hz: 100.0,
            damping: 0.02,
            aspect: 1.4,
            stiffening: 0.3,
            sample_seconds: 2.5e-4,
            steps_per_sample: 2,
            gain: 1.0,
            detection: Detection::Velocity,
        }
    }
}

/// Where the plate is driven and picked up, as shares of length and width: off every low node line.
const DRIVE_POINT: (f64, f64) = (0.37, 0.29);
const PICKUP_POINT: (f64, f64) = (0.71, 0.62);
/// Pickup readings reach from minus to plus full scale.
const FULL_SCALE: f32 = 1.0;
/// Reading of a modal detector at rest.
const DETECTOR_FLOOR: f32 = 1e-3;
/// Shots that set the gain and the tension.
const REFERENCE_SHOTS: usize = 4 * LANES;
/// Relative step of the central differences that give the propagator's derivatives.
const DIFFERENCE: f64 = 1e-5;

/// A driven plate: nominal, or as built.
pub type Plate = Simulation<PlateEquation>;

/// One copy's equation.
#[derive(Clone, Debug)]
pub struct PlateEquation {
    interface: Interface,
    placement: Vec<usize>,
    sampling: Sampling,
    step_seconds: f64,
    design: Vec<Mode>,
    detection: Detection,
    /// Nominal γ times the step, and nominal G of each mode.
    tension: f32,
    gains: Vec<f32>,
    factors: Factors,
    modes: Vec<Propagator>,
}

/// A mode as designed.
#[derive(Clone, Copy, Debug)]
struct Mode {
    /// Ω_m, ω_m in rad/s, and ζ_m.
    ratio: f64,
    frequency: f64,
    damping: f64,
    /// φ_m over Ω_m², the static deflection, and ψ_m.
    drive: f64,
    pickup: f64,
}

/// What a copy is off by, as factors: of each mode's ω, ζ and φ ψ, and of γ.
#[derive(Clone, Debug)]
struct Factors {
    frequency: Vec<f32>,
    damping: Vec<f32>,
    shape: Vec<f32>,
    tension: f32,
}

/// One mode over one step: (q, v) ← P (q, v) + g f, with v = q̇ in units of the step's inverse.
#[derive(Clone, Copy, Debug, Default)]
struct Propagator {
    /// P, row by row, and g.
    matrix: [f32; 4],
    force: [f32; 2],
    /// Their derivatives by the factors of ω and of ζ.
    by_frequency: ([f32; 4], [f32; 2]),
    by_damping: ([f32; 4], [f32; 2]),
    /// Ω_m, and ψ_m with the copy's shape factor and without.
    ratio: f32,
    pickup: f32,
    nominal_pickup: f32,
}

impl Plate {
    /// The plate as designed.
    ///
    /// # Errors
    /// [`DeviceError::Config`] where there are more readings than integration steps, or modal envelopes
    /// that are not as many for each mode.
    pub fn nominal(config: &PlateConfig) -> Result<Self, DeviceError> {
        Self::fabricated(config, 0.0, 0)
    }

    /// A copy whose every frequency, damping, shape and tension is off by a relative normal deviate
    /// of standard deviation `mismatch`, drawn from `seed`.
    ///
    /// # Errors
    /// As [`nominal`](Self::nominal).
    pub fn fabricated(config: &PlateConfig, mismatch: f64, seed: u64) -> Result<Self, DeviceError> {
        let samples = config.inputs + config.parameters;
        let count = config.modes;
        let (instants, lowest_reading) = match config.detection {
            Detection::Velocity => (config.outputs, -FULL_SCALE),
            Detection::ModalEnvelopes if config.outputs.is_multiple_of(count) => {
                (config.outputs / count, 0.0)
            }
            Detection::ModalEnvelopes => {
                return Err(DeviceError::Config {
                    device: "plate".to_owned(),
                    problem: format!(
                        "outputs = {} is no multiple of modes = {count}, as many envelopes of each mode; ask for {}",
                        config.outputs,
                        config.outputs.next_multiple_of(count)
                    ),
                });
            }
        };
        let sampling = Sampling::new("plate", samples, config.steps_per_sample, instants)?;
        let mut equation = PlateEquation {
            interface: Interface {
                device: "plate".to_owned(),
                inputs: Channels::bank("data", config.inputs, "1", -1.0, 1.0),
                parameters: Channels::bank("parameter", config.parameters, "1", -1.0, 1.0),
                outputs: Channels::bank(
                    "velocity",
                    config.outputs,
                    "full scale",
                    lowest_reading,
                    FULL_SCALE,
                ),
                seconds_per_shot: samples as f64 * config.sample_seconds,
            },
            placement: interleave(config.inputs, config.parameters),
            sampling,
            step_seconds: config.sample_seconds / config.steps_per_sample as f64,
            design: design(config),
            detection: config.detection,
            tension: 0.0,
            gains: vec![1.0; count],
            factors: Factors {
                frequency: vec![1.0; count],
                damping: vec![1.0; count],
                shape: vec![1.0; count],
                tension: 1.0,
            },
            modes: Vec::new(),
        };
        equation.modes = equation.propagators();
        equation.set_reference(config);
        let mut random = random::stream(seed, "fabrication");
        let values: Vec<f32> = equation
            .constants()
            .iter()
            .map(|constant| {
                constant.value * (1.0 + mismatch * random::deviate(&mut random)).max(0.1) as f32
            })
            .collect();
        equation.set_constants(&values);
        Ok(Self::new(equation))
    }
}

/// The lowest modes of the plate.
fn design(config: &PlateConfig) -> Vec<Mode> {
    let a = config.aspect;
    let ratio =
        |i: usize, j: usize| ((i as f64 / a).powi(2) + (j * j) as f64) / (1.0 / (a * a) + 1.0);
    // Mode (i, j) lies above (i, 1) and (1, j), so the lowest M have both numbers within M.
    let mut numbers: Vec<(usize, usize)> = (1..=config.modes)
        .flat_map(|i| (1..=config.modes.div_ceil(i)).map(move |j| (i, j)))
        .collect();
    numbers.sort_by(|&(i, j), &(k, l)| ratio(i, j).total_cmp(&ratio(k, l)));
    let shape = |(i, j): (usize, usize), (x, y): (f64, f64)| {
        (i as f64 * PI * x).sin() * (j as f64 * PI * y).sin()
    };
    numbers
        .into_iter()
        .take(config.modes)
        .map(|number| {
            let ratio = ratio(number.0, number.1);
            Mode {
                ratio,
                frequency: TAU * config.fundamental_hz * ratio,
                damping: config.damping,
                drive: shape(number, DRIVE_POINT) / ratio.powi(2),
                pickup: shape(number, PICKUP_POINT),
            }
        })
        .collect()
}

/// P and g of q̈ + 2 ζ ω q̇ + ω² q = ω² φ f over a step h, with velocities in units of 1/h.
fn propagate(omega: f64, zeta: f64, drive: f64, h: f64) -> ([f64; 4], [f64; 2]) {
    let (decay, ring) = (zeta * omega, omega * (1.0 - zeta * zeta).sqrt());
    let (sine, cosine) = (ring * h).sin_cos();
    let fade = (-decay * h).exp();
    let matrix = [
        fade * (cosine + decay / ring * sine),
        fade * sine / (ring * h),
        -fade * omega * omega / ring * h * sine,
        fade * (cosine - decay / ring * sine),
    ];
    // The static deflection φ f is where the step turns about.
    (matrix, [drive * (1.0 - matrix[0]), -drive * matrix[2]])
}

impl PlateEquation {
    fn propagators(&self) -> Vec<Propagator> {
        let factors = &self.factors;
        let each = factors.frequency.iter().zip(&factors.damping).zip(&factors.shape);
        self.design
            .iter()
            .zip(each)
            .map(|(mode, ((&frequency, &damping), &shape))| {
                let at = |frequency: f64, damping: f64| {
                    let omega = mode.frequency * frequency;
                    let zeta = (mode.damping * damping).min(0.99);
                    propagate(omega, zeta, mode.drive, self.step_seconds)
                };
                let (frequency, damping) = (f64::from(frequency), f64::from(damping));
                let slope =
                    |(left, left_force): ([f64; 4], [f64; 2]),
                     (right, right_force): ([f64; 4], [f64; 2])| {
                        let by = |low: f64, high: f64| ((high - low) / (2.0 * DIFFERENCE)) as f32;
                        (
                            std::array::from_fn(|i| by(left[i], right[i])),
                            std::array::from_fn(|i| by(left_force[i], right_force[i])),
                        )
                    };
                let (matrix, force) = at(frequency, damping);
                let pickup = match self.detection {
                    Detection::Velocity => mode.pickup as f32,
                    // A film feels its mode whole, wherever it moves.
                    Detection::ModalEnvelopes => 1.0,
                };
                Propagator {
                    matrix: matrix.map(|value| value as f32),
                    force: force.map(|value| value as f32),
                    by_frequency: slope(
                        at(frequency - DIFFERENCE, damping),
                        at(frequency + DIFFERENCE, damping),
                    ),
                    by_damping: slope(
                        at(frequency, damping - DIFFERENCE),
                        at(frequency, damping + DIFFERENCE),
                    ),
                    ratio: mode.ratio as f32,
                    pickup: pickup * shape,
                    nominal_pickup: pickup,
                }
            })
            .collect()
    }

    /// Sets G and γ by random shots on the linear plate.
    fn set_reference(&mut self, config: &PlateConfig) {
        let mut random = random::stream(0, "plate reference");
        let outputs = self.interface.outputs.len();
        let (mut squares, mut stretch, mut shots, mut steps) =
            (vec![0.0f64; outputs], 0.0f64, 0, 0);
        for _ in 0..REFERENCE_SHOTS / LANES {
            let waveform: Vec<Lane> = (0..self.placement.len())
                .map(|_| std::array::from_fn(|_| random.random_range(-1.0..1.0)))
                .collect();
            let mut y = vec![ZERO; outputs];
            self.integrate(&waveform, &mut y, |_, _, tension| {
                stretch += tension.iter().map(|&s| f64::from(s)).sum::<f64>();
                steps += LANES;
            });
            for (square, y) in squares.iter_mut().zip(&y) {
                *square += y.iter().map(|&y| f64::from(y).powi(2)).sum::<f64>();
            }
            shots += LANES;
        }
        let gain = |squares: &[f64]| {
            let mean = squares.iter().sum::<f64>() / (squares.len() * shots) as f64;
            (0.25 * config.gain / mean.sqrt()) as f32
        };
        match self.detection {
            Detection::Velocity => self.gains.fill(gain(&squares)),
            Detection::ModalEnvelopes => {
                self.gains = squares.chunks(outputs / self.gains.len()).map(gain).collect();
            }
        }
        // The tension stiffens the lowest mode by γ S against ω².
        let stiffness = self.design[0].frequency.powi(2);
        let gamma = config.stiffening * stiffness / (stretch / steps as f64);
        self.tension = (gamma * self.step_seconds.powi(2)) as f32;
    }

    /// Steps from rest under the force `waveform`; fills the readings, and shows (step, state before
    /// the kick as q then v, S) and the end to `visit`.
    #[inline(always)]
    fn integrate(
        &self,
        waveform: &[Lane],
        outputs: &mut [Lane],
        mut visit: impl FnMut(usize, &[Lane], &Lane),
    ) {
        let count = self.modes.len();
        let kick = self.tension * self.factors.tension;
        let steps = self.sampling.steps();
        let mut state = vec![ZERO; 2 * count];
        let detects = self.detection == Detection::ModalEnvelopes;
        let mut squares = vec![ZERO; if detects { count } else { 0 }];
        let mut reading = 0;
        for step in 0..steps {
            let force = &waveform[self.sampling.sample(step)];
            let mut stretch = ZERO;
            for (mode, q) in self.modes.iter().zip(&state) {
                for lane in 0..LANES {
                    stretch[lane] += mode.ratio * q[lane] * q[lane];
                }
            }
            visit(step, &state, &stretch);
            let (q, v) = state.split_at_mut(count);
            for (mode, (q, v)) in self.modes.iter().zip(q.iter_mut().zip(v)) {
                let [a, b, c, d] = mode.matrix;
                for lane in 0..LANES {
                    let kicked = v[lane] - kick * mode.ratio * q[lane] * stretch[lane];
                    let before = q[lane];
                    q[lane] = a * before + b * kicked + mode.force[0] * force[lane];
                    v[lane] = c * before + d * kicked + mode.force[1] * force[lane];
                }
            }
            for (square, v) in squares.iter_mut().zip(&state[count..]) {
                for lane in 0..LANES {
                    square[lane] += v[lane] * v[lane];
                }
            }
            if step + 1 == self.sampling.read_after(reading) {
                if detects {
                    self.detect(reading, &mut squares, outputs);
                } else {
                    let mut y = ZERO;
                    for ((mode, gain), v) in self.modes.iter().zip(&self.gains).zip(&state[count..])
                    {
                        add_scaled(&mut y, gain * mode.pickup, v);
                    }
                    outputs[reading] = y;
                }
                reading += 1;
            }
        }
        visit(steps, &state, &ZERO);
    }

    /// Reads the detectors at the end of window `window`, and empties `squares`, the sums of each mode's
    /// squared velocity over it.
    #[inline(always)]
    fn detect(&self, window: usize, squares: &mut [Lane], outputs: &mut [Lane]) {
        let windows = self.sampling.readings();
        let per_step = 1.0 / self.sampling.steps_before(window) as f32;
        for (m, square) in squares.iter_mut().enumerate() {
            let factor = (self.gains[m] * self.modes[m].pickup).powi(2) * per_step;
            for lane in 0..LANES {
                let power = factor * square[lane];
                outputs[m * windows + window][lane] = (power + DETECTOR_FLOOR.powi(2)).sqrt();
            }
            *square = ZERO;
        }
    }

    /// Cotangent of the reading in `place`: none where it is at full scale and no longer moves.
    #[inline(always)]
    fn cotangent(place: usize, readings: &[Lane], cotangents: &[Lane]) -> Lane {
        let mut cotangent = cotangents[place];
        for lane in 0..LANES {
            if readings[place][lane].abs() > FULL_SCALE {
                cotangent[lane] = 0.0;
            }
        }
        cotangent
    }
}

impl Equation for PlateEquation {
    type Setting = Placed;

    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn prepare(&self, parameters: &[f32]) -> Placed {
        Placed::new(&self.placement, parameters)
    }

    #[inline(always)]
    fn respond(&self, setting: &Placed, inputs: &[Lane], outputs: &mut [Lane]) {
        let waveform = setting.with_data(inputs);
        self.integrate(&waveform, outputs, |_, _, _| ());
        for reading in outputs.iter_mut().flatten() {
            *reading = reading.clamp(-FULL_SCALE, FULL_SCALE);
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
        let count = self.modes.len();
        let waveform = setting.with_data(inputs);
        let steps = self.sampling.steps();
        let mut states = vec![ZERO; 2 * count * (steps + 1)];
        let mut stretches = vec![ZERO; steps + 1];
        let mut readings = vec![ZERO; cotangents.len()];
        self.integrate(&waveform, &mut readings, |step, state, stretch| {
            states[2 * count * step..2 * count * (step + 1)].copy_from_slice(state);
            stretches[step] = *stretch;
        });
        let kick = self.tension * self.factors.tension;
        let mut of_waveform = vec![ZERO; waveform.len()];
        let mut of_state = vec![ZERO; 2 * count];
        let mut of_kick = ZERO;
        // A mode's cotangents of P, g and ψ.
        let mut of_mode = vec![[ZERO; 7]; count];
        let windows = self.sampling.readings();
        let detects = self.detection == Detection::ModalEnvelopes;
        // Factor from a mode's velocity to its cotangent, in the window that is being walked.
        let mut of_squares = vec![ZERO; if detects { count } else { 0 }];
        let mut reading = windows;
        for step in (0..steps).rev() {
            let (q, v) = states[2 * count * step..2 * count * (step + 1)].split_at(count);
            let after = &states[2 * count * (step + 1) + count..];
            if reading > 0 && step + 1 == self.sampling.read_after(reading - 1) {
                reading -= 1;
                if detects {
                    let per_step = 1.0 / self.sampling.steps_before(reading) as f32;
                    for (m, mode) in self.modes.iter().enumerate() {
                        let place = m * windows + reading;
                        let cotangent = Self::cotangent(place, &readings, cotangents);
                        let factor = (self.gains[m] * mode.pickup).powi(2) * per_step;
                        for lane in 0..LANES {
                            let y = readings[place][lane];
                            of_squares[m][lane] = factor * cotangent[lane] / y;
                            of_mode[m][6][lane] +=
                                cotangent[lane] * (y - DETECTOR_FLOOR.powi(2) / y) / mode.pickup;
                        }
                    }
                } else {
                    let cotangent = Self::cotangent(reading, &readings, cotangents);
                    for ((m, mode), gain) in self.modes.iter().enumerate().zip(&self.gains) {
                        add_scaled(&mut of_state[count + m], gain * mode.pickup, &cotangent);
                        for lane in 0..LANES {
                            of_mode[m][6][lane] += gain * after[m][lane] * cotangent[lane];
                        }
                    }
                }
            }
            for (m, factor) in of_squares.iter().enumerate() {
                for lane in 0..LANES {
                    of_state[count + m][lane] += factor[lane] * after[m][lane];
                }
            }
            let force = &waveform[self.sampling.sample(step)];
            let of_force = &mut of_waveform[self.sampling.sample(step)];
            let stretch = &stretches[step];
            let mut of_stretch = ZERO;
            let (of_q, of_v) = of_state.split_at_mut(count);
            for (m, mode) in self.modes.iter().enumerate() {
                let [a, b, c, d] = mode.matrix;
                let (of_q, of_v, of_mode) = (&mut of_q[m], &mut of_v[m], &mut of_mode[m]);
                for lane in 0..LANES {
                    let pull = mode.ratio * q[m][lane] * stretch[lane];
                    let kicked = v[m][lane] - kick * pull;
                    let (dq, dv) = (of_q[lane], of_v[lane]);
                    of_mode[0][lane] += dq * q[m][lane];
                    of_mode[1][lane] += dq * kicked;
                    of_mode[2][lane] += dv * q[m][lane];
                    of_mode[3][lane] += dv * kicked;
                    of_mode[4][lane] += dq * force[lane];
                    of_mode[5][lane] += dv * force[lane];
                    of_force[lane] += mode.force[0] * dq + mode.force[1] * dv;
                    let of_kicked = b * dq + d * dv;
                    of_kick[lane] -= of_kicked * pull;
                    of_stretch[lane] -= of_kicked * kick * mode.ratio * q[m][lane];
                    of_v[lane] = of_kicked;
                    of_q[lane] = a * dq + c * dv - of_kicked * kick * mode.ratio * stretch[lane];
                }
            }
            for (m, mode) in self.modes.iter().enumerate() {
                for lane in 0..LANES {
                    of_q[m][lane] += 2.0 * mode.ratio * q[m][lane] * of_stretch[lane];
                }
            }
        }
        setting.gather(&of_waveform, of_inputs, &mut sums.parameters);
        let ones = [1.0; LANES];
        for (m, (mode, of_mode)) in self.modes.iter().zip(&of_mode).enumerate() {
            let along = |(matrix, force): &([f32; 4], [f32; 2])| -> f32 {
                let slopes = matrix.iter().chain(force);
                slopes.zip(of_mode).map(|(slope, of)| slope * dot(of, &ones)).sum()
            };
            sums.constants[m] += along(&mode.by_frequency);
            sums.constants[count + m] += along(&mode.by_damping);
            sums.constants[2 * count + m] += mode.nominal_pickup * dot(&of_mode[6], &ones);
        }
        sums.constants[3 * count] += self.tension * dot(&of_kick, &ones);
    }

    fn constants(&self) -> Vec<Constant> {
        let Factors { frequency, damping, shape, tension } = &self.factors;
        Constant::bank("frequency", frequency)
            .chain(Constant::bank("damping", damping))
            .chain(Constant::bank("shape", shape))
            .chain([Constant { name: "tension".to_owned(), value: *tension }])
            .collect()
    }

    fn set_constants(&mut self, values: &[f32]) {
        let count = self.design.len();
        let (frequency, rest) = values.split_at(count);
        let (damping, rest) = rest.split_at(count);
        let (shape, tension) = rest.split_at(count);
        self.factors = Factors {
            frequency: frequency.to_vec(),
            damping: damping.to_vec(),
            shape: shape.to_vec(),
            tension: tension[0],
        };
        self.modes = self.propagators();
    }

    fn multiply_adds(&self) -> u64 {
        // A mode's propagator is a matrix of two rows with the force in a third column; the kick, the
        // tension and the reading take one each.
        self.sampling.steps() as u64 * self.modes.len() as u64 * 9
    }
}
