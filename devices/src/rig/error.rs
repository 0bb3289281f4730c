//! What a rig can fail with.

use super::message::Refusal;

/// A failure between the host and a real device.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RigError {
    /// Nothing answers as a device should.
    #[error(
        "nothing answered hello for {seconds:.1} s ({damaged} damaged frames); is the device on, is it the right port, and do both ends use one baud rate?"
    )]
    NoAnswer {
        /// How long was tried.
        seconds: f64,
        /// Pieces of the stream that were no frames.
        damaged: u64,
    },
    /// It answered before, and does no more.
    #[error(
        "the device stopped answering: {timeouts} timeouts in a row, {damaged} damaged frames since the link was opened; it was told to go to its safe state"
    )]
    Silent {
        /// Timeouts without progress.
        timeouts: u32,
        /// Pieces of the stream that were no frames.
        damaged: u64,
    },
    /// The device says that it is busy, without end.
    #[error(
        "the device has been busy with one frame for {seconds:.0} s; it was told to go to its safe state"
    )]
    BusyTooLong {
        /// How long.
        seconds: f64,
    },
    /// The device refused a frame, or failed.
    #[error("the device refused ({refusal}): {text}")]
    Refused {
        /// Why.
        refusal: Refusal,
        /// In the device's words.
        text: String,
    },
    /// The device's account of itself makes no sense, or does not fit what is asked of it.
    #[error("the device does not fit: {0}")]
    Unfit(String),
    /// The device restarted while it was driven, and its shots depend on each other.
    #[error(
        "the device restarted while it was driven; what it does depends on the shots before, so none is played again: start the run anew"
    )]
    Restarted,
    /// Another host opened a session.
    #[error("another host took the device; stop it, then try again")]
    Taken,
    /// The device asks for a token that this host does not have.
    #[error("the device asks for a token: {0}")]
    Token(String),
    /// Another host has the device.
    #[error("{0}; stop it, then try again")]
    InUse(String),
    /// The program was told to stop.
    #[error("interrupted; the device was told to go to its safe state")]
    Interrupted,
    /// The link could not be opened, or not opened again.
    #[error("{0}")]
    Link(String),
}
