//! Shots of a chip.

use nalgebra::{DMatrix, DVector};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::chip::{LARGEST_MEMBRANE, LifChip};
use super::config::LifReadout;
use crate::neuromorphic::population::{Population, State};
use crate::neuromorphic::spikes::Spikes;
use crate::random;

/// Most shots that a worker plays at a time.
const SHOTS_A_TASK: usize = 16;

/// Plays shots without noise.
pub(super) fn respond(
    chip: &LifChip,
    inputs: &DMatrix<f32>,
    parameters: &DVector<f32>,
    outputs: &mut DMatrix<f32>,
) {
    let population = chip.population(parameters.as_slice());
    let tasks = tasks(chip, inputs, outputs);
    tasks.for_each(|(_, inputs, outputs)| {
        let mut player = Player::new(chip, &population);
        for (input, output) in chip.shots_of(inputs, outputs) {
            player.play(input, output, None);
        }
    });
}

/// Plays shots with the noise of the true chip, all at the one setting of `parameters` or each at its own.
pub(super) fn measure(
    chip: &LifChip,
    inputs: &DMatrix<f32>,
    parameters: &[&[f32]],
    outputs: &mut DMatrix<f32>,
) {
    let shared = match parameters {
        [only] => Some(chip.population(only)),
        _ => None,
    };
    let words = chip.words_a_shot();
    tasks(chip, inputs, outputs).for_each(|(first, inputs, outputs)| {
        let mut random = chip.random.clone();
        let mut player = shared.as_ref().map(|population| Player::new(chip, population));
        for (place, (input, output)) in chip.shots_of(inputs, outputs).enumerate() {
            random::seek(&mut random, chip.shots + (first + place) as u64, words);
            match &mut player {
                Some(player) => player.play(input, output, Some(&mut random)),
                None => {
                    let population = chip.population(parameters[first + place]);
                    Player::new(chip, &population).play(input, output, Some(&mut random));
                }
            }
        }
    });
}

/// First shot, inputs and outputs of each task.
fn tasks<'a>(
    chip: &LifChip,
    inputs: &'a DMatrix<f32>,
    outputs: &'a mut DMatrix<f32>,
) -> impl IndexedParallelIterator<Item = (usize, &'a [f32], &'a mut [f32])> {
    let (drives, readings) = (chip.interface.inputs.len(), chip.interface.outputs.len());
    let shots = inputs.ncols().div_ceil(rayon::current_num_threads()).clamp(1, SHOTS_A_TASK);
    let inputs = inputs.as_slice().par_chunks(shots * drives);
    let outputs = outputs.as_mut_slice().par_chunks_mut(shots * readings);
    inputs
        .zip(outputs)
        .enumerate()
        .map(move |(task, (inputs, outputs))| (task * shots, inputs, outputs))
}

impl LifChip {
    fn shots_of<'a>(
        &self,
        inputs: &'a [f32],
        outputs: &'a mut [f32],
    ) -> impl Iterator<Item = (&'a [f32], &'a mut [f32])> {
        let (drives, readings) = (self.interface.inputs.len(), self.interface.outputs.len());
        inputs.chunks(drives).zip(outputs.chunks_mut(readings))
    }

    /// Words of the random stream that belong to a shot.
    fn words_a_shot(&self) -> u32 {
        let cells = self.steps * (self.lines + 2 * self.neurons());
        u32::try_from(8 * cells).unwrap_or(u32::MAX).next_multiple_of(16)
    }

    /// Number of cells of the readings' raster.
    pub(super) fn cells(&self) -> usize {
        self.steps * self.neurons()
    }
}

/// Plays one shot after the other.
struct Player<'a> {
    chip: &'a LifChip,
    population: &'a Population<f32>,
    state: State<f32>,
    arriving: Spikes,
    passed: Spikes,
    fired: Spikes,
}

impl<'a> Player<'a> {
    fn new(chip: &'a LifChip, population: &'a Population<f32>) -> Self {
        Self {
            chip,
            population,
            state: population.state(),
            arriving: Spikes::default(),
            passed: Spikes::default(),
            fired: Spikes::default(),
        }
    }

    /// Plays `input` and writes its readings to `output`; with noise where there is a generator.
    fn play(&mut self, input: &[f32], output: &mut [f32], mut random: Option<&mut ChaCha8Rng>) {
        let (chip, count) = (self.chip, self.chip.neurons());
        self.arriving.read_raster(input, chip.lines);
        if let Some(random) = random.as_deref_mut()
            && chip.link.loss > 0.0
        {
            chip.link.pass_on(&self.arriving, &mut self.passed, random);
            std::mem::swap(&mut self.arriving, &mut self.passed);
        }
        let has_membrane = chip.readout == LifReadout::RasterAndMembrane;
        let (cells, membranes) =
            output.split_at_mut(if has_membrane { chip.cells() } else { output.len() });
        let [.., threshold] = chip.design;
        let limit = LARGEST_MEMBRANE as f32 * threshold;
        let mut step = 0;
        self.population.play_with(
            &mut self.state,
            &self.arriving,
            &mut self.fired,
            |membranes| {
                if let Some(random) = random.as_deref_mut() {
                    chip.link.disturb(membranes, random);
                }
            },
            |now| {
                if has_membrane {
                    let read = &mut membranes[step * count..][..count];
                    read.iter_mut().zip(now).for_each(|(to, v)| *to = v.clamp(-limit, limit));
                    step += 1;
                }
            },
        );
        match (chip.readout, random) {
            (LifReadout::Counts, _) => {
                cells.fill(0.0);
                for step in 0..self.fired.steps() {
                    self.fired.at(step).iter().for_each(|&neuron| cells[neuron as usize] += 1.0);
                }
            }
            (_, Some(random)) => chip.link.record(&self.fired, cells, count, random),
            (_, None) => self.fired.write_raster(cells, count),
        }
    }
}
