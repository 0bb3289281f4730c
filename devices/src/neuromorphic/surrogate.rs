//! The surrogate gradient of a population at measured spikes.
//!
//! ```text
//! s̃[t] = s[t] + φ(u[t]) − φ(ū[t])          u = v / ν − 1,  φ′(u) = 1 / (1 + β |u|)²
//! ```
//!
//! The network is relaxed about the measured spikes s: the membrane v is that of the equation, reset where a spike was
//! measured, and ū is its value there. A change of v changes the spike smoothly, and s̃ takes the place of s in the
//! synapses and in the readings; resets stay where they were measured. While a neuron is refractory, its membrane is
//! constant.
//!
//! Source: Neftci, Mostafa & Zenke, IEEE Signal Processing Magazine 36, 51 (2019), with φ′ of Zenke & Ganguli, Neural
//! Computation 30, 1514 (2018), eq. 2.11; at spikes that a chip measured, Cramer et al., PNAS 119, e2109194119 (2022).

use super::block::{Lanes, add_packed, blocks, sized};
use super::by_line::ByLine;
use super::population::Population;
use super::real::{Real, sum_rows};
use super::replay::{Measured, Replay};
use super::spikes::Spikes;
use crate::elementary::vectorised;

/// A population relaxed about measured spikes.
#[derive(Clone, Debug)]
pub struct Relaxed<F> {
    population: Population<F>,
    /// β.
    slope: F,
    /// Weights from each block of neurons, `[block][neuron][source]`.
    from_neurons: Vec<Panel<F>>,
}

/// Weights from a block of neurons to all neurons, `[neuron][source]`: as they are needed one after the other in a product,
/// with zeros up to a multiple of [`WHOLE`] sources.
#[derive(Clone, Debug)]
struct Panel<F> {
    /// First source and number of sources, with zeros.
    first: usize,
    width: usize,
    weights: Vec<F>,
}

/// Products of matrices with so many rows, or a multiple, need no copy of the matrix.
const WHOLE: usize = 16;

/// Cotangents of a population, summed over shots.
#[derive(Clone, Debug, PartialEq)]
pub struct SurrogateCotangents<F> {
    /// Of the weights, `[source][neuron]`.
    pub synapses: Vec<F>,
    /// Of τ_m, τ_s and ν of each neuron; empty where nobody asks.
    pub membrane_time: Vec<F>,
    /// See above.
    pub synaptic_time: Vec<F>,
    /// See above.
    pub threshold: Vec<F>,
}

impl<F: Real> SurrogateCotangents<F> {
    /// The sum of those of some shots each, in their order; `None` of nothing.
    pub(super) fn sum(parts: Vec<Self>) -> Option<Self> {
        let mut rows = [(); 4].map(|()| Vec::with_capacity(parts.len()));
        for Self { synapses, membrane_time, synaptic_time, threshold } in parts {
            let values = [synapses, membrane_time, synaptic_time, threshold];
            rows.iter_mut().zip(values).for_each(|(rows, values)| rows.push(values));
        }
        let [synapses, membrane_time, synaptic_time, threshold] = rows.map(sum_rows);
        Some(Self {
            synapses: synapses?,
            membrane_time: membrane_time?,
            synaptic_time: synaptic_time?,
            threshold: threshold?,
        })
    }
}

/// Cotangents of the cells of one shot's raster.
#[derive(Clone, Copy, Debug)]
pub(super) enum OfCells<'a, F> {
    /// Of each cell, step by step.
    Raster(&'a [F]),
    /// Of the number of spikes of each neuron.
    Counts(&'a [F]),
}

/// A shot, and the cotangents of its readings.
#[derive(Clone, Copy)]
pub(super) struct Shot<'a, F> {
    pub measured: Measured<'a, F>,
    pub of_cells: OfCells<'a, F>,
    /// Cotangents of the membranes, step by step.
    pub of_membrane: Option<&'a [F]>,
}

/// How far cotangents go back.
pub(super) enum Back<'a, F> {
    /// To the synapses, with given spikes on their other side.
    Synapses,
    /// Through synapses among the neurons.
    Neurons,
    /// Also to the cells of the inputs, `[shot][step][line]`, which are set.
    Inputs(&'a mut [F]),
}

