//! What a rig can fail with.

use super::refusal::Refusal;

/// A failure between the host and a real device.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RigError {
    /// Nothing answers as a device should.
    #[error("nothing answered hello for {seconds:.1} s ({damaged} damaged frames); {advice}")]
    NoAnswer {
        /// How long was tried.
        seconds: f64,
        /// Pieces of the stream that were no frames.
        damaged: u64,
        /// What to look at.
        advice: String,
    },
    /// It answered before, and does no more.
    #[error(
        "the device stopped answering: {timeouts} timeouts in a row, {damaged} damaged frames since the link was opened{advice}"
    )]
    Silent {
        /// Timeouts without progress.
        timeouts: u32,
        /// Pieces of the stream that were no frames.
        damaged: u64,
        /// What to change where it may only be slow; may be empty.
        advice: String,
    },
    /// The device says that it is busy, without end.
    #[error("the device has been busy with one frame for {seconds:.0} s{advice}")]
    BusyTooLong {
        /// How long.
        seconds: f64,
        /// What to change where it may only be slow; may be empty.
        advice: String,
    },
    /// The device refused a frame, or failed.
    #[error("the device refused ({refusal}): {text}")]
    Refused {
        /// Why.
        refusal: Refusal,
        /// In the device's words.
        text: String,
    },
    /// A measurement failed on the device, each time that it was asked for.
    #[error("{}: {text}", measurements_failed(*tries))]
    Failed {
        /// How often the shots were asked for.
        tries: u32,
        /// In the device's words: the last lines of its traceback, where it has one.
        text: String,
    },
    /// The device restarts again and again.
    #[error(
        "the device restarted {restarts} times without one more shot played; {why}{}",
        in_words(last_words)
    )]
    KeepsRestarting {
        /// Restarts since the last shot that was played.
        restarts: u32,
        /// How the link ended the last time.
        why: String,
        /// The last lines that its program printed on standard error, where they are known.
        last_words: String,
    },
    /// The device's account of itself makes no sense, or does not fit what is asked of it.
    #[error("the device does not fit: {0}")]
    Unfit(String),
    /// The device restarted while it was driven, and its shots depend on each other.
    #[error(
        "the device restarted while it was driven; what it does depends on the shots before, so none is played again: start the run again"
    )]
    Restarted,
    /// Another host opened a session.
    #[error("another host took the device; stop it, then try again")]
    Taken,
    /// The device asks for a token that this host does not have.
    #[error("the device asks for a token: {0}")]
    Token(String),
    /// What answers did not prove that it knows the token of this host: it may be anyone.
    #[error("{0}")]
    Stranger(String),
    /// The token that is set here is none.
    #[error("{0}")]
    UnfitToken(String),
    /// Another host has the device.
    #[error("{0}; stop it, then try again")]
    InUse(String),
    /// The program was told to stop.
    #[error("interrupted")]
    Interrupted,
    /// The link could not be opened, or not opened again.
    #[error("{0}")]
    Link(String),
    /// The device did not confirm its safe state.
    #[error(
        "{}THE DEVICE MAY STILL BE DRIVEN: {problem}; look after it", after_in_words(after.as_deref())
    )]
    NotSafe {
        /// Why it is not known to be safe.
        problem: String,
        /// What failed before the safe state was asked for, if anything.
        after: Option<Box<RigError>>,
    },
}

impl RigError {
    /// Whether the program was told to stop, and nothing else is wrong.
    #[must_use]
    pub fn is_interruption(&self) -> bool {
        matches!(self, Self::Interrupted)
    }
}

fn measurements_failed(tries: u32) -> String {
    match tries {
        0 | 1 => "the measurement failed".to_owned(),
        tries => format!("the measurement failed {tries} times in a row"),
    }
}

fn in_words(last_words: &str) -> String {
    if last_words.is_empty() { String::new() } else { format!(":\n{last_words}") }
}

fn after_in_words(after: Option<&RigError>) -> String {
    after.map_or_else(String::new, |error| format!("{error}; "))
}
