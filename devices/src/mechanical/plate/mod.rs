//! A driven plate: many modes, one drive point, one pickup.
//!
//! ```text
//! q̈_m + 2 ζ_m ω_m q̇_m + ω_m² q_m + γ Ω_m q_m S = ω_11² φ_m f(t)      S = Σ_n Ω_n q_n²
//! y(t) = G Σ_m ψ_m q̇_m(t)
//! ω_ij = Ω_ij ω_11,   Ω_ij = ((i/a)² + j²) / (1/a² + 1),   φ, ψ = sin(iπx/a) sin(jπy)
//! ```
//!
//! f is the force at the drive point: a waveform of samples, the data and between them the trainable
//! parameters, each held for some steps. A shot starts at rest; readings are the velocity at
//! the pickup, as a laser vibrometer has it, at evenly spaced instants. Alternatively each mode has a
//! modal sensor, a film shaped so that it measures no other mode (Lee & Moon, Journal of Applied Mechanics
//! 57, 434, 1990). A detector reads its root mean square at the end of each of K windows:
//!
//! ```text
//! y_mk = √(G_m² ⟨q̇_m²⟩_k + ε²)
//! ```
//!
//! as a cochlea does with a sound.
//!
//! | symbol | meaning | unit |
//! |---|---|---|
//! | q_m | amplitude of mode m, of the M lowest of the plate | static deflection of the lowest |
//! | ω_m, ζ_m | frequency and damping ratio | rad/s, 1 |
//! | φ_m, ψ_m | shape at the drive point and at the pickup | 1 |
//! | γ | Duffing stiffness, by the membrane tension of the bent plate | s⁻² |
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

mod as_built;
mod config;
mod detectors;
mod modes;
mod motion;

pub use as_built::{PlateConstants, PlateMode};
pub use config::{Detection, PlateConfig};

use rand::RngExt;

use self::detectors::{FULL_SCALE, ModalEnvelopes, Pickup, SATURATION};
use self::modes::{Factors, Mode, Propagator, design, propagators};
use crate::lanes::{Cotangents, Equation, LANES, Lane, Simulation, ZERO};
use crate::waveform::{Placed, Sampling, interleave};
use crate::{Channels, Constant, DeviceError, Interface, random};

/// Shots that set the gain and the tension.
const REFERENCE_SHOTS: usize = 4 * LANES;
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

impl Plate {
    /// The plate as designed.
    ///
    /// # Errors
    /// [`DeviceError::Config`] where there are more readings than integration steps, or where the number of modal
    /// envelopes is no multiple of the number of modes.
    pub fn nominal(config: &PlateConfig) -> Result<Self, DeviceError> {
        Self::fabricated(config, 0.0, 0)
    }

    /// A copy with relative normal deviates of standard deviation `mismatch` in every frequency, damping, shape and
    /// the tension, drawn from `seed`.
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
                        "outputs = {} is no multiple of modes = {count}, but each mode has the same number of envelopes; ask for {}",
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

impl PlateEquation {
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
            self.read(&waveform, &mut y, |_, _, tension| {
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

    fn propagators(&self) -> Vec<Propagator> {
        propagators(&self.design, &self.factors, self.detection, self.step_seconds)
    }

    /// Integrates, read by the detector of the configuration.
    #[inline(always)]
    fn read(
        &self,
        waveform: &[Lane],
        outputs: &mut [Lane],
        visit: impl FnMut(usize, &[Lane], &Lane),
    ) {
        match self.detection {
            Detection::Velocity => {
                let pickup = Pickup::new(&self.modes, &self.gains);
                self.integrate(waveform, outputs, pickup, visit);
            }
            Detection::ModalEnvelopes => {
                let envelopes = ModalEnvelopes::new(&self.modes, &self.gains, self.sampling);
                self.integrate(waveform, outputs, envelopes, visit);
            }
        }
    }

    /// [`pull_back`](Self::pull_back) by the detector of the configuration.
    #[inline(always)]
    fn pull_back_by_detection<const OF_CONSTANTS: bool>(
        &self,
        setting: &Placed,
        inputs: &[Lane],
        cotangents: &[Lane],
        of_inputs: &mut [Lane],
        sums: &mut Cotangents,
    ) {
        match self.detection {
            Detection::Velocity => {
                self.pull_back::<_, OF_CONSTANTS>(
                    setting,
                    inputs,
                    cotangents,
                    of_inputs,
                    sums,
                    #[inline(always)]
                    || Pickup::new(&self.modes, &self.gains),
                );
            }
            Detection::ModalEnvelopes => {
                self.pull_back::<_, OF_CONSTANTS>(
                    setting,
                    inputs,
                    cotangents,
                    of_inputs,
                    sums,
                    #[inline(always)]
                    || ModalEnvelopes::new(&self.modes, &self.gains, self.sampling),
                );
            }
        }
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
        self.read(
            &waveform,
            outputs,
            #[inline(always)]
            |_, _, _| (),
        );
        SATURATION.clamp(outputs.as_flattened_mut());
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
        self.pull_back_by_detection::<true>(setting, inputs, cotangents, of_inputs, sums);
    }

    #[inline(always)]
    fn vjp_without_constants(
        &self,
        setting: &Placed,
        inputs: &[Lane],
        cotangents: &[Lane],
        of_inputs: &mut [Lane],
        sums: &mut Cotangents,
    ) {
        self.pull_back_by_detection::<false>(setting, inputs, cotangents, of_inputs, sums);
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
