//! How long a host waits.

use std::time::Duration;

/// How patient a host is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Patience {
    /// Between two hellos.
    pub hello_period: Duration,
    /// Until a device must have answered hello: boards restart when their port is opened.
    pub hello: Duration,
    /// Timeouts in a row without hearing anything before the device counts as gone.
    pub silent_timeouts: u32,
    /// Timeouts in a row without progress, although something is heard.
    pub noisy_timeouts: u32,
    /// It does not count as gone before it was silent for so long, however many timeouts that is.
    pub silence: Duration,
    /// How long a device may say that it is busy with one frame, beyond ten times what it takes.
    pub busy: Duration,
    /// How often in a row a measurement that failed on the device is asked for again; never on a device
    /// whose shots depend on each other.
    pub retries: u32,
}

impl Patience {
    /// How long a program that was started, and runs, may take to answer.
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
