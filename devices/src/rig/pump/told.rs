//! Reports that a pump has made already.

use std::time::Duration;

use crate::rig::host::Host;

/// A wait without progress is reported after this time.
pub(super) const WAIT: Duration = Duration::from_secs(2);

/// Reports made so far.
#[derive(Default)]
pub(super) struct Told {
    /// Answers, and the time of the last one.
    pub answers: u64,
    pub progress: Duration,
    /// Earliest time of the next report of a wait.
    pub next_wait: Duration,
    pub retried: u64,
    pub is_slow: bool,
    /// Length of the wait for the safe state at the next report.
    pub next_wait_for_safety: Duration,
}

impl Told {
    /// A batch begins.
    pub fn begins(&mut self, host: &Host) {
        self.answers = host.answers();
        self.progress = Duration::MAX;
    }

    /// A wait for the safe state begins.
    pub fn waits_for_safety(&mut self) {
        self.next_wait_for_safety = WAIT;
    }
}
