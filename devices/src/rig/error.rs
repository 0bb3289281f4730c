//! Failures of a rig.

use super::refusal::Refusal;

/// A failure between the host and a real device.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RigError {
    /// No device answers.
    #[error("nothing answered hello for {seconds:.1} s ({damaged} damaged frames); {advice}")]
    NoAnswer {
        /// Seconds waited.
        seconds: f64,
        /// Damaged pieces of the stream.
        damaged: u64,
        /// What to check.
        advice: String,
    },
    /// The device answered before and then stopped.
    #[error(
        "the device stopped answering: {timeouts} timeouts in a row, {damaged} damaged frames since the link was opened{advice}"
    )]
    Silent {
        /// Timeouts without progress.
        timeouts: u32,
        /// Damaged pieces of the stream.
        damaged: u64,
        /// What to change if the device is only slow; may be empty.
        advice: String,
    },
    /// The device has been busy for too long.
    #[error("the device has been busy with one frame for {seconds:.0} s{advice}")]
    BusyTooLong {
        /// Seconds busy.
        seconds: f64,
        /// What to change if the device is only slow; may be empty.
        advice: String,
    },
    /// The device refused a frame, or failed.
    #[error("the device refused ({refusal}): {text}")]
    Refused {
        /// Why.
        refusal: Refusal,
        /// The device's message.
        text: String,
    },
    /// A measurement failed on the device, also when it was retried.
    #[error("{}: {text}", failed("the measurement", *tries))]
    Failed {
        /// Number of tries.
        tries: u32,
        /// The device's message: the last lines of its traceback, if it has one.
        text: String,
    },
    /// The device's twin failed, also when it was asked again.
    #[error("{}: {text}", failed("the twin", *tries))]
    TwinFailed {
        /// Number of tries.
        tries: u32,
        /// The device's message, as of a measurement.
        text: String,
    },
    /// The device restarts repeatedly.
    #[error(
        "the device restarted {} without one more shot played; {why}{}",
        times(*restarts),
        in_words(last_words)
    )]
    KeepsRestarting {
        /// Restarts since the last shot that was played.
        restarts: u32,
        /// How the link ended the last time.
        why: String,
        /// The last lines that its program printed on standard error, if known.
        last_words: String,
    },
    /// The device's description is invalid, or does not fit the request.
    #[error("the device does not fit: {0}")]
    Unfit(String),
    /// The device restarted while it was driven, and its shots depend on each other.
    #[error(
        "the device restarted while it was driven; its shots depend on the shots before, so none is played again: start the run again"
    )]
    Restarted,
    /// Another host opened a session.
    #[error("another host took the device; stop it, then try again")]
    Taken,
    /// The device asks for a token that this host does not have.
    #[error("the device asks for a token: {0}")]
    Token(String),
    /// The device did not prove that it knows the token of this host.
    #[error("{0}")]
    Stranger(String),
    /// The token of this host is invalid.
    #[error("{0}")]
    UnfitToken(String),
    /// Another host uses the device.
    #[error("{0}; stop it, then try again")]
    InUse(String),
    /// The program was told to stop.
    #[error("interrupted")]
    Interrupted,
    /// The link could not be opened or reopened.
    #[error("{0}")]
    Link(String),
    /// The device did not confirm its safe state.
    #[error(
        "{}THE DEVICE MAY STILL BE DRIVEN: {problem}; check it", after_in_words(after.as_deref())
    )]
    NotSafe {
        /// Why it may not be safe.
        problem: String,
        /// The failure before the safe state was requested, if any.
        after: Option<Box<RigError>>,
    },
}

impl RigError {
    /// Whether this is [`RigError::Interrupted`].
    #[must_use]
    pub fn is_interruption(&self) -> bool {
        matches!(self, Self::Interrupted)
    }
}

fn failed(what: &str, tries: u32) -> String {
    match tries {
        0 | 1 => format!("{what} failed"),
        tries => format!("{what} failed {tries} times in a row"),
    }
}

fn times(count: u32) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

fn in_words(last_words: &str) -> String {
    if last_words.is_empty() { String::new() } else { format!(":\n{last_words}") }
}

fn after_in_words(after: Option<&RigError>) -> String {
    after.map_or_else(String::new, |error| format!("{error}; "))
}
