//! The traces of neurons behind spikes, from the last step back to the first: what a unit of input gives to the membranes with
//! which the neurons fire.

use std::ops::Range;

use super::block::{LANES, Lanes};
use super::by_line::ByLine;
use super::population::Population;
use super::real::Real;
use super::spikes::Spikes;

/// A shot: the spikes of its lines and of its neurons, and the cotangents of the neurons' counts.
#[derive(Clone, Copy)]
pub(super) struct Trains<'a, F> {
    pub input: &'a Spikes,
    pub own: &'a Spikes,
    pub of_counts: &'a [F],
}

/// Steps whose traces are kept until their spikes take them.
pub(super) const STEPS_AT_ONCE: usize = 128;

/// A shot with its spikes line by line, for [`STEPS_AT_ONCE`] steps after the other.
pub(super) struct Sources<'a, F> {
    pub shot: Trains<'a, F>,
    lines: Vec<ByLine>,
    /// Of the neurons, where there are synapses among them.
    neurons: Vec<ByLine>,
}

impl<'a, F: Real> Sources<'a, F> {
    /// What fires in the last step reaches nobody.
    pub fn of(population: &Population<F>, shot: Trains<'a, F>) -> Self {
        let count = if population.is_recurrent() { population.neurons.len() } else { 0 };
        let steps = shot.input.steps().saturating_sub(1);
        let by_line = |spikes: &Spikes, lines| {
            let firsts = (0..steps).step_by(STEPS_AT_ONCE);
            let sorted = firsts.map(|first| {
                let mut sorted = ByLine::default();
                sorted.sort(spikes, lines, first..(first + STEPS_AT_ONCE).min(steps));
                sorted
            });
            sorted.collect()
        };
        let (lines, neurons) = (by_line(shot.input, population.lines), by_line(shot.own, count));
        Self { shot, lines, neurons }
    }
}

/// The sums of the traces of `block` behind the spikes of each source; some steps of a shot at a time.
#[inline(always)]
pub(super) fn sum_traces<F: Real>(
    population: &Population<F>,
    sources: &Sources<'_, F>,
    block: &Range<usize>,
    mut each: impl FnMut(usize, &Lanes<F>),
) {
    let mut traces = [Lanes::zero(); STEPS_AT_ONCE];
    follow(
        population,
        &sources.shot,
        block,
        #[inline(always)]
        |before, trace| {
            traces[before % STEPS_AT_ONCE].set(trace);
            if before % STEPS_AT_ONCE == 0 {
                let part = before / STEPS_AT_ONCE;
                let parts = [&sources.lines[part], &sources.neurons[part]];
                for (part, first) in parts.into_iter().zip([0, population.lines]) {
                    part.sum_rows(
                        &traces,
                        #[inline(always)]
                        |line, sum| each(first + line, sum),
                    );
                }
            }
        },
    );
}

/// Goes backward through the steps with the neurons of `block`; `each_step` gets the step before and their traces, which a
/// spike in that step meets.
#[inline(always)]
fn follow<F: Real>(
    population: &Population<F>,
    shot: &Trains<'_, F>,
    block: &Range<usize>,
    mut each_step: impl FnMut(usize, &Lanes<F>),
) {
    let Population { neurons, rates, .. } = population;
    let Trains { input, own, .. } = *shot;
    let first = block.start;
    let [membrane, gain, synapse] =
        [&rates.membrane, &rates.gain, &rates.synapse].map(|rates| Lanes::of(rates, block));
    let refractory = &neurons.refractory[block.clone()];
    let longest = refractory.iter().copied().max().unwrap_or(0) as usize;
    let [mut firing, mut trace] = [Lanes::zero(); 2];
    // A neuron is refractory in the steps above this one.
    let mut held = [u32::MAX; LANES];
    for step in (1..input.steps()).rev() {
        // A neuron that fired T_ref steps ago is refractory from there to here.
        for ago in 1..=longest.min(step) {
            for &neuron in own.within(step - ago, block) {
                let place = neuron as usize - first;
                if refractory[place] as usize == ago {
                    held[place] = (step - ago) as u32;
                }
            }
        }
        for (place, &held) in held.iter().enumerate() {
            let is_held = step as u32 > held;
            let decayed = membrane.0[place] * firing.0[place];
            firing.0[place] = if is_held { F::zero() } else { decayed };
        }
        for &neuron in own.within(step, block) {
            firing.0[neuron as usize - first] = F::one();
        }
        for place in 0..LANES {
            let driven = gain.0[place] * firing.0[place];
            trace.0[place] = driven + synapse.0[place] * trace.0[place];
        }
        each_step(step - 1, &trace);
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::neuromorphic::block::blocks;
    use crate::neuromorphic::population::Neurons;
    use crate::neuromorphic::real::add;
    use crate::random;

    /// Spikes of `lines` lines, each in every fourth step or so.
    fn spikes(lines: usize, steps: usize, purpose: &str) -> Spikes {
        let mut random = random::stream(1, purpose);
        let cells: Vec<f32> =
            (0..lines * steps).map(|_| f32::from(random.random::<f32>() < 0.25)).collect();
        Spikes::of_raster(&cells, lines)
    }

    #[test]
    fn sums_of_traces_are_those_spike_by_spike_for_any_number_of_steps() {
        let (lines, count) = (5, 70);
        let neurons = Neurons::uniform(count, 20.0, 5.0, 1.0, 2);
        let synapses = vec![0.1; (lines + count) * count];
        let population = Population::<f64>::new(lines, neurons, synapses);
        for steps in
            [1, 2, STEPS_AT_ONCE, STEPS_AT_ONCE + 1, STEPS_AT_ONCE + 2, 2 * STEPS_AT_ONCE + 1]
        {
            let (input, own) = (spikes(lines, steps, "input"), spikes(count, steps, "own"));
            let shot = Trains { input: &input, own: &own, of_counts: &[] };
            let sources = Sources::of(&population, shot);
            let [mut found, mut expected] = [(); 2].map(|()| vec![0.0; (lines + count) * count]);
            for block in blocks(count) {
                sum_traces(&population, &sources, &block, |source, sum| {
                    add(&mut found[source * count..][block.clone()], &sum.0);
                });
                follow(&population, &shot, &block, |before, trace| {
                    let sources = input.at(before).iter().map(|&line| line as usize);
                    let sources =
                        sources.chain(own.at(before).iter().map(|&own| lines + own as usize));
                    for source in sources {
                        add(&mut expected[source * count..][block.clone()], &trace.0);
                    }
                });
            }
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-12, "{steps} steps: {found}, {expected}");
            }
            assert_eq!(expected.iter().any(|&effect| effect > 0.0), steps > 1);
        }
    }
}
