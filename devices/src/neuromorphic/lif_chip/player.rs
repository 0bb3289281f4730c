//! Shots of a chip.

use nalgebra::{DMatrix, DVector};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::chip::{LARGEST_MEMBRANE, LifChip};
use super::config::LifReadout;
use super::memory::PlayerMemory;
use crate::neuromorphic::block::sized;
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
        Player::new(chip, &population).play(inputs, outputs, None);
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
        let mut noise =
            Noise { random: chip.random.clone(), shot: chip.shots + first as u64, words };
        if let Some(population) = &shared {
            return Player::new(chip, population).play(inputs, outputs, Some(&mut noise));
        }
        for (place, (input, output)) in chip.shots_of(inputs, outputs).enumerate() {
            let population = chip.population(parameters[first + place]);
            Player::new(chip, &population).play(input, output, Some(&mut noise));
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

/// The random numbers of shots.
struct Noise {
    random: ChaCha8Rng,
    /// The next shot.
    shot: u64,
    /// Words of the stream that belong to a shot.
    words: u32,
}

impl Noise {
    /// A generator at the beginning of the next shot.
    fn of_next_shot(&mut self) -> ChaCha8Rng {
        let mut random = self.random.clone();
        random::seek(&mut random, self.shot, self.words);
        self.shot += 1;
        random
    }
}

/// Plays shots at one setting.
struct Player<'a> {
    chip: &'a LifChip,
    population: &'a Population<f32>,
    state: State<f32>,
    fired: Spikes,
}

impl<'a> Player<'a> {
    fn new(chip: &'a LifChip, population: &'a Population<f32>) -> Self {
        let state = population.state();
        Self { chip, population, state, fired: Spikes::default() }
    }

    /// Plays `inputs` and writes their readings to `outputs`; with noise where it is there.
    fn play(&mut self, inputs: &[f32], outputs: &mut [f32], noise: Option<&mut Noise>) {
        let chip = self.chip;
        let mut memory = chip.players.take();
        let PlayerMemory { by_lines, packed, arriving } = &mut memory;
        let mut randoms = self.arrive(inputs, arriving, noise);
        let by_lines = sized(by_lines, arriving.steps() * chip.neurons());
        self.population.sum_lines(arriving, chip.steps, by_lines, packed);
        let outputs = outputs.chunks_mut(chip.interface.outputs.len());
        for (place, (by_lines, output)) in
            by_lines.chunks_mut(chip.cells()).zip(outputs).enumerate()
        {
            self.answer(by_lines, output, randoms.get_mut(place));
        }
        chip.players.give_back([memory]);
    }

    /// The spikes of `inputs` that arrive, shot after shot; returns the generator of each shot behind them.
    fn arrive(
        &self,
        inputs: &[f32],
        arriving: &mut Spikes,
        noise: Option<&mut Noise>,
    ) -> Vec<ChaCha8Rng> {
        let chip = self.chip;
        let mut sent = Spikes::default();
        arriving.clear();
        let shots = inputs.chunks(chip.interface.inputs.len());
        let mut randoms = Vec::with_capacity(if noise.is_some() { shots.len() } else { 0 });
        let Some(noise) = noise else {
            shots.for_each(|input| arriving.append_raster(input, chip.lines));
            return randoms;
        };
        for input in shots {
            let mut random = noise.of_next_shot();
            if chip.link.loss > 0.0 {
                sent.clear();
                sent.append_raster(input, chip.lines);
                chip.link.pass_on(&sent, arriving, &mut random);
            } else {
                arriving.append_raster(input, chip.lines);
            }
            randoms.push(random);
        }
        randoms
    }

    /// Plays a shot with the input `by_lines`, `[step][neuron]`.
    fn answer(
        &mut self,
        by_lines: &mut [f32],
        output: &mut [f32],
        mut random: Option<&mut ChaCha8Rng>,
    ) {
        let (chip, count) = (self.chip, self.chip.neurons());
        let has_membrane = chip.readout == LifReadout::RasterAndMembrane;
        let (cells, membranes) =
            output.split_at_mut(if has_membrane { chip.cells() } else { output.len() });
        let [.., threshold] = chip.design;
        let limit = LARGEST_MEMBRANE as f32 * threshold;
        let mut step = 0;
        self.population.play_with(
            &mut self.state,
            by_lines,
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
                self.fired.add_counts(cells);
            }
            (_, Some(random)) => chip.link.record(&self.fired, cells, count, random),
            (_, None) => self.fired.write_raster(cells, count),
        }
    }
}
