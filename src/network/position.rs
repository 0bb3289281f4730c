//! The position of samples in a training, which selects their random numbers.

/// Samples of a training step. Each sample of each step has random numbers of its own, so that a batch in parts draws
/// the same numbers as a whole one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchPosition {
    /// The step, from zero.
    pub step: u64,
    /// Samples of the step's batch.
    pub batch: usize,
    /// The first of these samples that is passed through the network, from zero.
    pub first: usize,
}

impl BatchPosition {
    /// Rows of random numbers that belong to earlier samples, with `rows` for each sample.
    pub(super) fn rows_before(self, rows: usize) -> u64 {
        (self.step * self.batch as u64 + self.first as u64) * rows as u64
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
