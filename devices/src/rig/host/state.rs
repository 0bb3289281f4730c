//! What a host knows of its device, its link and its requests.

use std::time::Duration;

use crate::rig::message::{Description, Greeting};
use crate::rig::token::{Nonce, Token};

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// In numbers.
    pub greeting: Greeting,
    /// In words.
    pub description: Description,
}

/// Where a link is.
pub(super) enum State {
    /// Not in use: the next batch begins with hello.
    Closed,
    /// Asking who is there, and opening a session.
    Handshake { step: Step, since: Duration, next_send: Duration, tries: u32 },
    /// In a session.
    Ready,
}

/// What a handshake waits for.
pub(super) enum Step {
    Hello { first_nonce: u32 },
    Describe { greeting: Greeting, received: Vec<u8> },
    Open { greeting: Greeting, resumed: bool },
}

/// What a host knows of the token, and of the device's challenge.
#[derive(Default)]
pub(super) struct Admission {
    pub token: Option<Token>,
    /// The challenge that is being answered, and the host's own number.
    pub challenge: Option<(Nonce, Nonce)>,
    pub wants_proof: bool,
    /// Whether the device must prove that it knows the token, on this connection,
    pub is_required: bool,
    /// and has done so.
    pub is_proved: bool,
}

/// A piece of a batch that fits a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Parameters from `offset` on.
    Configure { offset: usize, count: usize },
    /// Shots from `first` on.
    Play { first: usize, shots: usize },
}

/// A request with its number, until it and all before it are answered.
pub(super) struct Pending {
    pub request: Request,
    pub epoch: u16,
    pub bytes: usize,
    /// Whether it is to be sent, for the first time or again.
    pub due: bool,
    pub sent: Option<Duration>,
    pub repeats: u32,
    /// When it was sent for the first time.
    pub first_sent: Duration,
    /// Sent again because a later answer overtook its own.
    pub overtaken: bool,
    pub answered: bool,
}

/// Shots that are being measured.
#[derive(Default)]
pub(super) struct Batch {
    pub inputs: Vec<f32>,
    pub outputs: Vec<f32>,
    pub shots: usize,
    /// The first shot that no request holds yet.
    pub next: usize,
}

/// Timeouts since the last progress.
#[derive(Default)]
pub(super) struct Timeouts {
    pub silent: u32,
    pub noisy: u32,
    pub heard: bool,
}

/// What is known of the device's safe state.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Safety {
    /// It may be driven: it was not asked since the last shot, or since it was found.
    Unknown,
    /// It is asked for.
    Asked(Asked),
    /// The device has confirmed it, and no shot was sent since.
    Confirmed,
    /// The device could not reach it, or did not confirm it; the text says which.
    Failed(String),
}

/// A request for the safe state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Asked {
    /// Its number: a late answer to an earlier request confirms nothing.
    pub number: u32,
    pub next_send: Duration,
    pub period: Duration,
    /// Whether it was sent.
    pub sent: bool,
    /// When it was sent for the first time.
    pub first_sent: Option<Duration>,
    /// Time that the shots which were on the way take, before the safe state begins.
    pub shots: Duration,
    /// When the device said last that it is still at these shots.
    pub played: Option<Duration>,
}
