//! Spike-train-level backpropagation through a population, ST-RSBP: derivatives of spike counts by spike counts.
//!
//! With the counts o, a unit of input from source h adds e_lh to the sum a_l of the membranes with which neuron l fires,
//! and o_l ν ≈ a_l = Σ_h w_lh e_lh. The cotangents d of the counts give
//!
//! ```text
//! Ω_ll = 1 − f′(o_l) Σ_h w_lh o_h / ν_l                   Ω_lp = −R_lp r_lp / ν_l        r_lh = e_lh / o_h
//! f(o) = (1 − o T_ref / T) τ_m / (τ_m − T_ref + T / o)
//! dW_lh = d_l / (ν_l Ω_ll) e_lh                           Ωᵀ λ = d / ν
//! d_h = Σ_l w_lh r_lh λ_l
//! ```
//!
//! f is the effect of the count of a neuron on e: a mean over its firing times. Where a neuron is silent f′ = 0, and where
//! either count is 0, r = ½. The sums e come from one pass backward through the steps: a unit at each firing of l decays
//! with τ_m until the end of the refractory steps behind the firing before, and drives a trace that decays with τ_s; e_lh is
//! the sum of that trace one step behind the spikes of h.
//!
//! Source: Zhang & Li, Advances in Neural Information Processing Systems 32 (2019), eqs. 9 to 19; f in closed form takes
//! the place of their polynomials fitted to random trains.

use std::ops::Range;

use nalgebra::{DMatrix, DVector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block::{Lanes, add_packed, blocks, pack};
use super::population::Population;
use super::real::Real;
use super::spikes::Spikes;
use super::traces::{Sources, Trains, sum_traces};
use crate::elementary::vectorised;

/// How counts of recurrent neurons depend on each other in ST-RSBP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Jacobian {
    /// Only the diagonal of Ω. Networks reach a higher accuracy with it.
    #[default]
    Diagonal,
    /// The whole matrix Ω, solved for each shot. Its gradient is closer to the measured gradient.
    Full,
}

/// ST-RSBP through a population.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpikeTrain<F> {
    /// How counts depend on each other.
    pub jacobian: Jacobian,
    /// Smallest Ω_ll.
    pub floor: F,
}

/// What ST-RSBP computes for one shot.
#[derive(Clone, Debug, PartialEq)]
pub struct SpikeTrainCotangents<F> {
    /// e, `[source][neuron]`.
    pub effects: Vec<F>,
    /// Ω_ll of each neuron, at least the floor.
    pub omega: Vec<F>,
    /// λ.
    pub lambda: Vec<F>,
    /// Cotangents of the weights, `[source][neuron]`.
    pub synapses: Vec<F>,
    /// Cotangents of the counts of the input lines.
    pub lines: Vec<F>,
}

/// What is computed of a shot before the pass that gives the weights' cotangents.
struct Scales<F> {
    /// Spikes of the lines, then of the neurons.
    counts: Vec<F>,
    /// Ω_ll.
    omega: Vec<F>,
    /// d / (ν Ω).
    weight: Vec<F>,
    lambda: Vec<F>,
}

impl<F: Real> SpikeTrain<F> {
    /// f′(o) of a neuron with the time constant `membrane_time` that fires `count` times in `steps` steps.
    #[must_use]
    pub fn effect_slope(count: F, membrane_time: F, refractory: F, steps: F) -> F {
        if count <= F::zero() {
            return F::zero();
        }
        let one = F::one();
        let share = refractory / steps;
        let denominator = membrane_time - refractory + steps / count;
        membrane_time
            * ((one - count * share) * steps / (count * count * denominator * denominator)
                - share / denominator)
    }

    /// All that ST-RSBP computes for one shot with the spikes `input` and `own` and the cotangents `of_counts` of the
    /// neurons' counts.
    #[must_use]
    pub fn vjp(
        &self,
        population: &Population<F>,
        input: &Spikes,
        own: &Spikes,
        of_counts: &[F],
    ) -> SpikeTrainCotangents<F> {
        let shot = Trains { input, own, of_counts };
        let mut synapses = vec![F::zero(); population.synapses.len()];
        let mut lines = vec![F::zero(); population.lines];
        self.pull_back(population, &[shot], &mut synapses, Some(&mut lines));
        let mut effects = vec![F::zero(); population.synapses.len()];
        add_effects(population, &shot, &mut effects, 0);
        let Scales { omega, lambda, .. } = self.scales(population, &[shot]).swap_remove(0);
        SpikeTrainCotangents { effects, omega, lambda, synapses, lines }
    }

