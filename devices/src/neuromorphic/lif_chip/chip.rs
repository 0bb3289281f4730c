//! The chip's channels and constants, and its population at a setting.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;

use super::config::{LifChipConfig, LifReadout};
use super::link::Link;
use super::memory::PlayerMemory;
use crate::neuromorphic::surrogate::Workspace;
use crate::neuromorphic::{Jacobian, Neurons, Population};
use crate::pool::Pool;
use crate::{Channels, Constant, DeviceError, Interface, random};

/// The derivative of a chip's spikes.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum SpikeGradient {
    /// The surrogate gradient with the slope β, at the measured spikes.
    Surrogate {
        /// β.
        slope: f32,
    },
    /// ST-RSBP: counts by counts.
    SpikeTrain {
        /// How counts depend on each other.
        jacobian: Jacobian,
        /// Smallest Ω_ll, above 0.
        floor: f32,
    },
}

impl Default for SpikeGradient {
    fn default() -> Self {
        Self::Surrogate { slope: 20.0 }
    }
}

/// Membranes that are read go up to so many thresholds, and down to its negative.
pub(super) const LARGEST_MEMBRANE: f64 = 8.0;

/// A chip of leaky integrate-and-fire neurons: nominal, or as built.
#[derive(Clone, Debug)]
pub struct LifChip {
    pub(super) interface: Interface,
    pub(super) lines: usize,
    pub(super) steps: usize,
    pub(super) is_recurrent: bool,
    pub(super) readout: LifReadout,
    pub(super) gradient: SpikeGradient,
    /// τ_m, τ_s and ν as designed.
    pub(super) design: [f32; 3],
    /// Errors of τ_m, τ_s and ν, as factors.
    factors: [Vec<f32>; 3],
    /// Steps without a spike behind each.
    refractory: Vec<u32>,
    /// Gain of each synapse, `[source][neuron]`.
    pub(super) gains: Arc<Vec<f32>>,
    /// Weights are whole multiples of it; 0 is continuous.
    pub(super) weight_step: f32,
    pub(super) link: Link,
    pub(super) random: ChaCha8Rng,
    pub(super) shots: u64,
    pub(super) workspaces: Pool<Workspace<f32>>,
    pub(super) players: Pool<PlayerMemory>,
}

impl LifChip {
    /// The chip as designed.
    ///
    /// # Errors
    /// [`DeviceError::Config`] for fewer than two steps, and for a time constant of up to one step.
    pub fn nominal(config: &LifChipConfig) -> Result<Self, DeviceError> {
        let perfect = LifChipConfig {
            gain_error: 0.0,
            membrane_noise: 0.0,
            spike_loss: 0.0,
            spike_jitter: 0.0,
            ..config.clone()
        };
        Self::fabricated(&perfect, 0.0, 0)
    }

    /// A copy whose time constants, thresholds and refractory times deviate by log-normal factors of the standard deviation
    /// `mismatch`, and with the configuration's errors, all drawn from `seed`.
    ///
    /// # Errors
    /// As [`nominal`](Self::nominal).
    pub fn fabricated(
        config: &LifChipConfig,
        mismatch: f64,
        seed: u64,
    ) -> Result<Self, DeviceError> {
        check(config)?;
        let (neurons, lines) = (config.neurons, config.lines);
        let sources = if config.recurrent { lines + neurons } else { lines };
        let mut random = random::stream(seed, "fabrication");
        let mut factors = || -> Vec<f32> {
            (0..neurons).map(|_| (mismatch * random::deviate(&mut random)).exp() as f32).collect()
        };
        let factors = [factors(), factors(), factors()];
        let refractory = (0..neurons)
            .map(|_| (mismatch * random::deviate(&mut random)).exp() * f64::from(config.refractory))
            .map(|steps| steps.round() as u32)
            .collect();
        let gains = (0..sources * neurons)
            .map(|_| (1.0 + config.gain_error * random::deviate(&mut random)).max(0.0) as f32)
            .collect();
        let largest = config.largest_weight;
        let levels = (1_u64 << config.weight_bits) - 1;
        Ok(Self {
            interface: interface(config),
            lines,
            steps: config.steps,
            is_recurrent: config.recurrent,
            readout: config.readout,
            gradient: SpikeGradient::default(),
            design: [config.membrane_time, config.synaptic_time, config.threshold]
                .map(|value| value as f32),
            factors,
            refractory,
            gains: Arc::new(gains),
            weight_step: if levels > 0 { (largest / levels as f64) as f32 } else { 0.0 },
            link: Link {
                loss: config.spike_loss,
                jitter: config.spike_jitter,
                noise: (config.membrane_noise * config.threshold) as f32,
            },
            random: random::stream(seed, "membrane noise"),
            shots: 0,
            workspaces: Pool::default(),
            players: Pool::default(),
        })
    }

    /// The chip with another derivative.
    #[must_use]
    pub fn with_gradient(mut self, gradient: SpikeGradient) -> Self {
        self.gradient = gradient;
        self
    }

    /// The derivative.
    #[must_use]
    pub fn gradient(&self) -> SpikeGradient {
        self.gradient
    }

