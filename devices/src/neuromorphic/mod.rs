//! Neuromorphic devices: populations of spiking neurons.
//!
//! Their drives and readings are rasters: banks of lines × steps with a cell of 1 for a spike and 0 without one.

mod lif_chip;
mod likelihood;
mod population;
mod real;
mod spike_train;
mod spikes;
mod surrogate;

pub use lif_chip::{LifChip, LifChipConfig, LifReadout, SpikeGradient};
pub use population::{Neurons, Population};
pub use real::Real;
pub use spike_train::{Jacobian, SpikeTrain, SpikeTrainCotangents};
pub use spikes::Spikes;
pub use surrogate::{Relaxed, SurrogateCotangents};
