//! The host's end of a link: batches in, frames out; frames in, measurements out.
//!
//! It has no port, no clock and no thread: bytes and the time (since any start) come in by
//! [`receive`](Host::receive), bytes to be sent go out by [`transmit`](Host::transmit), and
//! [`deadline`](Host::deadline) says when to call again. So a fault plays again from its seed, and ten
//! thousand bad batches take a second.
//!
//! A batch becomes frames of a few shots. Several are on the way at once, as many as the device has
//! room for; it plays strictly in order, and answers one that it played already from its memory.
//! A frame whose answer does not come is sent again. An answer counts only if its session, sequence,
//! shots and parameter epoch are those that were asked for.

use std::collections::VecDeque;
use std::time::Duration;

use super::counts::LinkCounts;
use super::error::RigError;
use super::frame::{
    Decoder, Encoder, Frame, Header, Kind, LARGEST_FRAME, VERSION, checksum, frame_bytes,
    largest_payload,
};
use super::message::{Description, Greeting, Health, Refusal, long};
use super::timing::RoundTrip;
use super::values::{Encoding, write_floats};

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
    /// How long a device may say that it is busy with one frame, beyond ten times what it declares.
    pub busy: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            hello_period: Duration::from_millis(250),
            hello: Duration::from_secs(5),
            silent_timeouts: 5,
            noisy_timeouts: 64,
            busy: Duration::from_secs(60),
        }
    }
}

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// In numbers.
    pub greeting: Greeting,
    /// In words.
    pub description: Description,
}

/// Where a link is.
enum State {
    /// Not in use: the next batch begins with hello.
    Closed,
    /// Asking who is there, and opening a session.
    Handshake { step: Step, since: Duration, next_send: Duration, tries: u32 },
    /// In a session.
    Ready,
}

/// What a handshake waits for.
enum Step {
    Hello { first_nonce: u32 },
    Describe { greeting: Greeting, received: Vec<u8> },
    Open { greeting: Greeting, resumed: bool },
}

/// A piece of a batch that fits a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    /// Parameters from `offset` on.
    Configure { offset: usize, count: usize },
    /// Shots from `first` on.
    Play { first: usize, shots: usize },
}

/// So often a step of the handshake is repeated before it begins again with hello.
const TRIES_OF_A_STEP: u32 = 4;
/// So often the safe state is asked for, unless it is confirmed.
const SAFE_TRIES: u32 = 5;
/// Time between two requests for the safe state.
const SAFE_PERIOD: Duration = Duration::from_millis(20);

/// A request with its number, until it and all before it are answered.
struct Pending {
    request: Request,
    epoch: u16,
    bytes: usize,
    /// Whether it is to be sent, for the first time or again.
    due: bool,
    sent: Option<Duration>,
    repeats: u32,
    /// Sent again because a later answer overtook its own.
    overtaken: bool,
    answered: bool,
}

/// Shots that are being measured.
#[derive(Default)]
struct Batch {
    inputs: Vec<f32>,
    outputs: Vec<f32>,
    shots: usize,
    /// The first shot that no request holds yet.
    next: usize,
}

/// The host's end of a link.
pub struct Host {
    patience: Patience,
    encoding: Encoding,
    state: State,
    identity: Option<Identity>,
    session: u16,
    nonce: u32,

    parameters: Vec<f32>,
    /// Number of the parameters' setting, from one.
    epoch: u16,
    /// The first that no request holds yet; none once all of them are on their way.
    unsent: Option<usize>,
    batch: Option<Batch>,
    spare: Batch,
    /// Requests to be made anew, before any other.
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
    /// When the next shots may be sent, where the device limits their rate.
    next_play: Duration,
    last_sent: Duration,

    wants_safe: u32,
    wants_ping: bool,
    health: Option<Health>,
    outcome: Option<Result<(), RigError>>,
    counts: LinkCounts,
    decoder: Decoder,
    encoder: Encoder,
}

