//! The chip as a device: nominal, or as built.

use std::borrow::Cow;

use nalgebra::{DMatrix, DVector};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use super::circuit::{Circuit, Synapses, sources};
use super::encoder::Encoder;
use super::populations::{Populations, is_nudged};
use super::{Feedback, LearningChipChannels, LearningChipConfig};
use crate::elementary::vectorised;
use crate::neuromorphic::real::transposed;
use crate::{DeviceError, Interface, PhysicalLayer, Usage, random};

/// Shots that a worker plays at a time.
const SHOTS_A_TASK: usize = 4;
/// Smallest threshold of a fabricated neuron, as a share of the design's: without one it would fire without input.
const LEAST_THRESHOLD: f64 = 0.05;

/// A learning chip: nominal, or as built.
#[derive(Clone)]
pub struct LearningChip {
    pub(super) interface: Interface,
    pub(super) channels: LearningChipChannels,
    pub(super) circuit: Circuit<f32>,
    pub(super) largest_input: f32,
    /// Gain of each synapse, in the order of the parameters; empty if all are 1.
    pub(super) gains: Vec<f32>,
    /// E of each hidden layer, a row a source of errors; empty if it is symmetric.
    feedback: Vec<Vec<f32>>,
    seed: u64,
    shots: u64,
}

/// What a worker plays shots with.
struct Player {
    draws: Vec<f32>,
    encoder: Encoder,
    populations: Populations<f32>,
}

impl LearningChipConfig {
    /// Weights to start from: normal with the variance 3 / fan-in, within ±1, in the order of the chip's parameters.
    pub(crate) fn first_weights(&self, random: &mut impl Rng) -> Vec<f32> {
        let pairs = self.layers.windows(2);
        let weights = pairs.flat_map(|pair| {
            let deviation = (3.0 / pair[0] as f64).sqrt();
            std::iter::repeat_n(deviation, pair[0] * pair[1])
        });
        let draw = |deviation: f64| {
            let normal: f64 = StandardNormal.sample(random);
            (deviation * normal).clamp(-1.0, 1.0) as f32
        };
        weights.map(draw).collect()
    }
}

impl LearningChip {
    /// The chip as designed.
    ///
    /// # Errors
    /// [`DeviceError::Config`] for sizes of layers or a number of ticks that no chip can have.
    pub fn nominal(config: &LearningChipConfig) -> Result<Self, DeviceError> {
        Self::fabricated(config, 0.0, 0)
    }

    /// A copy with a relative normal deviate of standard deviation `mismatch` in every threshold and every synapse, drawn
    /// from `seed`, which also draws its input spikes.
    ///
    /// # Errors
    /// As [`nominal`](Self::nominal).
    pub fn fabricated(
        config: &LearningChipConfig,
        mismatch: f64,
        seed: u64,
    ) -> Result<Self, DeviceError> {
        if let Some(problem) = config.problem() {
            return Err(DeviceError::Config { device: "learning_chip".to_owned(), problem });
        }
        let mut random = random::stream(seed, "fabrication");
        let mut deviation = |least: f64| (1.0 + mismatch * random::deviate(&mut random)).max(least);
        let circuit = Circuit::new(config, || deviation(LEAST_THRESHOLD));
        let channels = LearningChipChannels::new(&config.layers, circuit.window());
        let mut feedback = random_feedback(config);
        let mut gains = Vec::new();
        if mismatch > 0.0 {
            let synapses = config.layers.windows(2).map(|pair| pair[0] * pair[1]).sum();
            gains = (0..synapses).map(|_| deviation(0.0) as f32).collect();
            feedback.iter_mut().flatten().for_each(|weight| *weight *= deviation(0.0) as f32);
        }
        Ok(Self {
            interface: channels.interface(config.largest_input as f32, config.seconds_per_shot),
            channels,
            circuit,
            largest_input: config.largest_input as f32,
            gains,
            feedback,
            seed,
            shots: 0,
        })
    }

