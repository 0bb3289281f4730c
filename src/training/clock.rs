//! When checkpoints are due.

use std::time::{Duration, Instant};

use super::TrainingProgress;

/// When checkpoints are made, besides at the start and when the training is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checkpoints {
    /// Never, not even then.
    Never,
    /// Each time after so many steps, at least one.
    Steps(u64),
    /// Each time after this duration.
    Every(Duration),
}

/// The time that a training has taken, and when its next checkpoint is due.
pub(super) struct Clock {
    start: Instant,
    /// Seconds before the start.
    before: f64,
    checkpoints: Checkpoints,
    last_steps: u64,
    last_time: Instant,
}

impl Clock {
    /// The clock of a training at `progress`.
    pub fn new(progress: &TrainingProgress, checkpoints: Checkpoints) -> Self {
        let (start, before) = (Instant::now(), progress.seconds);
        Self { start, before, checkpoints, last_steps: progress.steps, last_time: start }
    }

    /// Updates the seconds of `progress` and says whether a checkpoint is due there.
    pub fn is_due(&mut self, progress: &mut TrainingProgress, is_stopping: bool) -> bool {
        progress.seconds = self.before + self.start.elapsed().as_secs_f64();
        let is_due = match self.checkpoints {
            Checkpoints::Never => false,
            Checkpoints::Steps(steps) => {
                let steps = steps.max(1);
                is_stopping || progress.steps / steps > self.last_steps / steps
            }
            Checkpoints::Every(time) => is_stopping || self.last_time.elapsed() >= time,
        };
        if is_due {
            (self.last_steps, self.last_time) = (progress.steps, Instant::now());
        }
        is_due
    }
}
