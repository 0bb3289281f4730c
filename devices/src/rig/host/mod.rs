//! The host's end of a link: batches in, frames out; frames in, measurements out.
//!
//! It has no port, no clock and no thread: bytes and the time (since any start) come in by
//! [`receive`](Host::receive), bytes to be sent go out by [`transmit`](Host::transmit), and
//! [`deadline`](Host::deadline) says when to call again. So faults are repeatable from a seed, and ten thousand
//! faulty batches can be tested in a second.
//!
//! A batch becomes frames of a few shots. Several frames are in flight, as many as fit in the device's window.
//! The device plays strictly in order, and answers a frame that it has played already from its memory. A frame
//! without an answer is sent again.

mod admission;
mod answers;
mod frame_size;
mod handshake;
mod patience;
mod requests;
mod safety;
mod state;
#[cfg(test)]
mod tests;
mod waiting;

use std::collections::VecDeque;
use std::time::Duration;

pub use self::patience::Patience;
pub use self::state::Identity;
use self::state::{Admission, Batch, Pending, Request, Safety, State, Tempo, Timeouts};
use super::counts::LinkCounts;
use super::error::RigError;
use super::frame::{Decoder, Encoder, Frame, Header, Kind, LARGEST_FRAME};
use super::message::Health;
use super::timing::RoundTrip;
use super::values::Encoding;
use super::work::Work;

/// The host's end of a link.
pub struct Host {
    patience: Patience,
    encoding: Encoding,
    state: State,
    identity: Option<Identity>,
    session: u16,
    nonce: u32,
    admission: Admission,

    parameters: Vec<f32>,
    /// Number of the parameters' setting, from one.
    epoch: u16,
    /// The first parameter without a request; `None` once all are sent.
    unsent: Option<usize>,
    /// What the current batch, or the last one, is for.
    work: Work,
    batch: Option<Batch>,
    spare: Batch,
    /// Requests to repeat before any other.
    again: VecDeque<Request>,
    pending: VecDeque<Pending>,
    /// Sequence of the first pending request.
    base: u32,
    in_flight: usize,

    round_trip: RoundTrip,
    timer: Option<Duration>,
    timeouts: Timeouts,
    last_nak: Option<(u32, Duration)>,
    busy_since: Option<Duration>,
    /// Time of the last frame, and of the last answer to a request.
    last_heard: Duration,
    last_answer: Duration,
    /// The pace of each kind of work.
    tempi: [Tempo; Work::COUNT],
    /// Shots that were measured, or answered by the twin.
    shots_answered: u64,
    answers: u64,
    /// Failures of a measurement or of the twin since the last success, and the device's message of the last.
    failures: u32,
    last_failure: String,
    last_sent: Duration,

    safety: Safety,
    safe_requests: u32,
    wants_ping: bool,
    health: Option<Health>,
    outcome: Option<Result<(), RigError>>,
    counts: LinkCounts,
    decoder: Decoder,
    encoder: Encoder,
}

impl Host {
    /// A host that encodes values by `encoding`, if the device supports it.
    #[must_use]
    pub fn new(patience: Patience, encoding: Encoding) -> Self {
        Self {
            patience,
            encoding,
            state: State::Closed,
            identity: None,
            session: 0,
            nonce: 0,
            admission: Admission::default(),
            parameters: Vec::new(),
            epoch: 0,
            unsent: Some(0),
            work: Work::Play,
            batch: None,
            spare: Batch::default(),
            again: VecDeque::new(),
            pending: VecDeque::new(),
            base: 0,
            in_flight: 0,
            round_trip: RoundTrip::default(),
            timer: None,
            timeouts: Timeouts::default(),
            last_nak: None,
            busy_since: None,
            last_heard: Duration::ZERO,
            last_answer: Duration::ZERO,
            tempi: Default::default(),
            shots_answered: 0,
            answers: 0,
            failures: 0,
            last_failure: String::new(),
            last_sent: Duration::ZERO,
            safety: Safety::Unknown,
            safe_requests: 0,
            wants_ping: false,
            health: None,
            outcome: None,
            counts: LinkCounts::default(),
            decoder: Decoder::new(LARGEST_FRAME),
            encoder: Encoder::default(),
        }
    }

    /// Starts a handshake; [`outcome`](Self::outcome) reports its end.
    pub fn connect(&mut self, now: Duration) {
        self.outcome = None;
        self.greet(now);
    }