    /// The weights that the synapses have after they were set to `parameters`.
    pub(super) fn effective<'a>(&self, parameters: &'a DVector<f32>) -> Cow<'a, [f32]> {
        if self.gains.is_empty() {
            return Cow::Borrowed(parameters.as_slice());
        }
        let synapses = parameters.iter().zip(&self.gains);
        Cow::Owned(synapses.map(|(weight, gain)| weight * gain).collect())
    }

    /// Plays one shot a column; `draw` gives the draws of all ticks of a column. The operands fit the interface.
    pub(super) fn play(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
        draw: impl Fn(usize, &mut [f32]) + Sync,
    ) {
        let layers = self.channels.layers();
        let effective = self.effective(parameters);
        let weights: Vec<&[f32]> =
            (1..layers.len()).map(|layer| &effective[self.channels.weights(layer)]).collect();
        let transposed: Vec<Vec<f32>> = if self.feedback.is_empty() {
            let upper = weights.iter().zip(&layers[1..]).skip(1);
            upper.map(|(weights, &neurons)| transposed(weights, neurons)).collect()
        } else {
            Vec::new()
        };
        let feedback = if transposed.is_empty() { &self.feedback } else { &transposed };
        let feedback = feedback.iter().map(Vec::as_slice).collect();
        let synapses = Synapses { weights, feedback };
        let (targets, width) = (self.channels.targets(), outputs.nrows());
        let blocks = outputs.as_mut_slice().par_chunks_mut(SHOTS_A_TASK * width);
        blocks.enumerate().for_each_init(
            || Player::new(self),
            |player, (block, readings)| {
                let Player { draws, encoder, populations } = player;
                for (place, readings) in readings.chunks_mut(width).enumerate() {
                    let shot = block * SHOTS_A_TASK + place;
                    let drives = &inputs.as_slice()[shot * inputs.nrows()..][..inputs.nrows()];
                    let (lines, targets) = (&drives[..layers[0]], &drives[targets.clone()]);
                    draw(shot, draws);
                    vectorised(
                        #[inline(always)]
                        || {
                            encoder.encode(lines, self.largest_input, draws, synapses.weights[0]);
                            populations.play(&self.circuit, &synapses, &encoder.currents, targets);
                        },
                    );
                    self.read(encoder, populations, targets, readings);
                }
            },
        );
    }

    /// Writes the counts of a shot to `readings`.
    fn read(
        &self,
        encoder: &Encoder,
        populations: &Populations<f32>,
        targets: &[f32],
        readings: &mut [f32],
    ) {
        let layers = &populations.layers;
        let output = &layers[layers.len() - 1];
        let answer = if is_nudged(targets) { &output.early } else { &output.all };
        let first = layers.iter().flat_map(|layer| &layer.free);
        let second = layers.iter().flat_map(|layer| &layer.nudged);
        let counts = answer.iter().chain(&encoder.counts).chain(first).chain(second);
        for (reading, &count) in readings.iter_mut().zip(counts) {
            *reading = f32::from(count);
        }
    }
}

impl Player {
    fn new(chip: &LearningChip) -> Self {
        let (layers, ticks) = (chip.channels.layers(), chip.circuit.ticks);
        Self {
            draws: vec![0.0; ticks],
            encoder: Encoder::new(layers[0], layers[1], ticks),
            populations: Populations::new(&layers[1..]),
        }
    }
}

/// E of each hidden layer, uniform within ±1/√(sources), a row a source; empty for symmetric feedback.
fn random_feedback(config: &LearningChipConfig) -> Vec<Vec<f32>> {
    if config.feedback == Feedback::Symmetric {
        return Vec::new();
    }
    let neurons = &config.layers[1..];
    let of_layer = |place: usize| {
        let sources = sources(config.feedback, neurons, place);
        let mut random = random::stream(config.feedback_seed, &format!("feedback {place}"));
        let largest = (sources as f32).sqrt().recip();
        (0..sources * neurons[place]).map(|_| largest * random.random_range(-1.0..1.0f32)).collect()
    };
    (0..neurons.len() - 1).map(of_layer).collect()
}

impl PhysicalLayer for LearningChip {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.interface.check_shapes(inputs, parameters, outputs)?;
        let stream = random::stream(self.seed, "input spikes");
        let words = (self.circuit.ticks as u32).next_multiple_of(16);
        self.play(inputs, parameters, outputs, |shot, draws| {
            let mut random = stream.clone();
            random::seek(&mut random, self.shots + shot as u64, words);
            draws.iter_mut().for_each(|draw| *draw = random.random());
        });
        self.shots += inputs.ncols() as u64;
        Ok(())
    }

    fn usage(&self) -> Usage {
        Usage::after(self.shots)
    }

    fn resume(&mut self, usage: &Usage) {
        self.shots = usage.shots;
    }
}
