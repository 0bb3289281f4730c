//! The membranes of a population with the spikes that were measured: their resets, and their input to other neurons.

use std::ops::Range;

use super::block::{LANES, Lanes, blocks, pack, sized};
use super::population::Population;
use super::real::Real;
use super::spikes::Spikes;
use crate::elementary::vectorised;

/// What was measured of a shot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured<'a, F> {
    pub input: &'a Spikes,
    /// Spikes of the neurons.
    pub spikes: &'a Spikes,
    /// Membranes before the reset, step by step, where they were measured.
    pub membrane: Option<&'a [F]>,
}

/// The membranes of shots at their measured spikes, `[shot][step][neuron]`.
#[derive(Clone, Debug, Default)]
pub(super) struct Replay<F> {
    /// φ′(u) / ν; 0 while refractory. It is negative where the next step does not start from this membrane: after a reset.
    pub slope: Vec<F>,
    /// v and p, for the constants.
    pub membrane: Vec<F>,
    pub current: Vec<F>,
}

impl<F: Real> Replay<F> {
    /// Takes the place of an earlier replay: the membranes of `population` in `shots` with the slope β; v and p only for
    /// constants.
    pub fn play<'a>(
        &mut self,
        population: &Population<F>,
        steepness: F,
        shots: impl Iterator<Item = Measured<'a, F>> + Clone,
        has_constants: bool,
        packed: &mut Vec<Lanes<F>>,
    ) {
        let count = population.neurons.len();
        let cells = shots.clone().next().map_or(0, |shot| shot.input.steps() * count);
        let all = cells * shots.clone().count();
        let slope = sized(&mut self.slope, all);
        let kept = if has_constants { all } else { 0 };
        let (membrane, current) = (sized(&mut self.membrane, kept), sized(&mut self.current, kept));
        for block in blocks(count) {
            pack(packed, &population.synapses, count, &block);
            let neurons = Block::of(population, steepness, &block);
            for (place, shot) in shots.clone().enumerate() {
                let run = place * cells..(place + 1) * cells;
                let watch = |cell: usize, v: &Lanes<F>, p: &Lanes<F>| {
                    if has_constants {
                        v.write(&mut membrane[run.clone()][cell..][..count], &block);
                        p.write(&mut current[run.clone()][cell..][..count], &block);
                    }
                };
                let slope = &mut slope[run.clone()];
                vectorised(
                    #[inline(always)]
                    || neurons.replay(population, &shot, packed, slope, watch),
                );
            }
        }
    }
}

/// A block of neurons: what a step multiplies by; 1 as the threshold of places without a neuron.
struct Block<'a, F> {
    neurons: &'a Range<usize>,
    membrane: Lanes<F>,
    synapse: Lanes<F>,
    gain: Lanes<F>,
    threshold: Lanes<F>,
    /// β.
    slope: F,
}

impl<'a, F: Real> Block<'a, F> {
    fn of(population: &Population<F>, slope: F, neurons: &'a Range<usize>) -> Self {
        let rates = &population.rates;
        let [membrane, synapse, gain] =
            [&rates.membrane, &rates.synapse, &rates.gain].map(|rates| Lanes::of(rates, neurons));
        let mut threshold = Lanes::of(&population.neurons.threshold, neurons);
        threshold.0[neurons.len()..].fill(F::one());
        Self { neurons, membrane, synapse, gain, threshold, slope }
    }

    #[inline(always)]
    fn replay(
        &self,
        population: &Population<F>,
        shot: &Measured<'_, F>,
        packed: &[Lanes<F>],
        slopes: &mut [F],
        mut watch: impl FnMut(usize, &Lanes<F>, &Lanes<F>),
    ) {
        let (count, block, first) = (population.neurons.len(), self.neurons, self.neurons.start);
        let [mut v, mut p, mut slope] = [Lanes::zero(); 3];
        let mut waiting = [0_u32; LANES];
        for step in 0..shot.input.steps() {
            let x = population.gather(packed, shot.input, shot.spikes, step);
            for (place, waiting) in waiting.iter_mut().enumerate() {
                p.0[place] = self.synapse.0[place] * p.0[place] + x.0[place];
                let waits = *waiting > 0;
                *waiting -= u32::from(waits);
                let free = if waits { F::zero() } else { F::one() };
                let from = self.membrane.0[place] * v.0[place];
                v.0[place] = free * (from + self.gain.0[place] * p.0[place]);
                slope.0[place] = free;
            }
            watch(step * count, &v, &p);
            if let Some(measured) = shot.membrane {
                v = Lanes::of(&measured[step * count..][..count], block);
            }
            for place in 0..LANES {
                let threshold = self.threshold.0[place];
                let distance = (v.0[place] - threshold).abs() / threshold;
                let denominator = F::one() + self.slope * distance;
                slope.0[place] /= threshold * denominator * denominator;
            }
            for &neuron in shot.spikes.within(step, block) {
                let place = neuron as usize - first;
                v.0[place] = F::zero();
                slope.0[place] = -slope.0[place];
                waiting[place] = population.neurons.refractory[neuron as usize];
            }
            slope.write(&mut slopes[step * count..][..count], block);
        }
    }
}