    /// Starts to measure `inputs`, `[shots · n_inputs]`, at `parameters`: [`ask`](Self::ask) for [`Work::Play`].
    pub fn play(&mut self, now: Duration, parameters: &[f32], inputs: &[f32]) {
        self.ask(now, Work::Play, parameters, inputs);
    }

    /// Starts `work` on shots of the `values` `[shots · width]` at `parameters`. The device must be known, both
    /// must fit its interface, and it must have a twin if the work is one's.
    pub fn ask(&mut self, now: Duration, work: Work, parameters: &[f32], values: &[f32]) {
        let identity = self.identity.as_ref().expect("work is for a device that is known");
        let interface = &identity.description.interface;
        let shots = values.len() / work.width(interface);
        let mut batch = std::mem::take(&mut self.spare);
        batch.inputs.clear();
        batch.inputs.extend_from_slice(values);
        batch.outputs.clear();
        batch.outputs.resize(shots * work.answer_width(interface), f32::NAN);
        (batch.shots, batch.next) = (shots, 0);
        self.work = work;
        self.batch = Some(batch);
        self.outcome = None;
        self.failures = 0;
        // Compared by bits, so that NaN is sent once and refused.
        let same = self.parameters.len() == parameters.len()
            && self.parameters.iter().zip(parameters).all(|(a, b)| a.to_bits() == b.to_bits());
        if !same {
            self.parameters.clear();
            self.parameters.extend_from_slice(parameters);
            self.configure_again();
        }
        match self.state {
            State::Closed => self.greet(now),
            State::Handshake { .. } | State::Ready => {}
        }
        self.end_if_complete();
    }

    /// The outcome of the handshake or batch, once it has ended.
    pub fn outcome(&mut self) -> Option<Result<(), RigError>> {
        self.outcome.take()
    }

    /// The answers of the last batch, `[shots · width]`: measurements, predictions or cotangents.
    #[must_use]
    pub fn outputs(&self) -> &[f32] {
        &self.spare.outputs
    }

    /// The identity of the device, once known.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// The last health that the device sent.
    #[must_use]
    pub fn health(&self) -> Option<Health> {
        self.health
    }

    /// Asks for the device's health.
    pub fn ask_health(&mut self) {
        self.health = None;
        self.wants_ping = true;
    }

    /// Counters of the link.
    #[must_use]
    pub fn counts(&self) -> LinkCounts {
        LinkCounts { frames_damaged: self.decoder.rejected().frames, ..self.counts }
    }

    /// Shots measured, or answered by the twin, since the link was created.
    #[must_use]
    pub fn shots_answered(&self) -> u64 {
        self.shots_answered
    }

    /// Answers of all kinds since the link was created.
    #[must_use]
    pub fn answers(&self) -> u64 {
        self.answers
    }

    /// Shots in flight, if the device is busy with them.
    #[must_use]
    pub fn busy_with(&self) -> Option<usize> {
        self.busy_since.map(|_| self.shots_on_the_way())
    }

    /// What the current batch, or the last one, is for.
    #[must_use]
    pub fn work(&self) -> Work {
        self.work
    }

    /// The device's message of the last failure of a measurement or of its twin; empty if none failed.
    #[must_use]
    pub fn last_failure(&self) -> &str {
        &self.last_failure
    }

    /// The link was reopened: a handshake comes first.
    pub fn reopened(&mut self, now: Duration) {
        self.decoder.reset();
        self.counts.reconnects += 1;
        if !matches!(self.state, State::Closed) {
            self.greet(now);
        }
    }

    /// Ends the current work with `error`.
    pub fn give_up(&mut self, error: RigError) {
        if self.outcome.is_none() {
            self.fail(error);
        }
    }

    /// The link is lost and cannot be reopened.
    pub fn lost(&mut self, why: String) {
        self.fail(RigError::Link(why));
    }

    /// Interrupts the current work.
    pub fn abandon(&mut self) {
        self.fail(RigError::Interrupted);
    }

