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

use super::population::Population;
use super::real::{Real, add, transposed};
use super::spikes::Spikes;
use crate::elementary::vectorised;

/// A population relaxed about measured spikes.
#[derive(Clone, Debug)]
pub struct Relaxed<F> {
    population: Population<F>,
    /// β.
    slope: F,
    /// Weights from the lines and from the neurons, `[neuron][source]`.
    from_lines: Vec<F>,
    from_neurons: Vec<F>,
}

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
    /// Adds those of other shots.
    pub(super) fn add(&mut self, part: &Self) {
        for (sums, values) in [
            (&mut self.synapses, &part.synapses),
            (&mut self.membrane_time, &part.membrane_time),
            (&mut self.synaptic_time, &part.synaptic_time),
            (&mut self.threshold, &part.threshold),
        ] {
            add(sums, values);
        }
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

/// A shot: its input, its measured spikes, and what is known of its membranes.
pub(super) struct Shot<'a, F> {
    pub input: &'a Spikes,
    pub measured: &'a Spikes,
    /// Measured membranes before the reset, step by step.
    pub membrane: Option<&'a [F]>,
    pub of_cells: OfCells<'a, F>,
    /// Cotangents of the membranes, step by step.
    pub of_membrane: Option<&'a [F]>,
}

/// The membranes of a shot at its measured spikes, step by step.
pub(super) struct Replay<F> {
    /// φ′(u) / ν; 0 while refractory.
    pub slope: Vec<F>,
    /// Share of the membrane that the next step starts from: 1, or 0 after a reset or while refractory.
    kept: Vec<F>,
    /// v and p, for the constants.
    pub membrane: Vec<F>,
    current: Vec<F>,
}

