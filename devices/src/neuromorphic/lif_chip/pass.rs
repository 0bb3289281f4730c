//! Shots of a chip, and the adjoint of their spikes.

use std::ops::Range;

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;

use super::chip::{LARGEST_MEMBRANE, LifChip, SpikeGradient};
use super::config::LifReadout;
use crate::LinearisedEquation;
use crate::neuromorphic::likelihood::misfit;
use crate::neuromorphic::population::Population;
use crate::neuromorphic::spike_train::{SpikeTrain, Workspace};
use crate::neuromorphic::spikes::Spikes;
use crate::neuromorphic::surrogate::{OfCells, Relaxed, Shot, SurrogateCotangents};
use crate::random;

/// Shots a worker takes at a time: the width of the products with recurrent weights.
const SHOTS_A_TASK: usize = 16;

/// The slope β by which constants are learned.
const SLOPE_OF_CONSTANTS: f32 = 20.0;

/// Shots at a setting, with what the adjoint needs.
pub(super) struct Pass {
    chip: LifChip,
    parameters: Vec<f32>,
    population: Population<f32>,
    inputs: Vec<Spikes>,
}

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

/// Plays shots with the noise of the true chip; each shot has the parameters that `setting` names for it.
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
    fn cells(&self) -> usize {
        self.steps * self.neurons()
    }
}

/// Plays one shot after the other.
struct Player<'a> {
    chip: &'a LifChip,
    population: &'a Population<f32>,
    state: crate::neuromorphic::population::State<f32>,
    passed: Spikes,
    fired: Spikes,
}

impl<'a> Player<'a> {
    fn new(chip: &'a LifChip, population: &'a Population<f32>) -> Self {
        Self {
            chip,
            population,
            state: population.state(),
            passed: Spikes::default(),
            fired: Spikes::default(),
        }
    }