    /// Latest time of the next call of [`transmit`](Self::transmit), if nothing is received.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let handshake = match &self.state {
            State::Handshake { next_send, .. } => Some(*next_send),
            _ => None,
        };
        let safe = self.safe_deadline();
        let pace = (self.next_has_shots() && self.has_room()).then_some(self.tempo().next);
        [handshake, self.timer, self.ping_time(), pace, safe].into_iter().flatten().min()
    }

    /// When to send a ping, if nothing else is sent.
    fn ping_time(&self) -> Option<Duration> {
        let watchdog = self.identity.as_ref()?.greeting.watchdog_milliseconds;
        (matches!(self.state, State::Ready) && watchdog > 0)
            .then(|| self.last_sent + Duration::from_millis(u64::from(watchdog)) / 3)
    }

    /// Takes bytes from the device.
    pub fn receive(&mut self, now: Duration, bytes: &[u8]) {
        let mut decoder = std::mem::replace(&mut self.decoder, Decoder::new(0));
        decoder.read(bytes, |frame| {
            self.counts.frames_received += 1;
            self.last_heard = now;
            if !self.take(now, &frame) {
                self.counts.frames_stale += 1;
            }
        });
        self.decoder = decoder;
        self.end_if_complete();
    }

    /// Takes a frame; false if it is no answer.
    fn take(&mut self, now: Duration, frame: &Frame<'_>) -> bool {
        let Header { kind, session, .. } = frame.header;
        let is_greeting = matches!(kind, Kind::Challenge | Kind::Proved | Kind::HelloReply);
        if self.is_stranger() && !is_greeting && !(kind == Kind::Error && session == 0) {
            return false;
        }
        if let Some(answers) = self.take_safety(now, frame) {
            return answers;
        }
        match kind {
            Kind::HelloReply => return self.take_greeting(now, frame).unwrap_or(false),
            Kind::Description => return self.take_description(now, frame).unwrap_or(false),
            Kind::Opened => return self.take_opened(frame).unwrap_or(false),
            Kind::Challenge => return self.take_challenge(frame).unwrap_or(false),
            Kind::Proved => return self.take_proved(now, frame).unwrap_or(false),
            Kind::Error if session == 0 => return self.take_rejection(frame).unwrap_or(false),
            Kind::Health => {
                let health = Health::read(frame.payload);
                self.health = health.or(self.health);
                self.timeouts.heard = true;
                return health.is_some();
            }
            // Still busy with an earlier session: it answers hello later.
            Kind::Busy if matches!(self.state, State::Handshake { .. }) => {
                return self.wait_for_busy_device(now);
            }
            _ => {}
        }
        if session != self.session || !matches!(self.state, State::Ready) {
            return false;
        }
        self.timeouts.heard = true;
        match kind {
            Kind::Measured
            | Kind::MeasuredCodes
            | Kind::MeasuredSpikes
            | Kind::Predicted
            | Kind::Cotangents => self.take_shots(now, frame),
            Kind::Configured => self.take_configured(now, frame),
            Kind::Busy => self.take_busy(now, frame),
            Kind::Nak => self.take_nak(now, frame.header.sequence),
            Kind::Error => self.take_error(now, frame),
            _ => None,
        }
        .is_some()
    }

    /// The pace of the current work.
    fn tempo(&self) -> &Tempo {
        &self.tempi[self.work as usize]
    }

    fn tempo_mut(&mut self) -> &mut Tempo {
        &mut self.tempi[self.work as usize]
    }

    fn end_if_complete(&mut self) {
        let complete = self.batch.as_ref().is_some_and(|batch| batch.next == batch.shots)
            && self.again.is_empty()
            && self.pending.is_empty();
        if complete && let Some(batch) = self.batch.take() {
            self.spare = batch;
            self.timer = None;
            self.outcome = Some(Ok(()));
        }
    }

    fn fail(&mut self, error: RigError) {
        self.make_safe();
        self.batch = None;
        self.again.clear();
        self.pending.clear();
        self.in_flight = 0;
        self.timer = None;
        self.state = State::Closed;
        // The device may still play shots in flight: a new session tells them apart.
        self.session = 0;
        self.outcome = Some(Err(error));
    }

    /// The next frame to send, if any is due.
    pub fn transmit(&mut self, now: Duration) -> Option<&[u8]> {
        self.check_timers(now);
        if let Some(number) = self.due_safe_request(now) {
            return self.send_plain(now, Kind::Safe, self.session, number);
        }
        match self.state {
            State::Closed => None,
            State::Handshake { .. } if self.owes_proof() => self.transmit_proof(now),
            State::Handshake { .. } => self.transmit_handshake(now),
            State::Ready => self.transmit_requests(now),
        }
    }

    fn send_plain(&mut self, now: Duration, kind: Kind, session: u16, seq: u32) -> Option<&[u8]> {
        self.last_sent = now;
        self.counts.frames_sent += 1;
        Some(self.encoder.encode(&Header::new(kind, session, seq), |_| {}))
    }
}