impl<F: Real> Relaxed<F> {
    /// `population` with the slope β.
    #[must_use]
    pub fn new(population: Population<F>, slope: F) -> Self {
        let count = population.neurons.len();
        let (lines, neurons) = population.synapses.split_at(population.lines * count);
        let from_lines = transposed(lines, count);
        let from_neurons = transposed(neurons, count);
        Self { population, slope, from_lines, from_neurons }
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
        let shot = Shot { input, measured, membrane: None, of_cells, of_membrane: None };
        self.pull_back(&[shot], &mut of, &mut of_input);
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

    /// Adds the cotangents of `shots` to `of`, and sets those of their inputs' cells, `[shot][step][line]`.
    pub(super) fn pull_back(
        &self,
        shots: &[Shot<'_, F>],
        of: &mut SurrogateCotangents<F>,
        of_inputs: &mut [F],
    ) {
        let has_constants = !of.threshold.is_empty();
        let replays: Vec<_> = shots.iter().map(|shot| self.replay(shot, has_constants)).collect();
        of_inputs.fill(F::zero());
        self.go_back(shots, &replays, of, Some(of_inputs));
    }

    /// The same at `replays`; without `of_inputs`, inputs and recurrent spikes are given, and nothing goes back through them.
    pub(super) fn go_back(
        &self,
        shots: &[Shot<'_, F>],
        replays: &[Replay<F>],
        of: &mut SurrogateCotangents<F>,
        mut of_inputs: Option<&mut [F]>,
    ) {
        let Some(steps) = shots.first().map(|shot| shot.input.steps()) else { return };
        let population = &self.population;
        let (count, lines) = (population.neurons.len(), population.lines);
        let mut of_membrane = vec![F::zero(); count * shots.len()];
        // Of the synaptic currents, which are those of the inputs x.
        let mut of_current = of_membrane.clone();
        let mut through_synapses = of_membrane.clone();
        let mut of_lines = vec![F::zero(); lines * shots.len()];
        for step in (0..steps).rev() {
            if population.is_recurrent() && step + 1 < steps && of_inputs.is_some() {
                F::multiply(&mut through_synapses, &self.from_neurons, &of_current, count);
            }
            for (place, (shot, replay)) in shots.iter().zip(replays).enumerate() {
                let run = place * count..(place + 1) * count;
                let point = Step {
                    through_synapses: &through_synapses[run.clone()],
                    of_membrane: &mut of_membrane[run.clone()],
                    of_current: &mut of_current[run],
                };
                vectorised(
                    #[inline(always)]
                    || self.step_back(step, shot, replay, point, of),
                );
            }
            let Some(before) = step.checked_sub(1) else { continue };
            if let Some(of_inputs) = &mut of_inputs {
                F::multiply(&mut of_lines, &self.from_lines, &of_current, lines);
                for (place, cells) in of_lines.chunks_exact(lines).enumerate() {
                    of_inputs[(place * steps + before) * lines..][..lines].copy_from_slice(cells);
                }
            }
            for (place, shot) in shots.iter().enumerate() {
                let of_current = &of_current[place * count..][..count];
                vectorised(
                    #[inline(always)]
                    || {
                        let mut add = |source: usize| {
                            let sums = &mut of.synapses[source * count..][..count];
                            add(sums, of_current);
                        };
                        shot.input.at(before).iter().for_each(|&line| add(line as usize));
                        if population.is_recurrent() {
                            let own = shot.measured.at(before).iter();
                            own.for_each(|&neuron| add(lines + neuron as usize));
                        }
                    },
                );
            }
        }
    }

    /// The membranes at the measured spikes.
    pub(super) fn replay(&self, shot: &Shot<'_, F>, has_constants: bool) -> Replay<F> {
        let population = &self.population;
        let (count, steps) = (population.neurons.len(), shot.input.steps());
        let cells = || vec![F::zero(); count * steps];
        let kept_cells = |is_kept: bool| if is_kept { cells() } else { Vec::new() };
        let mut replay = Replay {
            slope: cells(),
            kept: cells(),
            membrane: kept_cells(has_constants),
            current: kept_cells(has_constants),
        };
        let mut v = vec![F::zero(); count];
        let mut p = vec![F::zero(); count];
        let mut x = vec![F::zero(); count];
        let mut waiting = vec![0_u32; count];
        for step in 0..steps {
            population.gather(&mut x, shot.input, shot.measured, step);
            let run = step * count..(step + 1) * count;
            let (slope, kept) = (&mut replay.slope[run.clone()], &mut replay.kept[run.clone()]);
            vectorised(
                #[inline(always)]
                || self.integrate(&mut v, &mut p, &x, &mut waiting, slope, kept),
            );
            if has_constants {
                replay.membrane[run.clone()].copy_from_slice(&v);
                replay.current[run.clone()].copy_from_slice(&p);
            }
            if let Some(measured) = shot.membrane {
                v.copy_from_slice(&measured[run]);
            }
            vectorised(
                #[inline(always)]
                || self.slopes(&v, slope),
            );
            for &neuron in shot.measured.at(step) {
                let neuron = neuron as usize;
                v[neuron] = F::zero();
                kept[neuron] = F::zero();
                waiting[neuron] = population.neurons.refractory[neuron];
            }
        }
        replay
    }

    /// One step of the membranes; `slope` becomes 1, or 0 while refractory, as does `kept`.
    #[inline(always)]
    fn integrate(
        &self,
        v: &mut [F],
        p: &mut [F],
        x: &[F],
        waiting: &mut [u32],
        slope: &mut [F],
        kept: &mut [F],
    ) {
        let rates = &self.population.rates;
        let count = v.len();
        let (p, x, waiting) = (&mut p[..count], &x[..count], &mut waiting[..count]);
        let (slope, kept) = (&mut slope[..count], &mut kept[..count]);
        let (membrane, synapse, gain) =
            (&rates.membrane[..count], &rates.synapse[..count], &rates.gain[..count]);
        for place in 0..count {
            p[place] = synapse[place] * p[place] + x[place];
            let waits = waiting[place] > 0;
            waiting[place] -= u32::from(waits);
            let free = if waits { F::zero() } else { F::one() };
            v[place] = free * (membrane[place] * v[place] + gain[place] * p[place]);
            slope[place] = free;
            kept[place] = free;
        }
    }

    /// `slope` times φ′(u) / ν.
    #[inline(always)]
    fn slopes(&self, v: &[F], slope: &mut [F]) {
        let thresholds = &self.population.neurons.threshold;
        for ((slope, &v), &threshold) in slope.iter_mut().zip(v).zip(thresholds) {
            let distance = (v - threshold).abs() / threshold;
            let denominator = F::one() + self.slope * distance;
            *slope /= threshold * denominator * denominator;
        }
    }

    /// One step backward of one shot.
    #[inline(always)]
    fn step_back(
        &self,
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
        let (slope, kept) = (&replay.slope[run.clone()], &replay.kept[run.clone()]);
        let rates = &self.population.rates;
        let (membrane, synapse, gain) =
            (&rates.membrane[..count], &rates.synapse[..count], &rates.gain[..count]);
        let Step { through_synapses, of_membrane, of_current } = point;
        let (through_synapses, of_membrane, of_current) =
            (&through_synapses[..count], &mut of_membrane[..count], &mut of_current[..count]);
        for place in 0..count {
            let of_spike = of_cells[place] + through_synapses[place];
            let carried = kept[place] * membrane[place] * of_membrane[place];
            of_membrane[place] = of_spike * slope[place] + carried;
        }
        if let Some(readings) = shot.of_membrane {
            for ((of, &reading), &slope) in of_membrane.iter_mut().zip(&readings[run]).zip(slope) {
                *of += if slope > F::zero() { reading } else { F::zero() };
            }
        }
        for place in 0..count {
            of_current[place] =
                gain[place] * of_membrane[place] + synapse[place] * of_current[place];
        }
        if of.threshold.is_empty() {
            return;
        }
        let neurons = &self.population.neurons;
        for place in 0..count {
            let cell = step * count + place;
            let of_spike = of_cells[place] + through_synapses[place];
            let v = replay.membrane[cell];
            of.threshold[place] -= of_spike * slope[place] * v / neurons.threshold[place];
            let (tau_m, tau_s) = (neurons.membrane_time[place], neurons.synaptic_time[place]);
            let current = replay.current[cell];
            let mut of_synapse = -of_membrane[place] * current;
            if let Some(before) = cell.checked_sub(count) {
                let kept = replay.kept[before] * replay.membrane[before];
                // A refractory membrane does not depend on the one before.
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
}