    /// Adds the cotangents of the weights at `shots` to `synapses`, and sets those of the lines' counts `[shot][line]`, where
    /// they are wanted. What it needs beside the shots does not grow with their steps, but for their spikes in another order
    /// and a number for each source in
    /// [`STEPS_AT_ONCE`](super::traces::STEPS_AT_ONCE) steps.
    pub(super) fn pull_back(
        &self,
        population: &Population<F>,
        shots: &[Trains<'_, F>],
        synapses: &mut [F],
        mut of_lines: Option<&mut [F]>,
    ) {
        let (count, lines) = (population.neurons.len(), population.lines);
        let scales = self.scales(population, shots);
        if let Some(of_lines) = &mut of_lines {
            of_lines.fill(F::zero());
        }
        let sources: Vec<Sources<'_, F>> =
            shots.iter().map(|shot| Sources::of(population, *shot)).collect();
        let (mut sums, mut weights) = (Vec::new(), Vec::new());
        for block in blocks(count) {
            sums.clear();
            sums.resize(synapses.len() / count, Lanes::zero());
            if of_lines.is_some() {
                pack(&mut weights, &population.synapses[..lines * count], count, &block);
            }
            for (place, (sources, scales)) in sources.iter().zip(&scales).enumerate() {
                let of_lines =
                    of_lines.as_mut().map(|of_lines| &mut of_lines[place * lines..][..lines]);
                let weights = of_lines.map(|of_lines| (weights.as_slice(), of_lines));
                vectorised(
                    #[inline(always)]
                    || pull_back_block(population, sources, scales, &block, &mut sums, weights),
                );
            }
            add_packed(synapses, &sums, count, &block);
        }
        if let Some(of_lines) = of_lines {
            for (scales, of_lines) in scales.iter().zip(of_lines.chunks_exact_mut(lines)) {
                scales.finish(population, of_lines);
            }
        }
    }

    /// Counts, Ω_ll, and the weights of e.
    fn scales(&self, population: &Population<F>, shots: &[Trains<'_, F>]) -> Vec<Scales<F>> {
        let Population { lines, neurons, .. } = population;
        let count = neurons.len();
        let all = lines + count;
        let mut counts = vec![F::zero(); all * shots.len()];
        let mut drives = vec![F::zero(); count * shots.len()];
        for (shot, counts) in shots.iter().zip(counts.chunks_exact_mut(all)) {
            let (of_lines, of_neurons) = counts.split_at_mut(*lines);
            shot.input.add_counts(of_lines);
            shot.own.add_counts(of_neurons);
        }
        // Without synapses among them, the neurons are no sources.
        let weights = (population.synapses.as_slice(), (1, count));
        F::multiply((&mut drives, count), weights, (&counts, all), count);
        let shots = shots.iter().zip(counts.chunks_exact(all)).zip(drives.chunks_exact(count));
        shots
            .map(|((shot, counts), drive)| {
                let mut scales = self.scale(population, shot, counts, drive);
                if self.jacobian == Jacobian::Full && population.is_recurrent() {
                    scales.solve(population, shot);
                }
                scales
            })
            .collect()
    }

    /// The same of one shot, with the spikes `counts` of its sources and Σ_h w_lh o_h in `drive`; λ by the diagonal of Ω.
    fn scale(
        &self,
        population: &Population<F>,
        shot: &Trains<'_, F>,
        counts: &[F],
        drive: &[F],
    ) -> Scales<F> {
        let Population { lines, neurons, .. } = population;
        let count = neurons.len();
        let steps = nalgebra::convert(shot.input.steps() as f64);
        let omega: Vec<F> = (0..count)
            .map(|place| {
                let refractory = nalgebra::convert(f64::from(neurons.refractory[place]));
                let (fires, time) = (counts[lines + place], neurons.membrane_time[place]);
                let slope = Self::effect_slope(fires, time, refractory, steps);
                (F::one() - slope * drive[place] / neurons.threshold[place]).max(self.floor)
            })
            .collect();
        let of_each = shot.of_counts.iter().zip(&neurons.threshold).zip(&omega);
        let weight: Vec<F> =
            of_each.map(|((&of, &threshold), &omega)| of / threshold / omega).collect();
        Scales { counts: counts.to_vec(), omega, lambda: weight.clone(), weight }
    }
}

impl<F: Real> Scales<F> {
    /// λ by the whole Ω.
    fn solve(&mut self, population: &Population<F>, shot: &Trains<'_, F>) {
        let Population { lines, neurons, .. } = population;
        let (lines, count) = (*lines, neurons.len());
        let mut effects = vec![F::zero(); count * count];
        add_effects(population, shot, &mut effects, lines);
        let half: F = nalgebra::convert(0.5);
        // Ωᵀ: element (p, l) is Ω_lp.
        let transposed = DMatrix::from_fn(count, count, |p, l| {
            if p == l {
                return self.omega[l];
            }
            let (of_p, of_l) = (self.counts[lines + p], self.counts[lines + l]);
            let is_silent = of_p <= F::zero() || of_l <= F::zero();
            let ratio = if is_silent { half } else { effects[p * count + l] / of_p };
            -population.row(lines + p)[l] * ratio / neurons.threshold[l]
        });
        let right = DVector::from_fn(count, |place, _| self.weight[place] * self.omega[place]);
        if let Some(lambda) = transposed.lu().solve(&right) {
            self.lambda.copy_from_slice(lambda.as_slice());
        }
    }

    /// Divides the sums of the lines by their counts, and adds what a ratio of one half gives.
    fn finish(&self, population: &Population<F>, of_lines: &mut [F]) {
        let half: F = nalgebra::convert(0.5);
        let (of_lines_counts, of_neurons) = self.counts.split_at(population.lines);
        let silent: Vec<F> = self
            .lambda
            .iter()
            .zip(of_neurons)
            .map(|(&lambda, &fires)| if fires <= F::zero() { lambda } else { F::zero() })
            .collect();
        for (line, (of_line, &spikes)) in of_lines.iter_mut().zip(of_lines_counts).enumerate() {
            let row = population.row(line);
            *of_line = if spikes > F::zero() {
                *of_line / spikes + half * dot(row, &silent)
            } else {
                half * dot(row, &self.lambda)
            };
        }
    }
}

/// Adds the cotangents of the weights onto the neurons of `block` to `sums`, a row a source, and those of the lines' counts
/// with the weights of the lines, where they are wanted.
#[inline(always)]
fn pull_back_block<F: Real>(
    population: &Population<F>,
    sources: &Sources<'_, F>,
    scales: &Scales<F>,
    block: &Range<usize>,
    sums: &mut [Lanes<F>],
    mut of_lines: Option<(&[Lanes<F>], &mut [F])>,
) {
    let (weight, lambda) = (Lanes::of(&scales.weight, block), Lanes::of(&scales.lambda, block));
    sum_traces(
        population,
        sources,
        block,
        #[inline(always)]
        |source, trace| {
            sums[source].add(&trace.times(&weight));
            if let Some((rows, of_lines)) = &mut of_lines
                && source < of_lines.len()
            {
                of_lines[source] += rows[source].dot(&trace.times(&lambda));
            }
        },
    );
}

/// Adds e, `[source][neuron]`, to `effects`, which begin with the source `first`.
fn add_effects<F: Real>(
    population: &Population<F>,
    shot: &Trains<'_, F>,
    effects: &mut [F],
    first: usize,
) {
    let count = population.neurons.len();
    let sources = Sources::of(population, *shot);
    let mut sums = Vec::new();
    for block in blocks(count) {
        sums.clear();
        sums.resize(effects.len() / count, Lanes::zero());
        vectorised(
            #[inline(always)]
            || {
                sum_traces(
                    population,
                    &sources,
                    &block,
                    #[inline(always)]
                    |source, trace| {
                        if let Some(source) = source.checked_sub(first) {
                            sums[source].add(trace);
                        }
                    },
                );
            },
        );
        add_packed(effects, &sums, count, &block);
    }
}

/// The scalar product, in eight sums so that it becomes vectors.
#[inline(always)]
fn dot<F: Real>(left: &[F], right: &[F]) -> F {
    let mut sums = [F::zero(); 8];
    let whole = left.len() / 8 * 8;
    for (left, right) in left[..whole].chunks_exact(8).zip(right[..whole].chunks_exact(8)) {
        for lane in 0..8 {
            sums[lane] += left[lane] * right[lane];
        }
    }
    let rest = left[whole..].iter().zip(&right[whole..]);
    let rest = rest.fold(F::zero(), |sum, (&left, &right)| sum + left * right);
    sums.into_iter().fold(rest, |sum, lane| sum + lane)
}
