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

use nalgebra::{DMatrix, DVector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::population::Population;
use super::real::{Real, add};
use super::spikes::Spikes;
use crate::elementary::vectorised;

/// How counts of recurrent neurons depend on each other in ST-RSBP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Jacobian {
    /// Each neuron by itself: Ω without its other elements. It trains better.
    #[default]
    Diagonal,
    /// All of Ω, solved for each shot. Its gradient is nearer to the measured one.
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

/// What a shot needs that later shots use again.
pub(super) struct Workspace<F> {
    counts: Vec<F>,
    drive: Vec<F>,
    omega: Vec<F>,
    weight: Vec<F>,
    lambda: Vec<F>,
    firing: Vec<F>,
    trace: Vec<F>,
    weighed: Vec<F>,
    returned: Vec<F>,
    /// A neuron is refractory in the steps above this one.
    held: Vec<i64>,
    /// e among the neurons, for the full Jacobian.
    effects: Vec<F>,
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
        let mut work = Workspace::of(population);
        let mut synapses = vec![F::zero(); population.synapses.len()];
        let mut lines = vec![F::zero(); population.lines];
        self.pull_back(population, input, own, of_counts, &mut work, &mut synapses, &mut lines);
        let mut effects = vec![F::zero(); population.synapses.len()];
        let count = population.neurons.len();
        work.pass(population, input, own, |_, source, trace| {
            let sums = &mut effects[source * count..][..count];
            add(sums, trace.plain);
        });
        SpikeTrainCotangents { effects, omega: work.omega, lambda: work.lambda, synapses, lines }
    }

    /// Adds the cotangents of the weights to `synapses`, and sets those of the lines' counts.
    #[expect(
        clippy::too_many_arguments,
        reason = "two trains, their cotangents, and where results go"
    )]
    pub(super) fn pull_back(
        &self,
        population: &Population<F>,
        input: &Spikes,
        own: &Spikes,
        of_counts: &[F],
        work: &mut Workspace<F>,
        synapses: &mut [F],
        of_lines: &mut [F],
    ) {
        let count = population.neurons.len();
        self.scale(population, input, own, of_counts, work);
        if self.jacobian == Jacobian::Full && population.is_recurrent() {
            self.solve(population, input, own, work);
        }
        of_lines.fill(F::zero());
        work.pass(population, input, own, |is_line, source, trace| {
            let sums = &mut synapses[source * count..][..count];
            add(sums, trace.weighed);
            if is_line {
                of_lines[source] += dot(population.row(source), trace.returned);
            }
        });
        work.finish(population, of_lines);
    }

    /// Counts, Ω_ll, and the weights of e.
    fn scale(
        &self,
        population: &Population<F>,
        input: &Spikes,
        own: &Spikes,
        of_counts: &[F],
        work: &mut Workspace<F>,
    ) {
        let Population { lines, neurons, .. } = population;
        work.count(*lines, input, own);
        work.drive.fill(F::zero());
        for source in 0..population.synapses.len() / neurons.len() {
            let spikes = work.counts[source];
            if spikes > F::zero() {
                let row = population.row(source);
                work.drive.iter_mut().zip(row).for_each(|(sum, &weight)| *sum += spikes * weight);
            }
        }
        let steps = nalgebra::convert(input.steps() as f64);
        for (place, &of_count) in of_counts.iter().enumerate() {
            let refractory = nalgebra::convert(f64::from(neurons.refractory[place]));
            let slope = Self::effect_slope(
                work.counts[lines + place],
                neurons.membrane_time[place],
                refractory,
                steps,
            );
            let threshold = neurons.threshold[place];
            let omega = F::one() - slope * work.drive[place] / threshold;
            work.omega[place] = omega.max(self.floor);
            work.weight[place] = of_count / threshold / work.omega[place];
            work.lambda[place] = work.weight[place];
        }
    }

    /// λ by the whole Ω.
    fn solve(
        &self,
        population: &Population<F>,
        input: &Spikes,
        own: &Spikes,
        work: &mut Workspace<F>,
    ) {
        let Population { lines, neurons, .. } = population;
        let count = neurons.len();
        let mut effects = std::mem::take(&mut work.effects);
        effects.resize(count * count, F::zero());
        effects.fill(F::zero());
        work.pass(population, input, own, |is_line, source, trace| {
            if !is_line {
                let sums = &mut effects[(source - lines) * count..][..count];
                add(sums, trace.plain);
            }
        });
        let half: F = nalgebra::convert(0.5);
        // Ωᵀ: element (p, l) is Ω_lp.
        let transposed = DMatrix::from_fn(count, count, |p, l| {
            if p == l {
                return work.omega[l];
            }
            let (of_p, of_l) = (work.counts[lines + p], work.counts[lines + l]);
            let is_silent = of_p <= F::zero() || of_l <= F::zero();
            let ratio = if is_silent { half } else { effects[p * count + l] / of_p };
            -population.row(lines + p)[l] * ratio / neurons.threshold[l]
        });
        let right = DVector::from_fn(count, |place, _| work.weight[place] * work.omega[place]);
        if let Some(lambda) = transposed.lu().solve(&right) {
            work.lambda.copy_from_slice(lambda.as_slice());
        }
        work.effects = effects;
    }
}

