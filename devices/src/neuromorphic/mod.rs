//! Neuromorphic devices: chips of spiking neurons.
//!
//! The drives and readings of `lif_chip` are rasters: banks of lines × steps with a cell of 1 for a spike and 0 without one.

mod block;
mod by_line;
mod learning_chip;
mod lif_chip;
mod likelihood;
mod population;
mod real;
mod replay;
mod spike_train;
mod spikes;
mod surrogate;
mod traces;

pub use learning_chip::{Feedback, LearningChip, LearningChipChannels, LearningChipConfig};
pub use lif_chip::{LifChip, LifChipConfig, LifChipConstants, LifReadout, SpikeGradient};
pub use population::{Neurons, Population};
pub use real::Real;
pub use spike_train::{Jacobian, SpikeTrain, SpikeTrainCotangents};
pub use spikes::Spikes;
pub use surrogate::{Relaxed, SurrogateCotangents};
