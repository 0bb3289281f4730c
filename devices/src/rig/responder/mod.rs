//! The device's end of a link: frames in, shots out; measurements in, frames out.
//!
//! It does in a program what a firmware does on a board, without a port, a clock or a thread, like
//! [`Host`](super::Host). Frames are accepted strictly in order. A repeated frame is answered from memory and not
//! played again; a frame that comes too early is refused with the expected number. Shots are played only with the parameters of
//! their epoch.

mod requests;

use std::collections::VecDeque;
use std::time::Duration;

use nalgebra::{DMatrix, DVector};

use super::capacity::Capacity;
use super::frame::{Decoder, Encoder, Header, Kind, LARGEST_FRAME, largest_payload};
use super::message::Description;
use super::refusal::Refusal;
use super::values::Encoding;
use super::work::Work;

/// Shots to be played, or to be answered by the device's twin.
pub struct Play {
    pub(super) header: Header,
    encoding: Encoding,
    /// What the shots are for; of a device without a twin, to be played.
    pub work: Work,
    /// `[n_inputs × shots]`.
    pub inputs: DMatrix<f32>,
    /// Cotangents of the readings, `[n_outputs × shots]`; of [`Work::Vjp`] alone, otherwise without rows.
    pub cotangents: DMatrix<f32>,
}

/// The device's end of a link.
pub struct Responder {
    capacity: Capacity,
    description: Description,
    text: Vec<u8>,
    boot: u32,

    session: u16,
    expected: u32,
    /// Number of the current setting of the parameters; 0 for none.
    epoch: u16,
    parameters: DVector<f32>,
    /// The setting that is being received: its number and its first values.
    incoming: (u16, Vec<f32>),
    plays: VecDeque<Play>,
    /// Answers by sequence, the newest last.
    answers: VecDeque<(u32, Vec<u8>)>,

    /// Whether it is in its safe state, confirmed.
    safe: bool,
    /// Whether shots were played since its last safe state.
    driven: bool,
    /// Unanswered requests for the safe state.
    asked: Vec<Header>,
    shots: u64,
    watchdog_trips: u32,
    last_heard: Duration,
    outgoing: VecDeque<Vec<u8>>,
    decoder: Decoder,
    encoder: Encoder,
}

impl Responder {
    /// The end of a device with the boot number `boot`, different at every start.
    #[must_use]
    pub fn new(description: Description, capacity: Capacity, boot: u32) -> Self {
        Self {
            text: description.to_json(),
            parameters: DVector::zeros(description.interface.parameters.len()),
            capacity,
            description,
            boot,
            session: 0,
            expected: 0,
            epoch: 0,
            incoming: (0, Vec::new()),
            plays: VecDeque::new(),
            answers: VecDeque::new(),
            safe: true,
            driven: false,
            asked: Vec::new(),
            shots: 0,
            watchdog_trips: 0,
            last_heard: Duration::ZERO,
            outgoing: VecDeque::new(),
            decoder: Decoder::new(capacity.largest_frame.min(LARGEST_FRAME)),
            encoder: Encoder::default(),
        }
    }

    /// The same end for a device with a safe function that has not run yet.
    #[must_use]
    pub fn unsure(self) -> Self {
        Self { safe: false, ..self }
    }

    /// Takes bytes from the host.
    pub fn receive(&mut self, now: Duration, bytes: &[u8]) {
        let mut decoder = std::mem::replace(&mut self.decoder, Decoder::new(0));
        decoder.read(bytes, |frame| {
            self.last_heard = now;
            self.take(now, &frame);
        });
        self.decoder = decoder;
    }

    /// The next shots to play, or to ask the twin about, strictly in order; pass the answers to
    /// [`measured`](Self::measured) before the next call.
    pub fn play(&mut self) -> Option<Play> {
        while let Some(play) = self.plays.pop_front() {
            if play.header.epoch == self.epoch && self.epoch != 0 {
                if play.work == Work::Play {
                    (self.safe, self.driven) = (false, true);
                }
                return Some(play);
            }
            let text = format!("parameters {} are asked for", play.header.epoch);
            self.refuse(&play.header, Refusal::Epoch, &text);
        }
        None
    }

    /// The parameters that shots are played with.
    #[must_use]
    pub fn parameters(&self) -> &DVector<f32> {
        &self.parameters
    }