/// Memory of a worker, for one adjoint after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Workspace<F> {
    replay: Replay<F>,
    through_synapses: Vec<F>,
    of_membrane: Vec<F>,
    of_currents: Vec<F>,
    blocks: BlockMemory<F>,
}

/// What a [`Workspace`] has for one block of neurons after the other.
#[derive(Clone, Debug, Default)]
struct BlockMemory<F> {
    /// Weights of the synapses onto a block, or their cotangents.
    packed: Vec<Lanes<F>>,
    /// Of each shot, the spikes of its lines and of its neurons.
    spikes: Vec<[ByLine; 2]>,
    /// Cotangents of the currents of one shot, step by step.
    of_currents: Vec<Lanes<F>>,
}

impl<F: Real> Relaxed<F> {
    /// `population` with the slope β.
    #[must_use]
    pub fn new(population: Population<F>, slope: F) -> Self {
        let count = population.neurons.len();
        let rows = &population.synapses[population.lines * count..];
        let sources = if rows.is_empty() { 0 } else { count };
        let from_neurons = blocks(sources)
            .map(|block| {
                let width = block.len().next_multiple_of(WHOLE);
                let mut weights = vec![F::zero(); width * count];
                for (source, row) in
                    rows[block.start * count..].chunks_exact(count).enumerate().take(block.len())
                {
                    let places = weights.iter_mut().skip(source).step_by(width);
                    places.zip(row).for_each(|(place, &weight)| *place = weight);
                }
                Panel { first: block.start, width, weights }
            })
            .collect();
        Self { population, slope, from_neurons }
    }