/// Traces of the neurons in one step.
struct Traces<'a, F> {
    /// The trace; times d / (ν Ω); times λ.
    plain: &'a [F],
    weighed: &'a [F],
    returned: &'a [F],
}

impl<F: Real> Workspace<F> {
    pub fn of(population: &Population<F>) -> Self {
        let count = population.neurons.len();
        let zeros = || vec![F::zero(); count];
        Self {
            counts: vec![F::zero(); population.lines + count],
            drive: zeros(),
            omega: zeros(),
            weight: zeros(),
            lambda: zeros(),
            firing: zeros(),
            trace: zeros(),
            weighed: zeros(),
            returned: zeros(),
            held: vec![0; count],
            effects: Vec::new(),
        }
    }

    /// Spikes of the lines, then of the neurons.
    fn count(&mut self, lines: usize, input: &Spikes, own: &Spikes) {
        self.counts.fill(F::zero());
        for step in 0..input.steps() {
            input.at(step).iter().for_each(|&line| self.counts[line as usize] += F::one());
            let own = own.at(step).iter();
            own.for_each(|&neuron| self.counts[lines + neuron as usize] += F::one());
        }
    }

    /// Goes backward through the steps; `add` gets the traces for each spike of a source one step before, and
    /// whether the source is a line.
    fn pass(
        &mut self,
        population: &Population<F>,
        input: &Spikes,
        own: &Spikes,
        mut add: impl FnMut(bool, usize, Traces<'_, F>),
    ) {
        let Population { lines, neurons, rates, .. } = population;
        let longest = neurons.refractory.iter().copied().max().unwrap_or(0) as usize;
        self.firing.fill(F::zero());
        self.trace.fill(F::zero());
        self.held.fill(i64::MAX);
        for step in (1..input.steps()).rev() {
            // A neuron that fired T_ref steps ago is refractory from there to here.
            for ago in 1..=longest.min(step) {
                for &neuron in own.at(step - ago) {
                    let neuron = neuron as usize;
                    if neurons.refractory[neuron] as usize == ago {
                        self.held[neuron] = (step - ago) as i64;
                    }
                }
            }
            self.decay(&rates.membrane, step as i64);
            own.at(step).iter().for_each(|&neuron| self.firing[neuron as usize] = F::one());
            vectorised(
                #[inline(always)]
                || self.follow(&rates.gain, &rates.synapse),
            );
            let before = step - 1;
            let traces =
                || Traces { plain: &self.trace, weighed: &self.weighed, returned: &self.returned };
            vectorised(
                #[inline(always)]
                || {
                    input.at(before).iter().for_each(|&line| add(true, line as usize, traces()));
                    if population.is_recurrent() {
                        let own = own.at(before).iter();
                        own.for_each(|&neuron| add(false, lines + neuron as usize, traces()));
                    }
                },
            );
        }
    }

    /// Decay of the units at the firings, 0 while refractory.
    fn decay(&mut self, membrane: &[F], step: i64) {
        let cells = self.firing.iter_mut().zip(membrane).zip(&self.held);
        for ((firing, &decay), &held) in cells {
            *firing = if step > held { F::zero() } else { decay * *firing };
        }
    }

    #[inline(always)]
    fn follow(&mut self, gain: &[F], synapse: &[F]) {
        let count = self.trace.len();
        let (gain, synapse, firing) = (&gain[..count], &synapse[..count], &self.firing[..count]);
        let (weight, lambda) = (&self.weight[..count], &self.lambda[..count]);
        let (weighed, returned) = (&mut self.weighed[..count], &mut self.returned[..count]);
        let trace = &mut self.trace[..count];
        for place in 0..count {
            trace[place] = gain[place] * firing[place] + synapse[place] * trace[place];
            weighed[place] = weight[place] * trace[place];
            returned[place] = lambda[place] * trace[place];
        }
    }

    /// Divides the sums of the lines by their counts, and adds what a ratio of one half gives.
    fn finish(&mut self, population: &Population<F>, of_lines: &mut [F]) {
        let lines = population.lines;
        let half: F = nalgebra::convert(0.5);
        // λ of silent neurons.
        for (place, silent) in self.returned.iter_mut().enumerate() {
            let is_silent = self.counts[lines + place] <= F::zero();
            *silent = if is_silent { self.lambda[place] } else { F::zero() };
        }
        for (line, of_line) in of_lines.iter_mut().enumerate() {
            let row = population.row(line);
            *of_line = if self.counts[line] > F::zero() {
                *of_line / self.counts[line] + half * dot(row, &self.returned)
            } else {
                half * dot(row, &self.lambda)
            };
        }
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
