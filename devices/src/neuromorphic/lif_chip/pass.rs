//! The adjoint of a chip's spikes.

use std::borrow::Cow;
use std::ops::Range;

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;

use super::chip::{LifChip, SpikeGradient};
use super::config::LifReadout;
use crate::LinearisedEquation;
use crate::neuromorphic::likelihood::misfit;
use crate::neuromorphic::population::Population;
use crate::neuromorphic::real::sum_rows;
use crate::neuromorphic::replay::Measured;
use crate::neuromorphic::spike_train::SpikeTrain;
use crate::neuromorphic::spikes::Spikes;
use crate::neuromorphic::surrogate::{OfCells, Relaxed, Shot, SurrogateCotangents, Workspace};
use crate::neuromorphic::traces::Trains;

/// Shots a worker takes at a time: the width of the products with recurrent weights.
const SHOTS_A_TASK: usize = 16;

/// The slope β by which constants are learned.
const SLOPE_OF_CONSTANTS: f32 = 20.0;

/// Shots at a setting, with what the adjoint needs.
pub(super) struct Pass {
    chip: LifChip,
    parameters: Vec<f32>,
    population: DifferentiablePopulation,
    inputs: Vec<Spikes>,
}

/// A population with the derivative of its spikes.
enum DifferentiablePopulation {
    Surrogate(Relaxed<f32>),
    SpikeTrain(Population<f32>, SpikeTrain<f32>),
}

impl DifferentiablePopulation {
    fn of(chip: &LifChip, parameters: &[f32]) -> Self {
        let population = chip.population(parameters);
        match chip.gradient {
            SpikeGradient::Surrogate { slope } => Self::Surrogate(Relaxed::new(population, slope)),
            SpikeGradient::SpikeTrain { jacobian, floor } => {
                Self::SpikeTrain(population, SpikeTrain { jacobian, floor })
            }
        }
    }

    fn population(&self) -> &Population<f32> {
        match self {
            Self::Surrogate(relaxed) => relaxed.population(),
            Self::SpikeTrain(population, _) => population,
        }
    }

