//! Neuromorphic devices: chips of spiking neurons.

mod learning_chip;

pub use learning_chip::{Feedback, LearningChip, LearningChipChannels, LearningChipConfig};
