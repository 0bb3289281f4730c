//! Memory of a player, for one batch after the other.

use crate::neuromorphic::block::Lanes;
use crate::neuromorphic::spikes::Spikes;

/// What a player computes of a batch before it plays the shots.
#[derive(Clone, Debug, Default)]
pub(super) struct PlayerMemory {
    /// Input of the lines to each neuron, `[shot][step][neuron]`.
    pub by_lines: Vec<f32>,
    /// Weights of a block of neurons.
    pub packed: Vec<Lanes<f32>>,
    /// The spikes that arrive, shot after shot.
    pub arriving: Spikes,
}
