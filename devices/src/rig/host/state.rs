//! State of a host: the device, the link and the requests.

use std::time::Duration;

use super::frame_size::FrameSize;
use crate::rig::message::{Description, Greeting};
use crate::rig::token::{Nonce, Token};

/// The identity of a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// Its limits and its boot.
    pub greeting: Greeting,
    /// Its description.
    pub description: Description,
}

/// State of a link.
pub(super) enum State {
    /// Not in use: the next batch begins with hello.
    Closed,
    /// Identifying the device and opening a session.
    Handshake { step: Step, since: Duration, next_send: Duration, tries: u32 },
    /// In a session.
    Ready,
}

/// The answer that a handshake waits for.
pub(super) enum Step {
    Hello { first_nonce: u32 },
    Describe { greeting: Greeting, received: Vec<u8> },
    Open { greeting: Greeting, resumed: bool },
}

/// State of the authentication.
#[derive(Default)]
pub(super) struct Admission {
    pub token: Option<Token>,
    /// The current challenge and the host's own number.
    pub challenge: Option<(Nonce, Nonce)>,
    pub wants_proof: bool,
    /// Whether the device must prove on this connection that it knows the token.
    pub is_required: bool,
    /// Whether it has proved it.
    pub is_proved: bool,
}

/// A piece of a batch that fits a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Parameters from `offset` on.
    Configure { offset: usize, count: usize },
    /// Shots of the batch from `first` on.
    Shots { first: usize, shots: usize },
}

/// A request that is not answered yet, or that follows one.
pub(super) struct Pending {
    pub request: Request,
    pub epoch: u16,
    pub bytes: usize,
    /// Whether it is due to be sent or repeated.
    pub due: bool,
    pub sent: Option<Duration>,
    pub repeats: u32,
    /// Time of its first transmission.
    pub first_sent: Duration,
    /// Repeated because a later answer came first.
    pub overtaken: bool,
    pub answered: bool,
}

/// Shots that are being measured, predicted or pulled back.
#[derive(Default)]
pub(super) struct Batch {
    pub inputs: Vec<f32>,
    pub outputs: Vec<f32>,
    pub shots: usize,
    /// The first shot without a request.
    pub next: usize,
}

/// The pace of one kind of work: a device's twin takes another time than its shots.
#[derive(Default)]
pub(super) struct Tempo {
    pub frame_size: FrameSize,
    /// Earliest time of the next shots: their rate is limited, or they failed.
    pub next: Duration,
}

/// Timeouts since the last progress.
#[derive(Default)]
pub(super) struct Timeouts {
    pub silent: u32,
    pub noisy: u32,
    pub heard: bool,
}

/// Knowledge of the device's safe state.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Safety {
    /// It may be driven: the safe state was not requested since the last shot.
    Unknown,
    /// It has been requested.
    Asked(Asked),
    /// The device has confirmed it, and no shot was sent since.
    Confirmed,
    /// It failed or was not confirmed; the text says which.
    Failed(String),
}

/// A request for the safe state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Asked {
    /// Its number, because a late answer to an earlier request confirms nothing.
    pub number: u32,
    pub next_send: Duration,
    pub period: Duration,
    /// Whether it was sent.
    pub sent: bool,
    /// Time of its first transmission.
    pub first_sent: Option<Duration>,
    /// Time of the shots in flight, before the safe state begins.
    pub shots: Duration,
    /// Time of the last busy frame during these shots.
    pub played: Option<Duration>,
}
