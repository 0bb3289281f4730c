//! The likelihood of measured spikes, by which a population's constants are learned.
//!
//! ```text
//! P(s[t] = 1) = 1 / (1 + exp(−u[t] / w))         u = v / ν − 1
//! L = −Σ log P over the cells that are not refractory
//! ```
//!
//! The membrane v is that of the equation, with the resets and the recurrent input of the measured spikes: a spike of the
//! equation at another time has no part in it. So L is smooth in the constants, and each cell tells its own v, where the
//! squared error of predicted spikes jumps. This is the likelihood of a generalised linear model of spikes (Paninski,
//! Network: Computation in Neural Systems 15, 243, 2004) with the hazard of a logistic function.

use super::real::Real;
use super::replay::Measured;
use super::spikes::Spikes;
use super::surrogate::{Back, OfCells, Relaxed, Shot, SurrogateCotangents, Workspace};

/// w: the share of the threshold over which a firing becomes likely.
const WIDTH: f64 = 0.1;

/// Adds the derivatives of L for spikes `measured` at `input` to `of`, whose constants are there; returns L.
pub(super) fn misfit<F: Real>(
    relaxed: &Relaxed<F>,
    input: &Spikes,
    measured: &Spikes,
    of: &mut SurrogateCotangents<F>,
    work: &mut Workspace<F>,
) -> F {
    let neurons = &relaxed.population().neurons;
    let count = neurons.len();
    let no_cells = vec![F::zero(); count];
    let of_cells = OfCells::Counts(&no_cells);
    let spikes = Measured { input, spikes: measured, membrane: None };
    let replay = relaxed.replay(std::iter::once(spikes), true, work);
    let mut of_membrane = vec![F::zero(); input.steps() * count];
    let mut fires = vec![F::zero(); count];
    let (width, mut total) = (nalgebra::convert::<f64, F>(WIDTH), F::zero());
    for step in 0..input.steps() {
        fires.fill(F::zero());
        measured.at(step).iter().for_each(|&neuron| fires[neuron as usize] = F::one());
        for (place, &fires) in fires.iter().enumerate() {
            let cell = step * count + place;
            if replay.slope[cell] == F::zero() {
                continue;
            }
            let (v, threshold) = (replay.membrane[cell], neurons.threshold[place]);
            let odds = (v / threshold - F::one()) / width;
            // log(1 + exp(odds)) − s odds, without overflow.
            let tail = (-odds.abs()).exp();
            total += tail.ln_1p() + odds.max(F::zero()) - fires * odds;
            let positive = F::one() / (F::one() + tail);
            let probability = if odds > F::zero() { positive } else { F::one() - positive };
            let of_distance = (probability - fires) / width;
            of_membrane[cell] = of_distance / threshold;
            of.threshold[place] -= of_distance * v / (threshold * threshold);
        }
    }
    let shot = Shot { measured: spikes, of_cells, of_membrane: Some(&of_membrane) };
    relaxed.go_back(&[shot], replay, of, Back::Synapses, work);
    total
}