/// Timeouts since the last progress.
#[derive(Default)]
struct Timeouts {
    silent: u32,
    noisy: u32,
    heard: bool,
}

impl Host {
    /// A host that writes values by `encoding`, if the device takes it.
    #[must_use]
    pub fn new(patience: Patience, encoding: Encoding) -> Self {
        Self {
            patience,
            encoding,
            state: State::Closed,
            identity: None,
            session: 0,
            nonce: 0,
            parameters: Vec::new(),
            epoch: 0,
            unsent: Some(0),
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
            next_play: Duration::ZERO,
            last_sent: Duration::ZERO,
            wants_safe: 0,
            wants_ping: false,
            health: None,
            outcome: None,
            counts: LinkCounts::default(),
            decoder: Decoder::new(LARGEST_FRAME),
            encoder: Encoder::default(),
        }
    }

    /// Begins to ask who is there; [`outcome`](Self::outcome) tells when it is known.
    pub fn connect(&mut self, now: Duration) {
        self.outcome = None;
        self.greet(now);
    }

    /// Begins to measure `inputs`, `[shots · n_inputs]`, at `parameters`. The device must be known by
    /// then, and both of the sizes of its interface.
    pub fn play(&mut self, now: Duration, parameters: &[f32], inputs: &[f32]) {
        let identity = self.identity.as_ref().expect("a batch is played on a device that is known");
        let interface = &identity.description.interface;
        let shots = inputs.len() / interface.inputs.len();
        let mut batch = std::mem::take(&mut self.spare);
        batch.inputs.clear();
        batch.inputs.extend_from_slice(inputs);
        batch.outputs.resize(shots * interface.outputs.len(), f32::NAN);
        (batch.shots, batch.next) = (shots, 0);
        self.batch = Some(batch);
        self.outcome = None;
        // Bits, so that a value that is no number is sent once and refused.
        let same = self.parameters.len() == parameters.len()
            && self.parameters.iter().zip(parameters).all(|(a, b)| a.to_bits() == b.to_bits());
        if !same {
            self.parameters.clear();
            self.parameters.extend_from_slice(parameters);
            self.configure_anew();
        }
        match self.state {
            State::Closed => self.greet(now),
            State::Handshake { .. } | State::Ready => {}
        }
        self.end_if_complete();
    }

    /// How the handshake or the batch ended, once it has.
    pub fn outcome(&mut self) -> Option<Result<(), RigError>> {
        self.outcome.take()
    }

    /// The measurements of the batch that ended last, `[shots · n_outputs]`.
    #[must_use]
    pub fn measurements(&self) -> &[f32] {
        &self.spare.outputs
    }

    /// Who is at the other end, once it has said so.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// The last word of the device on its state.
    #[must_use]
    pub fn health(&self) -> Option<Health> {
        self.health
    }

    /// Asks for the device's state.
    pub fn ask_health(&mut self) {
        self.health = None;
        self.wants_ping = true;
    }

    /// What happened on the link.
    #[must_use]
    pub fn counts(&self) -> LinkCounts {
        LinkCounts { frames_damaged: self.decoder.rejected().frames, ..self.counts }
    }

    /// Tells the device to go to its safe state; it forgets its parameters there.
    pub fn make_safe(&mut self) {
        self.wants_safe = SAFE_TRIES;
        self.configure_anew();
    }

    /// Whether the device has not said yet that it is safe.
    #[must_use]
    pub fn awaits_safe(&self) -> bool {
        self.wants_safe > 0
    }

    /// The link was lost and is open again: the device is asked who it is before anything else.
    pub fn reopened(&mut self, now: Duration) {
        self.decoder.reset();
        self.counts.reconnects += 1;
        if !matches!(self.state, State::Closed) {
            self.greet(now);
        }
    }

    /// The link is lost for good.
    pub fn lost(&mut self, why: String) {
        self.fail(RigError::Link(why));
    }