    /// The population by whose surrogate gradient constants are learned.
    fn relaxed(&self) -> Cow<'_, Relaxed<f32>> {
        match self {
            Self::Surrogate(relaxed) => Cow::Borrowed(relaxed),
            Self::SpikeTrain(population, _) => {
                Cow::Owned(Relaxed::new(population.clone(), SLOPE_OF_CONSTANTS))
            }
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
            population: DifferentiablePopulation::of(chip, parameters.as_slice()),
            inputs: shots.map(|shot| Spikes::of_raster(shot, chip.lines)).collect(),
        }
    }

    /// Cotangents of the drives and of the parameters at the `readings`.
    pub fn vjp(
        &self,
        readings: &DMatrix<f32>,
        cotangents: &DMatrix<f32>,
        input_cotangents: Option<&mut DMatrix<f32>>,
        parameter_cotangents: &mut DVector<f32>,
    ) {
        let of_inputs = input_cotangents.map(|of| of.as_mut_slice());
        let synapses = match &self.population {
            DifferentiablePopulation::Surrogate(relaxed) => {
                self.relaxed(relaxed, readings, cotangents, false, of_inputs).synapses
            }
            DifferentiablePopulation::SpikeTrain(population, rule) => {
                self.spike_trains(population, rule, readings, cotangents, of_inputs)
            }
        };
        let parameters = parameter_cotangents.as_mut_slice();
        parameters.copy_from_slice(&synapses);
        self.chip.of_weights(parameters);
    }

    /// Cotangents of the constants at the `readings`, in their order.
    pub fn constants(&self, readings: &DMatrix<f32>, cotangents: &DMatrix<f32>) -> Vec<f32> {
        let relaxed = self.population.relaxed();
        self.of_constants(self.relaxed(&relaxed, readings, cotangents, true, None))
    }

    /// Cotangents of the constants, in their order.
    fn of_constants(&self, of: SurrogateCotangents<f32>) -> Vec<f32> {
        let mut of_gains = of.synapses;
        self.chip.of_gains(&mut of_gains, &self.parameters);
        let [membrane, synapse, threshold] = self.chip.design;
        let scaled = |of: Vec<f32>, design: f32| of.into_iter().map(move |of| design * of);
        scaled(of.membrane_time, membrane)
            .chain(scaled(of.synaptic_time, synapse))
            .chain(scaled(of.threshold, threshold))
            .chain(of_gains)
            .collect()
    }

    /// L of the spikes of `readings` and its derivatives by the constants, in their order.
    pub fn misfit(&self, readings: &DMatrix<f32>) -> (f32, Vec<f32>) {
        let relaxed = self.population.relaxed();
        let parts: Vec<(f32, SurrogateCotangents<f32>)> = self
            .tasks()
            .map(|places| {
                let mut of = relaxed.no_cotangents(true);
                let mut work = self.chip.workspaces.take();
                let shots = places.map(|place| {
                    let measured = self.spikes(place, readings);
                    misfit(&relaxed, &self.inputs[place], &measured, &mut of, &mut work)
                });
                let sum = shots.sum();
                self.chip.workspaces.give_back([work]);
                (sum, of)
            })
            .collect();
        let (misfits, parts): (Vec<f32>, Vec<_>) = parts.into_iter().unzip();
        let total = SurrogateCotangents::sum(parts).unwrap_or_else(|| relaxed.no_cotangents(true));
        (misfits.into_iter().sum(), self.of_constants(total))
    }

    /// Spikes of the shot `place`: those that were read or, where counts are read, those of the equation.
    fn spikes(&self, place: usize, readings: &DMatrix<f32>) -> Spikes {
        if self.chip.readout == LifReadout::Counts {
            return self.population.population().play(&self.inputs[place]);
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

    /// The inputs' cotangents of each task, where they are wanted.
    fn by_task<'a>(
        &self,
        of_inputs: Option<&'a mut [f32]>,
    ) -> impl IndexedParallelIterator<Item = Option<&'a mut [f32]>> {
        let width = SHOTS_A_TASK * self.chip.steps * self.chip.lines;
        let tasks = match of_inputs {
            Some(of_inputs) => of_inputs.chunks_mut(width.max(1)).map(Some).collect(),
            None => self.tasks().map(|_| None).collect::<Vec<_>>(),
        };
        tasks.into_par_iter()
    }

    fn relaxed(
        &self,
        relaxed: &Relaxed<f32>,
        readings: &DMatrix<f32>,
        cotangents: &DMatrix<f32>,
        has_constants: bool,
        of_inputs: Option<&mut [f32]>,
    ) -> SurrogateCotangents<f32> {
        let chip = &self.chip;
        let (rows, cells) = (cotangents.nrows(), chip.cells());
        let column =
            |of: &'_ DMatrix<f32>, place: usize| place * of.nrows()..(place + 1) * of.nrows();
        let parts: Vec<SurrogateCotangents<f32>> = self
            .tasks()
            .zip(self.by_task(of_inputs))
            .map(|(places, of_inputs)| {
                let mut of = relaxed.no_cotangents(has_constants);
                let measured: Vec<Spikes> =
                    places.clone().map(|place| self.spikes(place, readings)).collect();
                let shots: Vec<Shot<'_, f32>> = places
                    .zip(&measured)
                    .map(|(place, spikes)| {
                        let cotangents = &cotangents.as_slice()[column(cotangents, place)];
                        let has_membrane = rows > cells && chip.readout != LifReadout::Counts;
                        let readings = || &readings.as_slice()[column(readings, place)];
                        Shot {
                            measured: Measured {
                                input: &self.inputs[place],
                                spikes,
                                membrane: has_membrane.then(|| &readings()[cells..]),
                            },
                            of_cells: match chip.readout {
                                LifReadout::Counts => OfCells::Counts(cotangents),
                                _ => OfCells::Raster(&cotangents[..cells]),
                            },
                            of_membrane: has_membrane.then(|| &cotangents[cells..]),
                        }
                    })
                    .collect();
                let mut work: Workspace<f32> = chip.workspaces.take();
                relaxed.pull_back(&shots, &mut of, of_inputs, &mut work);
                chip.workspaces.give_back([work]);
                of
            })
            .collect();
        SurrogateCotangents::sum(parts).unwrap_or_else(|| relaxed.no_cotangents(has_constants))
    }

    fn spike_trains(
        &self,
        population: &Population<f32>,
        rule: &SpikeTrain<f32>,
        readings: &DMatrix<f32>,
        cotangents: &DMatrix<f32>,
        of_inputs: Option<&mut [f32]>,
    ) -> Vec<f32> {
        let chip = &self.chip;
        let (lines, count, steps) = (chip.lines, chip.neurons(), chip.steps);
        let rows = cotangents.nrows();
        let parts: Vec<Vec<f32>> = self
            .tasks()
            .zip(self.by_task(of_inputs))
            .map(|(places, of_inputs)| {
                let mut synapses = vec![0.0; population.synapses.len()];
                let mut of_counts = vec![0.0; places.len() * count];
                let own: Vec<Spikes> =
                    places.clone().map(|place| self.spikes(place, readings)).collect();
                for (place, of_counts) in places.clone().zip(of_counts.chunks_exact_mut(count)) {
                    self.of_counts(&cotangents.as_slice()[place * rows..][..rows], of_counts);
                }
                let inputs = self.inputs[places].iter();
                let shots: Vec<Trains<'_, f32>> = inputs
                    .zip(&own)
                    .zip(of_counts.chunks_exact(count))
                    .map(|((input, own), of_counts)| Trains { input, own, of_counts })
                    .collect();
                let Some(of_inputs) = of_inputs else {
                    rule.pull_back(population, &shots, &mut synapses, None);
                    return synapses;
                };
                let mut of_lines = vec![0.0; shots.len() * lines];
                rule.pull_back(population, &shots, &mut synapses, Some(&mut of_lines));
                let of_shots = of_inputs.chunks_mut(steps * lines);
                for (of_shot, of_lines) in of_shots.zip(of_lines.chunks_exact(lines)) {
                    of_shot.chunks_mut(lines).for_each(|step| step.copy_from_slice(of_lines));
                }
                synapses
            })
            .collect();
        sum_rows(parts).unwrap_or_else(|| vec![0.0; population.synapses.len()])
    }

    /// Cotangents of counts from those of a shot's readings: of a raster, the mean over the steps.
    fn of_counts(&self, of_readings: &[f32], of_counts: &mut [f32]) {
        if self.chip.readout == LifReadout::Counts {
            return of_counts.copy_from_slice(of_readings);
        }
        let share = (self.chip.steps as f32).recip();
        of_counts.fill(0.0);
        for step in of_readings[..self.chip.cells()].chunks(of_counts.len()) {
            of_counts.iter_mut().zip(step).for_each(|(sum, of)| *sum += share * of);
        }
    }
}

impl LinearisedEquation for Pass {
    fn vjp(
        &self,
        readings: &DMatrix<f32>,
        cotangents: &DMatrix<f32>,
        input_cotangents: Option<&mut DMatrix<f32>>,
        parameter_cotangents: &mut DVector<f32>,
    ) {
        self.vjp(readings, cotangents, input_cotangents, parameter_cotangents);
    }
}
