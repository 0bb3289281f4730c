//! Timeouts of a host.

use std::time::Duration;

/// Timeouts and retries of a host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Patience {
    /// Time between two hellos.
    pub hello_period: Duration,
    /// Time for an answer to hello: boards restart when their port is opened.
    pub hello: Duration,
    /// Timeouts in a row without any frame before the device counts as gone.
    pub silent_timeouts: u32,
    /// Timeouts in a row without progress, while frames arrive.
    pub noisy_timeouts: u32,
    /// Least silence before the device counts as gone, regardless of the number of timeouts.
    pub silence: Duration,
    /// Longest time that a device may be busy with one frame, beyond ten times its usual time.
    pub busy: Duration,
    /// Retries of a measurement that failed on the device; none if its shots depend on each other.
    pub retries: u32,
}

impl Patience {
    /// Time for an answer of a program that was started and is running.
    pub const PROGRAM: Duration = Duration::from_secs(300);
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            hello_period: Duration::from_millis(250),
            hello: Duration::from_secs(5),
            silent_timeouts: 5,
            noisy_timeouts: 64,
            silence: Duration::ZERO,
            busy: Duration::from_secs(600),
            retries: 3,
        }
    }
}