    /// Number of neurons.
    pub(super) fn neurons(&self) -> usize {
        self.refractory.len()
    }

    /// The population with the weights `parameters`, those of W and then of R, `[source][neuron]`.
    #[must_use]
    pub fn population(&self, parameters: &[f32]) -> Population<f32> {
        let count = self.neurons();
        let mut synapses: Vec<f32> = parameters
            .iter()
            .zip(self.gains.iter())
            .map(|(&weight, gain)| gain * self.quantised(weight))
            .collect();
        if self.is_recurrent {
            (0..count).for_each(|neuron| synapses[self.own_synapse(neuron)] = 0.0);
        }
        Population::new(self.lines, self.built(), synapses)
    }

    /// The neurons as built.
    pub(super) fn built(&self) -> Neurons<f32> {
        let [membrane_time, synaptic_time, threshold] = self.design;
        let values = |design: f32, factors: &[f32], least: f32| {
            factors.iter().map(|factor| (design * factor).max(least)).collect()
        };
        let [of_membrane, of_synapse, of_threshold] = &self.factors;
        Neurons {
            membrane_time: values(membrane_time, of_membrane, 1.0),
            synaptic_time: values(synaptic_time, of_synapse, 1.0),
            threshold: values(threshold, of_threshold, f32::EPSILON * threshold),
            refractory: self.refractory.clone(),
        }
    }

    fn quantised(&self, weight: f32) -> f32 {
        match self.weight_step {
            0.0 => weight,
            step => (weight / step).round() * step,
        }
    }

    /// Place of the synapse of a neuron with itself, which the chip does not have.
    fn own_synapse(&self, neuron: usize) -> usize {
        (self.lines + neuron) * self.neurons() + neuron
    }

    /// Cotangents of the weights that are set, from those of the synapses, in place.
    pub(super) fn of_weights(&self, of_synapses: &mut [f32]) {
        for (of, gain) in of_synapses.iter_mut().zip(self.gains.iter()) {
            *of *= gain;
        }
        self.leave_out_own(of_synapses);
    }

    /// Cotangents of the gains at the weights `parameters`, from those of the synapses.
    pub(super) fn of_gains(&self, of_synapses: &mut [f32], parameters: &[f32]) {
        for (of, &weight) in of_synapses.iter_mut().zip(parameters) {
            *of *= self.quantised(weight);
        }
        self.leave_out_own(of_synapses);
    }

    fn leave_out_own(&self, of_synapses: &mut [f32]) {
        if self.is_recurrent {
            (0..self.neurons()).for_each(|neuron| of_synapses[self.own_synapse(neuron)] = 0.0);
        }
    }

    pub(super) fn all_constants(&self) -> Vec<Constant> {
        let [membrane, synapse, threshold] = &self.factors;
        Constant::bank("membrane time", membrane)
            .chain(Constant::bank("synaptic time", synapse))
            .chain(Constant::bank("threshold", threshold))
            .chain(Constant::bank("gain", &self.gains))
            .collect()
    }

    pub(super) fn set_all_constants(&mut self, values: &[f32]) {
        let mut rest = values;
        for bank in self.factors.iter_mut().chain([Arc::make_mut(&mut self.gains)]) {
            let (values, behind) = rest.split_at(bank.len());
            bank.copy_from_slice(values);
            rest = behind;
        }
    }
}

/// Refuses impossible chips.
fn check(config: &LifChipConfig) -> Result<(), DeviceError> {
    let problem = if config.steps < 2 {
        format!(
            "steps = {} leaves no step in which an input acts; ask for two or more",
            config.steps
        )
    } else if config.membrane_time <= 1.0 || config.synaptic_time <= 1.0 {
        format!(
            "membrane_time = {} and synaptic_time = {} are in steps; both must be more than 1",
            config.membrane_time, config.synaptic_time
        )
    } else {
        return Ok(());
    };
    Err(DeviceError::Config { device: "lif_chip".to_owned(), problem })
}

fn interface(config: &LifChipConfig) -> Interface {
    let LifChipConfig { lines, neurons, steps, .. } = *config;
    let largest = config.largest_weight as f32;
    let weights = |name: &str, count| Channels::bank(name, count, "1", -largest, largest);
    let raster = || Channels::raster("spike", neurons, steps);
    let membrane = (LARGEST_MEMBRANE * config.threshold) as f32;
    let input = weights("W", lines * neurons);
    Interface {
        device: "lif_chip".to_owned(),
        inputs: Channels::raster("spike", lines, steps),
        parameters: match config.recurrent {
            true => input.and(weights("R", neurons * neurons)),
            false => input,
        },
        outputs: match config.readout {
            LifReadout::Raster => raster(),
            LifReadout::Counts => Channels::bank("count", neurons, "1", 0.0, steps as f32),
            LifReadout::RasterAndMembrane => {
                let cells = neurons * steps;
                raster().and(Channels::bank("membrane", cells, "1", -membrane, membrane))
            }
        },
        seconds_per_shot: steps as f64 * config.step_seconds,
    }
}