    /// Gives up what it is at.
    pub fn abandon(&mut self) {
        self.fail(RigError::Interrupted);
    }

    /// When to call [`transmit`](Self::transmit) again at the latest, if nothing is received.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let handshake = match &self.state {
            State::Handshake { next_send, .. } => Some(*next_send),
            _ => None,
        };
        let safe = (self.wants_safe > 0).then(|| self.last_sent + SAFE_PERIOD);
        let pace = (self.next_is_play() && self.has_room()).then_some(self.next_play);
        [handshake, self.timer, self.ping_time(), pace, safe].into_iter().flatten().min()
    }

    /// When a host with nothing to say shows that it lives.
    fn ping_time(&self) -> Option<Duration> {
        let watchdog = self.identity.as_ref()?.greeting.watchdog_milliseconds;
        (matches!(self.state, State::Ready) && watchdog > 0)
            .then(|| self.last_sent + Duration::from_millis(u64::from(watchdog)) / 3)
    }

    // Receiving.

    /// Takes what came from the device.
    pub fn receive(&mut self, now: Duration, bytes: &[u8]) {
        let mut decoder = std::mem::replace(&mut self.decoder, Decoder::new(0));
        decoder.read(bytes, |frame| {
            self.counts.frames_received += 1;
            if !self.take(now, &frame) {
                self.counts.frames_stale += 1;
            }
        });
        self.decoder = decoder;
        self.end_if_complete();
    }

    /// Takes a frame; false if it answers nothing.
    fn take(&mut self, now: Duration, frame: &Frame<'_>) -> bool {
        let Header { kind, session, .. } = frame.header;
        match kind {
            Kind::HelloReply => return self.take_greeting(now, frame).unwrap_or(false),
            Kind::Description => return self.take_description(now, frame).unwrap_or(false),
            Kind::Opened => return self.take_opened(frame).unwrap_or(false),
            Kind::Health => {
                let health = Health::read(frame.payload);
                self.health = health.or(self.health);
                self.timeouts.heard = true;
                return health.is_some();
            }
            Kind::SafeReply => {
                let awaited = self.wants_safe > 0;
                self.wants_safe = 0;
                return awaited;
            }
            _ => {}
        }
        if session != self.session || !matches!(self.state, State::Ready) {
            return false;
        }
        self.timeouts.heard = true;
        match kind {
            Kind::Measured => self.take_measured(now, frame, Encoding::Floats),
            Kind::MeasuredCodes => self.take_measured(now, frame, Encoding::Codes),
            Kind::Configured => self.take_configured(now, frame),
            Kind::Busy => self.take_busy(now, frame),
            Kind::Nak => self.take_nak(now, frame.header.sequence),
            Kind::Error => self.take_error(now, frame),
            _ => None,
        }
        .is_some()
    }

    fn take_greeting(&mut self, now: Duration, frame: &Frame<'_>) -> Option<bool> {
        let State::Handshake { step: Step::Hello { first_nonce }, .. } = self.state else {
            return None;
        };
        let asked = frame.header.sequence.wrapping_sub(first_nonce);
        if asked >= self.nonce.wrapping_sub(first_nonce) {
            return None;
        }
        let greeting = Greeting::read(frame.payload)?;
        let (oldest, newest) = greeting.versions;
        if !(oldest..=newest).contains(&VERSION) {
            self.fail(RigError::Unfit(format!(
                "it speaks versions {oldest} to {newest} of the protocol, and this program version {VERSION}"
            )));
            return Some(true);
        }
        let known = self.identity.as_ref().map(|identity| identity.greeting);
        match known {
            None => {
                let received = Vec::new();
                self.advance(now, now, Step::Describe { greeting, received });
            }
            Some(known) if known.description_crc != greeting.description_crc => {
                self.fail(RigError::Unfit(
                    "another device answers than before: its description has changed".to_owned(),
                ));
            }
            Some(known) if known.boot != greeting.boot => self.restarted(now, greeting),
            Some(_) if self.pending.is_empty() || greeting.session == self.session => {
                let resumed = greeting.session == self.session && self.session != 0;
                self.open(now, greeting, resumed);
            }
            Some(_) => self.fail(RigError::Taken),
        }
        Some(true)
    }

    /// The device restarted: what was on the way is made anew, unless that could do harm.
    fn restarted(&mut self, now: Duration, greeting: Greeting) {
        if greeting.stateful && self.batch.is_some() {
            self.fail(RigError::Restarted);
        } else {
            self.open(now, greeting, false);
        }
    }

    fn take_description(&mut self, now: Duration, frame: &Frame<'_>) -> Option<bool> {
        let State::Handshake { step: Step::Describe { greeting, received }, .. } = &mut self.state
        else {
            return None;
        };
        let offset = long(frame.payload, 0)? as usize;
        let piece = &frame.payload[4..];
        let (greeting, total) = (*greeting, greeting.description_bytes as usize);
        if offset != received.len() || piece.is_empty() || offset + piece.len() > total {
            return None;
        }
        received.extend_from_slice(piece);
        let received = std::mem::take(received);
        if received.len() < total {
            self.advance(now, now, Step::Describe { greeting, received });
            return Some(true);
        }
        if checksum(&received) != greeting.description_crc {
            // A mixture of two descriptions: from the start.
            self.greet(now);
            return Some(true);
        }
        match self.identify(greeting, &received) {
            Ok(identity) => {
                self.identity = Some(identity);
                self.open(now, greeting, false);
            }
            Err(problem) => self.fail(RigError::Unfit(problem)),
        }
        Some(true)
    }

    fn identify(&self, greeting: Greeting, description: &[u8]) -> Result<Identity, String> {
        let description: Description = serde_json::from_slice(description)
            .map_err(|error| format!("its description is not as PROTOCOL.md says: {error}"))?;
        if let Some(fault) = description.fault() {
            return Err(fault);
        }
        let interface = &description.interface;
        let widest = interface.inputs.len().max(interface.outputs.len());
        let payload = largest_payload(greeting.largest_frame as usize);
        let width = self.encoding_for(&greeting).width();
        if widest > usize::from(u16::MAX) || payload < widest * width || payload < 16 {
            return Err(format!(
                "a shot of {widest} channels does not fit its largest frame of {} bytes",
                greeting.largest_frame
            ));
        }
        let frame = frame_bytes(widest * width);
        if greeting.window_frames == 0 || (greeting.window_bytes as usize) < frame {
            return Err(format!(
                "its window of {} bytes and {} frames has no room for a shot's frame of {frame} bytes",
                greeting.window_bytes, greeting.window_frames
            ));
        }
        Ok(Identity { greeting, description })
    }

    fn take_opened(&mut self, frame: &Frame<'_>) -> Option<bool> {
        let State::Handshake { step: Step::Open { greeting, resumed }, .. } = &self.state else {
            return None;
        };
        let (greeting, resumed) = (*greeting, *resumed);
        if frame.header.session != self.session || long(frame.payload, 0)? != greeting.boot {
            return None;
        }
        if resumed {
            self.pending.iter_mut().for_each(|pending| pending.due = !pending.answered);
        } else {
            if self.identity.as_ref().is_some_and(|known| known.greeting.boot != greeting.boot) {
                self.counts.restarts += 1;
                self.counts.replayed_after_restart += self.shots_on_the_way() as u64;
            }
            let unanswered = self.pending.drain(..).filter(|pending| !pending.answered);
            self.again.extend(unanswered.map(|pending| pending.request));
            self.again.retain(|request| matches!(request, Request::Play { .. }));
            (self.base, self.in_flight) = (0, 0);
            self.configure_anew();
        }
        if let Some(identity) = &mut self.identity {
            identity.greeting = greeting;
        }
        self.state = State::Ready;
        self.timeouts = Timeouts::default();
        (self.timer, self.last_nak, self.busy_since) = (None, None, None);
        if self.batch.is_none() {
            self.outcome = Some(Ok(()));
        }
        Some(true)
    }

    /// The pending request that `frame` answers.
    fn asked(&mut self, frame: &Frame<'_>) -> Option<&mut Pending> {
        let place = frame.header.sequence.wrapping_sub(self.base) as usize;
        let pending = self.pending.get_mut(place)?;
        (!pending.answered && pending.sent.is_some() && pending.epoch == frame.header.epoch)
            .then_some(pending)
    }

    fn take_measured(
        &mut self,
        now: Duration,
        frame: &Frame<'_>,
        encoding: Encoding,
    ) -> Option<()> {
        let Request::Play { first, shots } = self.asked(frame)?.request else { return None };
        let channels = &self.identity.as_ref()?.description.interface.outputs;
        let header = &frame.header;
        let fits = header.first_shot == first as u16
            && usize::from(header.shots) == shots
            && usize::from(header.channels) == channels.len();
        let places = first * channels.len()..(first + shots) * channels.len();
        let outputs = self.batch.as_mut()?.outputs.get_mut(places)?;
        (fits && encoding.read(channels, frame.payload, outputs)).then_some(())?;
        self.answer(now, header.sequence);
        Some(())
    }

    fn take_configured(&mut self, now: Duration, frame: &Frame<'_>) -> Option<()> {
        let Request::Configure { count, .. } = self.asked(frame)?.request else { return None };
        (usize::from(frame.header.channels) == count).then_some(())?;
        self.answer(now, frame.header.sequence);
        Some(())
    }

    /// The request of this sequence is answered.
    fn answer(&mut self, now: Duration, sequence: u32) {
        let place = sequence.wrapping_sub(self.base) as usize;
        let pending = &mut self.pending[place];
        pending.answered = true;
        pending.due = false;
        self.in_flight -= pending.bytes;
        if let (0, Some(sent)) = (pending.repeats, pending.sent) {
            self.round_trip.sample(now.saturating_sub(sent));
        }
        // The device answers in order: an answer that was overtaken is lost.
        for pending in self.pending.iter_mut().take(place) {
            if !pending.answered && pending.sent.is_some() && !pending.overtaken {
                (pending.due, pending.overtaken) = (true, true);
            }
        }
        while self.pending.front().is_some_and(|pending| pending.answered) {
            self.pending.pop_front();
            self.base = self.base.wrapping_add(1);
        }
        self.timeouts = Timeouts { heard: true, ..Timeouts::default() };
        self.busy_since = None;
        self.start_timer(now);
    }

    fn take_busy(&mut self, now: Duration, frame: &Frame<'_>) -> Option<()> {
        self.asked(frame)?;
        let since = *self.busy_since.get_or_insert(now);
        let patience = self.patience.busy + 10 * self.declared();
        if now.saturating_sub(since) > patience {
            self.fail(RigError::BusyTooLong { seconds: (now - since).as_secs_f64() });
        } else {
            self.timeouts.silent = 0;
            self.start_timer(now);
        }
        Some(())
    }

    /// The device waits for frame `expected`: it and all behind it are sent again, once a round trip.
    fn take_nak(&mut self, now: Duration, expected: u32) -> Option<()> {
        let place = expected.wrapping_sub(self.base) as usize;
        if place >= self.pending.len() {
            return None;
        }
        let again = self.last_nak.is_some_and(|(sequence, time)| {
            sequence == expected && now.saturating_sub(time) < self.round_trip.smoothed()
        });
        if !again {
            self.last_nak = Some((expected, now));
            for pending in self.pending.iter_mut().skip(place) {
                pending.due |= !pending.answered && pending.sent.is_some();
            }
        }
        Some(())
    }

    fn take_error(&mut self, now: Duration, frame: &Frame<'_>) -> Option<()> {
        let code = frame.payload.first_chunk::<2>()?;
        let refusal = Refusal::of(u16::from_le_bytes(*code))?;
        match refusal {
            Refusal::Session => self.greet(now),
            Refusal::Epoch => {
                let pending = self.asked(frame)?;
                let (request, epoch) = (pending.request, pending.epoch);
                self.answer(now, frame.header.sequence);
                self.again.push_back(request);
                if epoch == self.epoch {
                    self.counts.reconfigured += 1;
                    self.configure_anew();
                }
            }
            _ => {
                self.asked(frame)?;
                let text = String::from_utf8_lossy(&frame.payload[2..]).into_owned();
                self.fail(RigError::Refused { refusal, text });
            }
        }
        Some(())
    }

    // Deciding.

    fn greet(&mut self, now: Duration) {
        self.timer = None;
        let since = self.handshake_since(now);
        self.advance(now, since, Step::Hello { first_nonce: self.nonce });
    }

    /// When the handshake that goes on began.
    fn handshake_since(&self, now: Duration) -> Duration {
        match self.state {
            State::Handshake { since, .. } => since,
            _ => now,
        }
    }

    fn advance(&mut self, now: Duration, since: Duration, step: Step) {
        self.state = State::Handshake { step, since, next_send: now, tries: 0 };
    }

    fn open(&mut self, now: Duration, greeting: Greeting, resumed: bool) {
        if !resumed {
            self.session = greeting.session.wrapping_add(1).max(1);
        }
        // A device that answers hello and never opens a session is not asked for ever.
        let since = self.handshake_since(now);
        self.advance(now, since, Step::Open { greeting, resumed });
    }

    /// The parameters are sent before the next shots, as a new setting.
    fn configure_anew(&mut self) {
        self.epoch = self.epoch.wrapping_add(1).max(1);
        self.unsent = Some(0);
        self.again.retain(|request| matches!(request, Request::Play { .. }));
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
        self.batch = None;
        self.again.clear();
        self.pending.clear();
        self.in_flight = 0;
        self.timer = None;
        self.state = State::Closed;
        // The device may still play what is on the way: a new session sets those shots apart.
        self.session = 0;
        self.make_safe();
        self.outcome = Some(Err(error));
    }

    /// Shots that were sent and not answered yet.
    fn shots_on_the_way(&self) -> usize {
        self.pending
            .iter()
            .filter(|pending| !pending.answered && pending.sent.is_some())
            .map(|pending| match pending.request {
                Request::Play { shots, .. } => shots,
                Request::Configure { .. } => 0,
            })
            .sum()
    }

    /// Time that the shots on the way take, as the device declares.
    fn declared(&self) -> Duration {
        let shots = self.shots_on_the_way();
        let seconds = self
            .identity
            .as_ref()
            .map_or(0.0, |identity| identity.description.interface.seconds_per_shot);
        Duration::from_secs_f64(shots as f64 * seconds)
    }

    /// After this time the next answer will not come.
    fn answer_time(&self) -> Duration {
        self.declared() + self.round_trip.timeout() * (1 << self.timeouts.silent.min(6))
    }

    fn start_timer(&mut self, now: Duration) {
        let waits = self.pending.iter().any(|pending| !pending.answered && pending.sent.is_some());
        self.timer = waits.then(|| now + self.answer_time());
    }

    fn check_timers(&mut self, now: Duration) {
        if let State::Handshake { since, .. } = &self.state
            && now.saturating_sub(*since) > self.patience.hello
        {
            let seconds = self.patience.hello.as_secs_f64();
            let damaged = self.decoder.rejected().frames;
            self.fail(RigError::NoAnswer { seconds, damaged });
            return;
        }
        if self.timer.is_none_or(|timer| now < timer) {
            return;
        }
        self.counts.timeouts += 1;
        if self.timeouts.heard {
            (self.timeouts.silent, self.timeouts.heard) = (0, false);
            self.timeouts.noisy += 1;
        } else {
            self.timeouts.silent += 1;
        }
        let Timeouts { silent, noisy, .. } = self.timeouts;
        if silent > self.patience.silent_timeouts || noisy > self.patience.noisy_timeouts {
            let damaged = self.decoder.rejected().frames;
            self.fail(RigError::Silent { timeouts: silent.max(noisy), damaged });
            return;
        }
        for pending in &mut self.pending {
            pending.due |= !pending.answered && pending.sent.is_some();
        }
        self.start_timer(now);
    }

    fn encoding_for(&self, greeting: &Greeting) -> Encoding {
        if greeting.codes { self.encoding } else { Encoding::Floats }
    }

    /// Whether the next new request would hold shots.
    fn next_is_play(&self) -> bool {
        matches!(self.state, State::Ready)
            && self.unsent.is_none()
            && (!self.again.is_empty()
                || self.batch.as_ref().is_some_and(|batch| batch.next < batch.shots))
    }

    /// Whether the device has room for a frame more.
    fn has_room(&self) -> bool {
        self.identity.as_ref().is_some_and(|Identity { greeting, .. }| {
            self.pending.len() < usize::from(greeting.window_frames)
                && (self.in_flight == 0
                    || self.in_flight + greeting.largest_frame as usize
                        <= greeting.window_bytes as usize)
        })
    }

    /// The next request to be made.
    fn next_request(&mut self, now: Duration) -> Option<Request> {
        let Identity { greeting, description } = self.identity.as_ref()?;
        let batch = self.batch.as_mut()?;
        let payload = largest_payload(greeting.largest_frame as usize);
        if let Some(offset) = self.unsent {
            let room = ((payload - 8) / 4).min(usize::from(u16::MAX));
            let count = room.min(self.parameters.len() - offset);
            self.unsent = Some(offset + count).filter(|next| *next < self.parameters.len());
            return Some(Request::Configure { offset, count });
        }
        if now < self.next_play {
            return None;
        }
        let request = self.again.pop_front().or_else(|| {
            let interface = &description.interface;
            let widest = interface.inputs.len().max(interface.outputs.len());
            let width = if greeting.codes { self.encoding } else { Encoding::Floats }.width();
            let room = (payload / (widest * width)).min(usize::from(u16::MAX));
            let (first, shots) = (batch.next, room.min(batch.shots - batch.next));
            batch.next += shots;
            (shots > 0).then_some(Request::Play { first, shots })
        })?;
        if let (Some(rate), Request::Play { shots, .. }) = (description.largest_shot_rate, request)
        {
            self.next_play = self.next_play.max(now) + Duration::from_secs_f64(shots as f64 / rate);
        }
        Some(request)
    }

    // Sending.

    /// The next frame to be sent, if there is one by now.
    pub fn transmit(&mut self, now: Duration) -> Option<&[u8]> {
        self.check_timers(now);
        if self.wants_safe > 0
            && (self.wants_safe == SAFE_TRIES || now >= self.last_sent + SAFE_PERIOD)
        {
            self.wants_safe -= 1;
            return self.send_plain(now, Kind::Safe, self.session, 0);
        }
        match self.state {
            State::Closed => None,
            State::Handshake { .. } => self.transmit_handshake(now),
            State::Ready => self.transmit_requests(now),
        }
    }

    fn send_plain(&mut self, now: Duration, kind: Kind, session: u16, seq: u32) -> Option<&[u8]> {
        self.last_sent = now;
        self.counts.frames_sent += 1;
        Some(self.encoder.encode(&Header::new(kind, session, seq), |_| {}))
    }

    fn transmit_handshake(&mut self, now: Duration) -> Option<&[u8]> {
        let period = self.patience.hello_period;
        let State::Handshake { step, next_send, tries, .. } = &mut self.state else { return None };
        if now < *next_send {
            return None;
        }
        *next_send = now + period;
        *tries += 1;
        if *tries > TRIES_OF_A_STEP {
            // Perhaps it is another device by now, or has restarted.
            (*step, *tries) = (Step::Hello { first_nonce: self.nonce }, 0);
        }
        self.last_sent = now;
        self.counts.frames_sent += 1;
        Some(match step {
            Step::Hello { .. } => {
                let header = Header::new(Kind::Hello, 0, self.nonce);
                self.nonce = self.nonce.wrapping_add(1);
                self.encoder.encode(&header, |_| {})
            }
            Step::Describe { received, .. } => {
                let offset = received.len() as u32;
                let header = Header::new(Kind::Describe, 0, offset);
                self.encoder.encode(&header, |bytes| bytes.extend(offset.to_le_bytes()))
            }
            Step::Open { greeting, .. } => {
                let header = Header::new(Kind::Open, self.session, 0);
                let boot = greeting.boot;
                self.encoder.encode(&header, |bytes| bytes.extend(boot.to_le_bytes()))
            }
        })
    }

    fn transmit_requests(&mut self, now: Duration) -> Option<&[u8]> {
        if self.wants_ping || self.ping_time().is_some_and(|time| time <= now) {
            self.wants_ping = false;
            return self.send_plain(now, Kind::Ping, self.session, 0);
        }
        if let Some(place) = self.pending.iter().position(|pending| pending.due) {
            return Some(self.send(now, place));
        }
        if !self.has_room() {
            return None;
        }
        let request = self.next_request(now)?;
        self.pending.push_back(Pending {
            request,
            epoch: self.epoch,
            bytes: 0,
            due: true,
            sent: None,
            repeats: 0,
            overtaken: false,
            answered: false,
        });
        Some(self.send(now, self.pending.len() - 1))
    }

    /// Sends the pending request in `place`.
    fn send(&mut self, now: Duration, place: usize) -> &[u8] {
        let sequence = self.base.wrapping_add(place as u32);
        let identity = self.identity.as_ref().expect("requests are made for a known device");
        let encoding = self.encoding_for(&identity.greeting);
        let channels = &identity.description.interface.inputs;
        let pending = &mut self.pending[place];
        let first_time = pending.sent.is_none();
        pending.due = false;
        pending.sent = Some(now);
        self.counts.frames_sent += 1;
        if !first_time {
            pending.repeats += 1;
            self.counts.frames_repeated += 1;
        }
        let epoch = pending.epoch;
        let frame = match pending.request {
            Request::Configure { offset, count } => {
                let values = &self.parameters[offset..offset + count];
                let header = Header {
                    channels: count as u16,
                    epoch,
                    ..Header::new(Kind::Configure, self.session, sequence)
                };
                let total = self.parameters.len() as u32;
                self.encoder.encode(&header, |bytes| {
                    bytes.extend((offset as u32).to_le_bytes());
                    bytes.extend(total.to_le_bytes());
                    write_floats(values, bytes);
                })
            }
            Request::Play { first, shots } => {
                let batch = self.batch.as_ref().expect("shots on the way belong to a batch");
                let width = channels.len();
                let values = &batch.inputs[first * width..(first + shots) * width];
                let kind = match encoding {
                    Encoding::Floats => Kind::Play,
                    Encoding::Codes => Kind::PlayCodes,
                };
                let header = Header {
                    first_shot: first as u16,
                    shots: shots as u16,
                    channels: width as u16,
                    epoch,
                    ..Header::new(kind, self.session, sequence)
                };
                self.encoder.encode(&header, |bytes| encoding.write(channels, values, bytes))
            }
        };
        if first_time {
            pending.bytes = frame.len();
            self.in_flight += frame.len();
        }
        self.last_sent = now;
        if self.timer.is_none() {
            self.timer = Some(now + self.answer_time());
        }
        // The encoder still holds the frame; borrowed anew, now that the timer is set.
        self.encoder.last()
    }
}