    /// The membranes of `shots`, for [`go_back`](Self::go_back), in the memory of `work`; v and p only for constants.
    pub(super) fn replay<'a>(
        &self,
        shots: impl Iterator<Item = Measured<'a, F>> + Clone,
        has_constants: bool,
        work: &mut Workspace<F>,
    ) -> Replay<F> {
        let mut replay = std::mem::take(&mut work.replay);
        replay.play(&self.population, self.slope, shots, has_constants, &mut work.blocks.packed);
        replay
    }

    /// The population.
    #[must_use]
    pub fn population(&self) -> &Population<F> {
        &self.population
    }

    /// Cotangents of the weights and constants, and of the input's cells `[step][line]`, from those of the cells of the
    /// spikes, `[step][neuron]`, for one shot.
    #[must_use]
    pub fn vjp(
        &self,
        input: &Spikes,
        measured: &Spikes,
        of_cells: &[F],
    ) -> (SurrogateCotangents<F>, Vec<F>) {
        let mut of = self.no_cotangents(true);
        let mut of_input = vec![F::zero(); input.steps() * self.population.lines];
        let of_cells = OfCells::Raster(of_cells);
        let measured = Measured { input, spikes: measured, membrane: None };
        let shot = Shot { measured, of_cells, of_membrane: None };
        self.pull_back(&[shot], &mut of, Some(&mut of_input), &mut Workspace::default());
        (of, of_input)
    }

    /// Cotangents of zero; those of constants are summed only if they are there.
    pub(super) fn no_cotangents(&self, has_constants: bool) -> SurrogateCotangents<F> {
        let count = if has_constants { self.population.neurons.len() } else { 0 };
        let zeros = || vec![F::zero(); count];
        SurrogateCotangents {
            synapses: vec![F::zero(); self.population.synapses.len()],
            membrane_time: zeros(),
            synaptic_time: zeros(),
            threshold: zeros(),
        }
    }

    /// Adds the cotangents of `shots` to `of`, and sets those of their inputs' cells, `[shot][step][line]`, where they are
    /// wanted.
    pub(super) fn pull_back(
        &self,
        shots: &[Shot<'_, F>],
        of: &mut SurrogateCotangents<F>,
        of_inputs: Option<&mut [F]>,
        work: &mut Workspace<F>,
    ) {
        let measured = shots.iter().map(|shot| shot.measured);
        let replay = self.replay(measured, !of.threshold.is_empty(), work);
        let back = of_inputs.map_or(Back::Neurons, Back::Inputs);
        self.go_back(shots, replay, of, back, work);
    }

    /// The same at a `replay`, whose memory goes back to `work`.
    pub(super) fn go_back(
        &self,
        shots: &[Shot<'_, F>],
        replay: Replay<F>,
        of: &mut SurrogateCotangents<F>,
        back: Back<'_, F>,
        work: &mut Workspace<F>,
    ) {
        let Some(steps) = shots.first().map(|shot| shot.measured.input.steps()) else { return };
        let population = &self.population;
        let count = population.neurons.len();
        let has_loop = population.is_recurrent() && !matches!(back, Back::Synapses);
        let rows = self.from_neurons.last().map_or(count, |panel| panel.first + panel.width);
        let through_synapses = sized(&mut work.through_synapses, rows * shots.len());
        through_synapses.fill(F::zero());
        let of_membrane = sized(&mut work.of_membrane, count * shots.len());
        of_membrane.fill(F::zero());
        // Of the synaptic currents, which are those of the inputs x: `[shot][step][neuron]`.
        let of_currents = sized(&mut work.of_currents, shots.len() * steps * count);
        for step in (0..steps).rev() {
            if has_loop && step + 1 < steps {
                let behind = &of_currents[(step + 1) * count..];
                for Panel { first, width, weights } in &self.from_neurons {
                    let result = (&mut through_synapses[*first..], rows);
                    let weights = (weights.as_slice(), (1, *width));
                    F::multiply(result, weights, (behind, steps * count), *width);
                }
            }
            for (place, shot) in shots.iter().enumerate() {
                let of_shot = &mut of_currents[place * steps * count..][..steps * count];
                let (until_now, behind) = of_shot.split_at_mut((step + 1) * count);
                let point = Step {
                    through_synapses: &through_synapses[place * rows..][..count],
                    of_membrane: &mut of_membrane[place * count..][..count],
                    of_current: &mut until_now[step * count..],
                    of_current_behind: behind.get(..count),
                };
                vectorised(
                    #[inline(always)]
                    || self.step_back(place, step, shot, &replay, point, of),
                );
            }
        }
        self.add_synapses(shots, of_currents, &mut of.synapses, &mut work.blocks);
        if let Back::Inputs(of_inputs) = back {
            self.set_inputs(steps, of_currents, of_inputs);
        }
        work.replay = replay;
    }

    /// Adds the cotangents of the weights: each spike adds those of the currents one step later.
    fn add_synapses(
        &self,
        shots: &[Shot<'_, F>],
        of_currents: &[F],
        synapses: &mut [F],
        BlockMemory { packed, spikes, of_currents: of_block }: &mut BlockMemory<F>,
    ) {
        let (count, lines) = (self.population.neurons.len(), self.population.lines);
        let recurrent = if self.population.is_recurrent() { count } else { 0 };
        spikes.resize_with(shots.len().max(spikes.len()), Default::default);
        for (shot, [input, own]) in shots.iter().zip(spikes.iter_mut()) {
            let Measured { input: of_lines, spikes: of_neurons, .. } = shot.measured;
            // What fires in the last step reaches nobody.
            let steps = of_lines.steps().saturating_sub(1);
            input.sort(of_lines, lines, 0..steps);
            own.sort(of_neurons, recurrent, 0..steps);
        }
        for block in blocks(count) {
            packed.clear();
            packed.resize(synapses.len() / count, Lanes::zero());
            let of_shots = of_currents.chunks_exact(of_currents.len() / shots.len());
            for ([input, own], of_currents) in spikes.iter().zip(of_shots) {
                vectorised(
                    #[inline(always)]
                    || {
                        of_block.clear();
                        let behind = of_currents.chunks_exact(count).skip(1);
                        of_block.extend(behind.map(|step| Lanes::of(step, &block)));
                        let (of_lines, of_neurons) = packed.split_at_mut(lines);
                        for (spikes, sums) in [(input, of_lines), (own, of_neurons)] {
                            spikes.sum_rows(
                                of_block,
                                #[inline(always)]
                                |line, sum| sums[line].add(sum),
                            );
                        }
                    },
                );
            }
            add_packed(synapses, packed, count, &block);
        }
    }

    /// Cotangents of the inputs' cells `[shot][step][line]`: of each step from those of the currents one step later.
    fn set_inputs(&self, steps: usize, of_currents: &[F], of_inputs: &mut [F]) {
        let (count, lines) = (self.population.neurons.len(), self.population.lines);
        let (of_all_but_last, _) = of_inputs.split_at_mut(of_inputs.len() - lines);
        let from_lines = (&self.population.synapses[..lines * count], (count, 1));
        // One product for all shots; what it gives for the last step of each is the next shot's first.
        let of_currents = (&of_currents[count..], count);
        F::multiply((of_all_but_last, lines), from_lines, of_currents, lines);
        for of_input in of_inputs.chunks_exact_mut(steps * lines) {
            of_input[(steps - 1) * lines..].fill(F::zero());
        }
    }

    /// One step backward of the shot `place`.
    #[inline(always)]
    fn step_back(
        &self,
        place: usize,
        step: usize,
        shot: &Shot<'_, F>,
        replay: &Replay<F>,
        point: Step<'_, F>,
        of: &mut SurrogateCotangents<F>,
    ) {
        let count = self.population.neurons.len();
        let run = step * count..(step + 1) * count;
        let of_cells = match shot.of_cells {
            OfCells::Raster(cells) => &cells[run.clone()],
            OfCells::Counts(counts) => counts,
        };
        let of_cells = &of_cells[..count];
        let first = (place * shot.measured.input.steps() + step) * count;
        let slope = &replay.slope[first..][..count];
        let rates = &self.population.rates;
        let (membrane, synapse, gain) =
            (&rates.membrane[..count], &rates.synapse[..count], &rates.gain[..count]);
        let Step { through_synapses, of_membrane, of_current, of_current_behind } = point;
        let (through_synapses, of_membrane, of_current) =
            (&through_synapses[..count], &mut of_membrane[..count], &mut of_current[..count]);
        for place in 0..count {
            let of_spike = of_cells[place] + through_synapses[place];
            let is_kept = slope[place] > F::zero();
            let carried = membrane[place] * of_membrane[place];
            let carried = if is_kept { carried } else { F::zero() };
            of_membrane[place] = of_spike * slope[place].abs() + carried;
        }
        if let Some(readings) = shot.of_membrane {
            for ((of, &reading), &slope) in of_membrane.iter_mut().zip(&readings[run]).zip(slope) {
                *of += if slope == F::zero() { F::zero() } else { reading };
            }
        }
        match of_current_behind {
            Some(behind) => {
                let behind = &behind[..count];
                for place in 0..count {
                    of_current[place] =
                        gain[place] * of_membrane[place] + synapse[place] * behind[place];
                }
            }
            None => {
                for place in 0..count {
                    of_current[place] = gain[place] * of_membrane[place];
                }
            }
        }
        if of.threshold.is_empty() {
            return;
        }
        let neurons = &self.population.neurons;
        for place in 0..count {
            let cell = first + place;
            let of_spike = of_cells[place] + through_synapses[place];
            let v = replay.membrane[cell];
            of.threshold[place] -= of_spike * slope[place].abs() * v / neurons.threshold[place];
            let (tau_m, tau_s) = (neurons.membrane_time[place], neurons.synaptic_time[place]);
            let mut of_synapse = -of_membrane[place] * replay.current[cell];
            if step > 0 {
                let before = cell - count;
                // A refractory membrane does not depend on the one before.
                let is_kept = replay.slope[before] > F::zero();
                let kept = if is_kept { replay.membrane[before] } else { F::zero() };
                of.membrane_time[place] += of_membrane[place] * kept / (tau_m * tau_m);
                of_synapse += of_current[place] * replay.current[before];
            }
            of.synaptic_time[place] += of_synapse / (tau_s * tau_s);
        }
    }
}

/// Cotangents of one shot in one step.
struct Step<'a, F> {
    /// Of the spikes by the synapses that they reach in the next step.
    through_synapses: &'a [F],
    of_membrane: &'a mut [F],
    of_current: &'a mut [F],
    /// Of the currents one step later; `None` in the last step.
    of_current_behind: Option<&'a [F]>,
}
