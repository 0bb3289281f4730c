//! The position of samples in a training, which selects their random numbers.

/// Where samples that pass through the network together stand in a training. Each sample of each epoch has random numbers of
/// its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchPosition {
    /// The training step, from zero.
    pub step: u64,
    /// Samples that the training passed before these, over all its epochs.
    pub samples_before: u64,
}

impl BatchPosition {
    /// The position of the next step, after a step on `samples` samples.
    #[must_use]
    pub fn after(self, samples: usize) -> Self {
        Self { step: self.step + 1, samples_before: self.samples_before + samples as u64 }
    }

    /// Rows of random numbers that belong to earlier samples, with `rows` for each sample.
    pub(super) fn rows_before(self, rows: usize) -> u64 {
        self.samples_before * rows as u64
    }
}

/// A stage's own random numbers: the seed of the experiment, and the stage's place in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageSeed {
    /// The experiment's seed.
    pub seed: u64,
    /// The stage's place, from zero.
    pub place: usize,
}
