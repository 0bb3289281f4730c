//! A chip as constants, for a computation of its equation elsewhere.

use super::chip::{LARGEST_MEMBRANE, LifChip};
use super::config::LifReadout;
use crate::neuromorphic::Neurons;
use crate::neuromorphic::population::Rates;

/// The constants of the equation of one copy, and of its noise; weights are parameters.
#[derive(Clone, Debug)]
pub struct LifChipConstants<'a> {
    /// Input lines N.
    pub lines: usize,
    /// Steps T of a shot.
    pub steps: usize,
    /// Whether neurons are connected with each other; none with itself.
    pub is_recurrent: bool,
    /// What is read.
    pub readout: LifReadout,
    /// The neurons as built.
    pub neurons: Neurons<f32>,
    /// Membrane above which each neuron fires: ν, less what rounding may take from a membrane.
    pub firing: Vec<f32>,
    /// Gain of each synapse, `[source][neuron]`: the lines, then the neurons.
    pub gains: &'a [f32],
    /// Weights are rounded to whole multiples of it, halves away from 0; 0 is continuous.
    pub weight_step: f32,
    /// Membranes that are read go up to it, and down to its negative.
    pub largest_membrane: f32,
    /// Standard deviation of what a step adds to a membrane.
    pub membrane_noise: f32,
    /// Probability that a spike is lost, on the way to the chip and from it.
    pub spike_loss: f64,
    /// Probability that a recorded spike is one step late.
    pub spike_jitter: f64,
}

impl LifChip {
    /// The constants of this copy's equation, for code that computes it by other means.
    #[must_use]
    pub fn as_built(&self) -> LifChipConstants<'_> {
        let neurons = self.built();
        let [.., threshold] = self.design;
        LifChipConstants {
            lines: self.lines,
            steps: self.steps,
            is_recurrent: self.is_recurrent,
            readout: self.readout,
            firing: Rates::of(&neurons).firing,
            neurons,
            gains: &self.gains,
            weight_step: self.weight_step,
            largest_membrane: LARGEST_MEMBRANE as f32 * threshold,
            membrane_noise: self.link.noise,
            spike_loss: self.link.loss,
            spike_jitter: self.link.jitter,
        }
    }
}