    /// Plays `input` and writes its readings to `output`; with noise where there is a generator.
    fn play(
        &mut self,
        input: &[f32],
        output: &mut [f32],
        mut random: Option<&mut rand_chacha::ChaCha8Rng>,
    ) {
        let (chip, count) = (self.chip, self.chip.neurons());
        let mut arriving = Spikes::of_raster(input, chip.lines);
        if let Some(random) = random.as_deref_mut()
            && chip.link.loss > 0.0
        {
            chip.link.pass_on(&arriving, &mut self.passed, random);
            std::mem::swap(&mut arriving, &mut self.passed);
        }
        let has_membrane = chip.readout == LifReadout::RasterAndMembrane;
        let (cells, membranes) =
            output.split_at_mut(if has_membrane { chip.cells() } else { output.len() });
        let limit = (LARGEST_MEMBRANE as f32) * chip.design()[2];
        let mut step = 0;
        self.population.play_with(
            &mut self.state,
            &arriving,
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

impl Pass {
    /// The shots `inputs` at `parameters`, which fit the interface.
    pub fn new(chip: &LifChip, inputs: &DMatrix<f32>, parameters: &DVector<f32>) -> Self {
        let drives = chip.interface.inputs.len();
        let shots = inputs.as_slice().par_chunks(drives);
        Self {
            chip: chip.clone(),
            parameters: parameters.as_slice().to_vec(),
            population: chip.population(parameters.as_slice()),
            inputs: shots.map(|shot| Spikes::of_raster(shot, chip.lines)).collect(),
        }
    }

    /// Cotangents of the drives and of the parameters at the `readings`.
    pub fn vjp(
        &self,
        readings: &DMatrix<f32>,
        cotangents: &DMatrix<f32>,
        input_cotangents: &mut DMatrix<f32>,
        parameter_cotangents: &mut DVector<f32>,
    ) {
        let synapses = match self.chip.gradient {
            SpikeGradient::Surrogate { slope } => {
                let relaxed = Relaxed::new(self.population.clone(), slope);
                let of_inputs = input_cotangents.as_mut_slice();
                self.relaxed(&relaxed, readings, cotangents, false, of_inputs).synapses
            }
            SpikeGradient::SpikeTrain { jacobian, floor } => {
                let rule = SpikeTrain { jacobian, floor };
                self.spike_trains(&rule, readings, cotangents, input_cotangents.as_mut_slice())
            }
        };
        let parameters = parameter_cotangents.as_mut_slice();
        parameters.copy_from_slice(&synapses);
        self.chip.of_weights(parameters);
    }

    /// Cotangents of the constants at the `readings`, in their order.
    pub fn constants(&self, readings: &DMatrix<f32>, cotangents: &DMatrix<f32>) -> Vec<f32> {
        let slope = match self.chip.gradient {
            SpikeGradient::Surrogate { slope } => slope,
            SpikeGradient::SpikeTrain { .. } => SLOPE_OF_CONSTANTS,
        };
        let relaxed = Relaxed::new(self.population.clone(), slope);
        let mut of_inputs = vec![0.0; self.inputs.len() * self.steps() * self.chip.lines];
        self.of_constants(self.relaxed(&relaxed, readings, cotangents, true, &mut of_inputs))
    }

    /// Cotangents of the constants, in their order.
    fn of_constants(&self, of: SurrogateCotangents<f32>) -> Vec<f32> {
        let mut of_gains = of.synapses;
        self.chip.of_gains(&mut of_gains, &self.parameters);
        let [membrane, synapse, threshold] = self.chip.design();
        let scaled = |of: Vec<f32>, design: f32| of.into_iter().map(move |of| design * of);
        scaled(of.membrane_time, membrane)
            .chain(scaled(of.synaptic_time, synapse))
            .chain(scaled(of.threshold, threshold))
            .chain(of_gains)
            .collect()
    }

    /// L of the spikes of `readings` and its derivatives by the constants, in their order.
    pub fn misfit(&self, readings: &DMatrix<f32>) -> (f32, Vec<f32>) {
        let relaxed = Relaxed::new(self.population.clone(), SLOPE_OF_CONSTANTS);
        let parts: Vec<(f32, SurrogateCotangents<f32>)> = self
            .tasks()
            .map(|places| {
                let mut of = relaxed.no_cotangents(true);
                let shots = places.map(|place| {
                    let measured = self.spikes(place, readings);
                    misfit(&relaxed, &self.inputs[place], &measured, &mut of)
                });
                (shots.sum(), of)
            })
            .collect();
        let mut total = relaxed.no_cotangents(true);
        parts.iter().for_each(|(_, part)| total.add(part));
        (parts.iter().map(|(misfit, _)| misfit).sum(), self.of_constants(total))
    }

    fn steps(&self) -> usize {
        self.chip.steps
    }

    /// Spikes of the shot `place`: those that were read or, where counts are read, those of the equation.
    fn spikes(&self, place: usize, readings: &DMatrix<f32>) -> Spikes {
        if self.chip.readout == LifReadout::Counts {
            return self.population.play(&self.inputs[place]);
        }
        let column = &readings.as_slice()[place * readings.nrows()..][..self.chip.cells()];
        Spikes::of_raster(column, self.chip.neurons())
    }

    /// Places of the shots of each task.
    fn tasks(&self) -> impl IndexedParallelIterator<Item = Range<usize>> {
        let shots = self.inputs.len();
        let tasks = shots.div_ceil(SHOTS_A_TASK);
        (0..tasks).into_par_iter().map(move |task| {
            let first = task * SHOTS_A_TASK;
            first..(first + SHOTS_A_TASK).min(shots)
        })
    }

    fn relaxed(
        &self,
        relaxed: &Relaxed<f32>,
        readings: &DMatrix<f32>,
        cotangents: &DMatrix<f32>,
        has_constants: bool,
        of_inputs: &mut [f32],
    ) -> SurrogateCotangents<f32> {
        let chip = &self.chip;
        let (rows, cells) = (cotangents.nrows(), chip.cells());
        let column =
            |of: &'_ DMatrix<f32>, place: usize| place * of.nrows()..(place + 1) * of.nrows();
        let width = SHOTS_A_TASK * self.steps() * chip.lines;
        let parts: Vec<SurrogateCotangents<f32>> = self
            .tasks()
            .zip(of_inputs.par_chunks_mut(width.max(1)))
            .map(|(places, of_inputs)| {
                let mut of = relaxed.no_cotangents(has_constants);
                let measured: Vec<Spikes> =
                    places.clone().map(|place| self.spikes(place, readings)).collect();
                let shots: Vec<Shot<'_, f32>> = places
                    .zip(&measured)
                    .map(|(place, measured)| {
                        let cotangents = &cotangents.as_slice()[column(cotangents, place)];
                        let has_membrane = rows > cells && chip.readout != LifReadout::Counts;
                        let readings = || &readings.as_slice()[column(readings, place)];
                        Shot {
                            input: &self.inputs[place],
                            measured,
                            membrane: has_membrane.then(|| &readings()[cells..]),
                            of_cells: match chip.readout {
                                LifReadout::Counts => OfCells::Counts(cotangents),
                                _ => OfCells::Raster(&cotangents[..cells]),
                            },
                            of_membrane: has_membrane.then(|| &cotangents[cells..]),
                        }
                    })
                    .collect();
                relaxed.pull_back(&shots, &mut of, of_inputs);
                of
            })
            .collect();
        let mut total = relaxed.no_cotangents(has_constants);
        parts.iter().for_each(|part| total.add(part));
        total
    }

    fn spike_trains(
        &self,
        rule: &SpikeTrain<f32>,
        readings: &DMatrix<f32>,
        cotangents: &DMatrix<f32>,
        of_inputs: &mut [f32],
    ) -> Vec<f32> {
        let (chip, population) = (&self.chip, &self.population);
        let (lines, count, steps) = (chip.lines, chip.neurons(), self.steps());
        let width = SHOTS_A_TASK * steps * lines;
        let parts: Vec<Vec<f32>> = self
            .tasks()
            .zip(of_inputs.par_chunks_mut(width.max(1)))
            .map(|(places, of_inputs)| {
                let mut synapses = vec![0.0; population.synapses.len()];
                let mut work = Workspace::of(population);
                let (mut of_counts, mut of_lines) = (vec![0.0; count], vec![0.0; lines]);
                for (place, of_input) in places.zip(of_inputs.chunks_mut(steps * lines)) {
                    let own = self.spikes(place, readings);
                    let rows = cotangents.nrows();
                    let of = &cotangents.as_slice()[place * rows..][..rows];
                    self.of_counts(of, &mut of_counts);
                    let input = &self.inputs[place];
                    rule.pull_back(
                        population,
                        input,
                        &own,
                        &of_counts,
                        &mut work,
                        &mut synapses,
                        &mut of_lines,
                    );
                    of_input.chunks_mut(lines).for_each(|step| step.copy_from_slice(&of_lines));
                }
                synapses
            })
            .collect();
        let mut total = vec![0.0; population.synapses.len()];
        parts.iter().for_each(|part| add(&mut total, part));
        total
    }

    /// Cotangents of counts from those of a shot's readings: of a raster, the mean over the steps.
    fn of_counts(&self, of_readings: &[f32], of_counts: &mut [f32]) {
        if self.chip.readout == LifReadout::Counts {
            return of_counts.copy_from_slice(of_readings);
        }
        let share = (self.steps() as f32).recip();
        of_counts.fill(0.0);
        for step in of_readings[..self.chip.cells()].chunks(of_counts.len()) {
            of_counts.iter_mut().zip(step).for_each(|(sum, of)| *sum += share * of);
        }
    }
}

fn add(sums: &mut [f32], values: &[f32]) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}

impl LinearisedEquation for Pass {
    fn vjp(
        &self,
        readings: &DMatrix<f32>,
        cotangents: &DMatrix<f32>,
        input_cotangents: &mut DMatrix<f32>,
        parameter_cotangents: &mut DVector<f32>,
    ) {
        self.vjp(readings, cotangents, input_cotangents, parameter_cotangents);
    }
}