    /// Answers `play` with its measurements or predictions `[n_outputs × shots]`, with its cotangents
    /// `[n_inputs + n_parameters × shots]`, or with its failure.
    pub fn measured(&mut self, play: &Play, outputs: Result<&DMatrix<f32>, String>) {
        match outputs {
            Ok(outputs) => {
                if play.work == Work::Play {
                    self.shots += u64::from(play.header.shots);
                }
                let kind = play.work.answer(play.encoding);
                let interface = &self.description.interface;
                let shot = play.work.answered_shot(play.encoding, interface);
                let header = Header { kind, channels: shot.channels as u16, ..play.header };
                let channels = &interface.outputs;
                let write = |bytes: &mut Vec<u8>| {
                    play.encoding.write(channels, outputs.as_slice(), bytes);
                };
                let frame = self.encoder.encode(&header, write).to_vec();
                self.answer(header.sequence, frame);
            }
            Err(problem) => {
                self.forget();
                self.refuse(&play.header, Refusal::Fault, &problem);
            }
        }
    }

    /// Answers `play` after both it and the safe state failed.
    pub(super) fn failed_unsafely(&mut self, play: &Play, problem: &str) {
        self.forget();
        self.refuse(&play.header, Refusal::SafeFailed, problem);
    }

    /// Sends busy for `play`, and for requests for the safe state.
    pub(super) fn busy(&mut self, play: Option<&Header>) {
        let headers: Vec<Header> = play.into_iter().chain(&self.asked).copied().collect();
        for header in headers {
            self.send(&Header { kind: Kind::Busy, ..header }, |_| {});
        }
    }

    /// Checks the watchdog, and counts a trip if shots were played. True when the device must go to its safe state
    /// now; report that to [`safe_state`](Self::safe_state).
    pub fn watch(&mut self, now: Duration) -> bool {
        let watchdog = self.capacity.watchdog;
        let trips =
            !self.safe && !watchdog.is_zero() && now.saturating_sub(self.last_heard) > watchdog;
        if trips {
            self.watchdog_trips += u32::from(self.driven);
            self.last_heard = now;
            self.forget();
        }
        trips
    }

    /// Whether a request for the safe state is unanswered.
    #[must_use]
    pub fn safe_is_asked(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Reports the outcome of the safe state, and answers requests for it.
    pub fn safe_state(&mut self, outcome: Result<(), &str>) {
        self.safe = outcome.is_ok();
        self.driven &= !self.safe;
        self.forget();
        for header in std::mem::take(&mut self.asked) {
            match outcome {
                Ok(()) => self.send(&Header { kind: Kind::SafeReply, ..header }, |_| {}),
                Err(problem) => self.send_error(&header, Refusal::SafeFailed, problem),
            }
        }
    }

    /// Whether the device is in its safe state.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        self.safe
    }

    /// Forgets the parameters: waiting shots are refused.
    fn forget(&mut self) {
        self.epoch = 0;
        self.incoming = (0, Vec::new());
    }

    /// The next frame to send.
    pub fn transmit(&mut self) -> Option<Vec<u8>> {
        self.outgoing.pop_front()
    }

    fn refuse(&mut self, header: &Header, refusal: Refusal, text: &str) {
        let header = Header { kind: Kind::Error, ..*header };
        let space = self.space_for_text();
        let frame =
            self.encoder.encode(&header, |bytes| error_payload(refusal, text, space, bytes));
        let frame = frame.to_vec();
        self.answer(header.sequence, frame);
    }

    fn send_error(&mut self, header: &Header, refusal: Refusal, text: &str) {
        let space = self.space_for_text();
        self.send(&Header { kind: Kind::Error, ..*header }, |bytes| {
            error_payload(refusal, text, space, bytes);
        });
    }

    /// Bytes of an error's text.
    fn space_for_text(&self) -> usize {
        (largest_payload(self.capacity.largest_frame) - 2).min(LONGEST_TEXT)
    }

    /// Sends an answer and remembers it.
    fn answer(&mut self, sequence: u32, frame: Vec<u8>) {
        self.outgoing.push_back(frame.clone());
        self.answers.push_back((sequence, frame));
        if self.answers.len() > self.capacity.window_frames {
            self.answers.pop_front();
        }
    }

    fn send(&mut self, header: &Header, payload: impl FnOnce(&mut Vec<u8>)) {
        let frame = self.encoder.encode(header, payload).to_vec();
        self.outgoing.push_back(frame);
    }
}

/// Bytes of an error's text at most.
const LONGEST_TEXT: usize = 1000;

/// Code and text, cut to `space`.
fn error_payload(refusal: Refusal, text: &str, space: usize, bytes: &mut Vec<u8>) {
    bytes.extend((refusal as u16).to_le_bytes());
    let end = text.floor_char_boundary(space);
    bytes.extend_from_slice(&text.as_bytes()[..end]);
}
