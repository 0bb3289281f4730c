//! What a pump has reported already.

use std::time::Duration;

use crate::rig::host::Host;

/// A wait without progress is reported after this time.
pub(super) const WAIT: Duration = Duration::from_secs(2);

/// What has been reported.
#[derive(Default)]
pub(super) struct Told {
    /// Answers, and when the last of them came.
    pub answers: u64,
    pub progress: Duration,
    /// When the next wait is told of at the earliest.
    pub next_wait: Duration,
    pub retried: u64,
    pub is_slow: bool,
    /// How long the safe state is waited for when that is told of next.
    pub next_wait_for_safety: Duration,
}

impl Told {
    /// A batch begins.
    pub fn begins(&mut self, host: &Host) {
        self.answers = host.answers();
        self.progress = Duration::MAX;
    }

    /// The safe state is waited for from now on.
    pub fn waits_for_safety(&mut self) {
        self.next_wait_for_safety = WAIT;
    }
}
