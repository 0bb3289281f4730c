//! The device's end of a link: frames in, shots to be played out; measurements in, frames out.
//!
//! What a firmware does, for devices that are programs: without a port, a clock or a thread, as
//! [`Host`](super::Host) is. Frames are taken strictly in order. One that was answered before is answered
//! from memory and not played again; one that comes too early is refused with the number that is
//! expected. Shots are played only with the parameters whose epoch they name.

use std::collections::VecDeque;
use std::time::Duration;

use nalgebra::{DMatrix, DVector};

use super::capacity::Capacity;
use super::frame::{
    Decoder, Encoder, Frame, Header, Kind, LARGEST_FRAME, VERSION, checksum, largest_payload,
};
use super::message::{Description, Greeting, Health, Refusal, long};
use super::values::Encoding;
use crate::Channels;

/// Shots that the device is to play.
pub struct Play {
    pub(super) header: Header,
    encoding: Encoding,
    /// `[n_inputs × shots]`.
    pub inputs: DMatrix<f32>,
}

/// The device's end of a link.
pub struct Responder {
    capacity: Capacity,
    description: Description,
    text: Vec<u8>,
    boot: u32,

    session: u16,
    expected: u32,
    /// Setting of the parameters that is held; 0 is none.
    epoch: u16,
    parameters: DVector<f32>,
    /// The setting that is coming in, and how much of it has come.
    incoming: (u16, Vec<f32>),
    plays: VecDeque<Play>,
    /// Answers by sequence, the newest last.
    answers: VecDeque<(u32, Vec<u8>)>,

    /// Whether it is in its safe state, for certain.
    safe: bool,
    /// Whether shots were played since it was there last.
    driven: bool,
    /// Requests for the safe state that are not answered yet.
    asked: Vec<Header>,
    shots: u64,
    watchdog_trips: u32,
    last_heard: Duration,
    outgoing: VecDeque<Vec<u8>>,
    decoder: Decoder,
    encoder: Encoder,
}

impl Responder {
    /// The end of a device that was started as `boot`, a number that no other start has.
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

    /// The same end, of a device whose safe function has not run yet.
    #[must_use]
    pub fn unsure(self) -> Self {
        Self { safe: false, ..self }
    }

    /// Takes what came from the host.
    pub fn receive(&mut self, now: Duration, bytes: &[u8]) {
        let mut decoder = std::mem::replace(&mut self.decoder, Decoder::new(0));
        decoder.read(bytes, |frame| {
            self.last_heard = now;
            self.take(now, &frame);
        });
        self.decoder = decoder;
    }

    /// Shots to be played now, strictly in order; their measurements go to
    /// [`measured`](Self::measured) before the next are taken.
    pub fn play(&mut self) -> Option<Play> {
        while let Some(play) = self.plays.pop_front() {
            if play.header.epoch == self.epoch && self.epoch != 0 {
                (self.safe, self.driven) = (false, true);
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

    /// Answers `play` with what was measured, `[n_outputs × shots]`, or with what went wrong.
    pub fn measured(&mut self, play: &Play, outputs: Result<&DMatrix<f32>, String>) {
        match outputs {
            Ok(outputs) => {
                self.shots += u64::from(play.header.shots);
                let kind = match play.encoding {
                    Encoding::Floats => Kind::Measured,
                    Encoding::Codes => Kind::MeasuredCodes,
                };
                let header = Header { kind, channels: outputs.nrows() as u16, ..play.header };
                let channels = &self.description.interface.outputs;
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

    /// Answers `play`, which failed, as did the safe state after it.
    pub(super) fn failed_unsafely(&mut self, play: &Play, problem: &str) {
        self.forget();
        self.refuse(&play.header, Refusal::SafeFailed, problem);
    }

    /// Says that it is still at `play`, or on its way to the safe state.
    pub(super) fn busy(&mut self, play: Option<&Header>) {
        let headers: Vec<Header> = play.into_iter().chain(&self.asked).copied().collect();
        for header in headers {
            self.send(&Header { kind: Kind::Busy, ..header }, |_| {});
        }
    }

    /// Looks after the watchdog, which counts a trip where shots were played; true when the device is to go to its
    /// safe state now, which [`safe_state`](Self::safe_state) is told of.
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

    /// Whether the host has asked for the safe state, and the device is not known to be there.
    #[must_use]
    pub fn safe_is_asked(&self) -> bool {
        !self.asked.is_empty()
    }

    /// The device is in its safe state, or could not reach it; the host is told where it asked.
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

    /// The parameters are forgotten: shots that wait are refused.
    fn forget(&mut self) {
        self.epoch = 0;
        self.incoming = (0, Vec::new());
    }

    /// The next frame to be sent.
    pub fn transmit(&mut self) -> Option<Vec<u8>> {
        self.outgoing.pop_front()
    }

    fn take(&mut self, now: Duration, frame: &Frame<'_>) {
        let header = frame.header;
        match header.kind {
            Kind::Hello => self.greet(&header),
            Kind::Describe => self.describe(frame),
            Kind::Open => self.open(frame),
            Kind::Ping => {
                let health = Health {
                    boot: self.boot,
                    safe: self.safe,
                    uptime_milliseconds: now.as_millis() as u32,
                    shots: self.shots,
                    watchdog_trips: self.watchdog_trips,
                };
                let reply = Header { kind: Kind::Health, epoch: self.epoch, ..header };
                self.send(&reply, |bytes| health.write(bytes));
            }
            Kind::Safe => {
                self.forget();
                if self.safe {
                    self.send(&Header { kind: Kind::SafeReply, ..header }, |_| {});
                } else if !self.asked.contains(&header) {
                    self.asked.push(header);
                }
            }
            Kind::Configure | Kind::Play | Kind::PlayCodes => self.take_in_order(frame),
            _ => {}
        }
    }

    fn greet(&mut self, header: &Header) {
        let greeting = Greeting {
            versions: (VERSION, VERSION),
            codes: self.capacity.codes,
            stateful: self.capacity.stateful,
            boot: self.boot,
            largest_frame: self.capacity.largest_frame as u32,
            window_bytes: self.capacity.window_bytes as u32,
            window_frames: self.capacity.window_frames as u16,
            session: self.session,
            watchdog_milliseconds: self.capacity.watchdog.as_millis() as u32,
            description_bytes: self.text.len() as u32,
            description_crc: checksum(&self.text),
        };
        self.send(&Header { kind: Kind::HelloReply, ..*header }, |bytes| greeting.write(bytes));
    }

    fn describe(&mut self, frame: &Frame<'_>) {
        let Some(offset) = long(frame.payload, 0) else { return };
        let room = largest_payload(self.capacity.largest_frame) - 4;
        let text = std::mem::take(&mut self.text);
        let piece = text.get(offset as usize..).unwrap_or_default();
        let piece = &piece[..piece.len().min(room)];
        self.send(&Header { kind: Kind::Description, ..frame.header }, |bytes| {
            bytes.extend(offset.to_le_bytes());
            bytes.extend_from_slice(piece);
        });
        self.text = text;
    }

    fn open(&mut self, frame: &Frame<'_>) {
        let session = frame.header.session;
        // A frame that was late: from before a restart, or of a session that is over.
        if long(frame.payload, 0) != Some(self.boot) || session == 0 {
            return;
        }
        if session != self.session {
            if self.session != 0 && session.wrapping_sub(self.session) > u16::MAX / 2 {
                return;
            }
            self.session = session;
            self.expected = 0;
            self.answers.clear();
            self.plays.clear();
            self.epoch = 0;
            self.incoming = (0, Vec::new());
        }
        let (boot, expected) = (self.boot, self.expected);
        let header = Header { kind: Kind::Opened, epoch: self.epoch, ..frame.header };
        self.send(&header, |bytes| {
            bytes.extend(boot.to_le_bytes());
            bytes.extend(expected.to_le_bytes());
        });
    }

    fn take_in_order(&mut self, frame: &Frame<'_>) {
        let header = frame.header;
        if header.session != self.session || self.session == 0 {
            // A late frame of an old session looks the same; its host is gone and does not mind.
            self.send_error(&header, Refusal::Session, "the session is not open");
            return;
        }
        let ahead = header.sequence.wrapping_sub(self.expected);
        if ahead == 0 {
            self.expected = self.expected.wrapping_add(1);
            if header.kind == Kind::Configure { self.configure(frame) } else { self.enqueue(frame) }
        } else if ahead < u32::MAX / 2 {
            let nak = Header::new(Kind::Nak, self.session, self.expected);
            self.send(&nak, |_| {});
        } else if let Some((_, answer)) =
            self.answers.iter().find(|(sequence, _)| *sequence == header.sequence)
        {
            self.outgoing.push_back(answer.clone());
        } else if self.plays.iter().any(|play| play.header.sequence == header.sequence) {
            self.send(&Header { kind: Kind::Busy, ..header }, |_| {});
        }
    }

    fn configure(&mut self, frame: &Frame<'_>) {
        let header = frame.header;
        let count = usize::from(header.channels);
        let total = self.parameters.len();
        let mut values = vec![0.0; count];
        let shape = (long(frame.payload, 0), long(frame.payload, 4));
        let (Some(offset), Some(announced)) = shape else {
            return self.refuse(&header, Refusal::Shape, "a configure frame is cut short");
        };
        let offset = offset as usize;
        let channels = Channels::none();
        let read = Encoding::Floats.read(&channels, &frame.payload[8..], &mut values);
        if !read || announced as usize != total || offset + count > total || header.epoch == 0 {
            let text = format!(
                "parameters {offset} to {} of {announced} are announced, and there are {total}",
                offset + count
            );
            return self.refuse(&header, Refusal::Shape, &text);
        }
        let channels = &self.description.interface.parameters;
        let here = channels.iter().skip(offset);
        if let Some((channel, value)) = stray(here, &values) {
            let text = format!("parameter `{channel}` of {value}");
            return self.refuse(&header, Refusal::Range, &text);
        }
        // Shots still in the queue were asked for with the setting that is held; they come first.
        if offset == 0 {
            self.incoming = (header.epoch, Vec::with_capacity(total));
        }
        let (epoch, received) = &mut self.incoming;
        if *epoch == header.epoch && received.len() == offset {
            received.extend_from_slice(&values);
        }
        if *epoch == header.epoch && received.len() == total {
            self.parameters.copy_from_slice(received);
            self.epoch = header.epoch;
        }
        let header = Header { kind: Kind::Configured, ..header };
        let frame = self.encoder.encode(&header, |_| {}).to_vec();
        self.answer(header.sequence, frame);
    }

    fn enqueue(&mut self, frame: &Frame<'_>) {
        let header = frame.header;
        let channels = &self.description.interface.inputs;
        let encoding = if header.kind == Kind::Play { Encoding::Floats } else { Encoding::Codes };
        let mut inputs = DMatrix::zeros(channels.len(), usize::from(header.shots));
        let fits = usize::from(header.channels) == channels.len()
            && header.shots > 0
            && encoding.read(channels, frame.payload, inputs.as_mut_slice());
        let answer_fits = largest_payload(self.capacity.largest_frame)
            >= self.description.interface.outputs.len()
                * usize::from(header.shots)
                * encoding.width();
        if !fits || !answer_fits {
            let text = format!(
                "{} shots of {} channels in {} bytes; a shot has {} channels",
                header.shots,
                header.channels,
                frame.payload.len(),
                channels.len()
            );
            return self.refuse(&header, Refusal::Shape, &text);
        }
        let stray = inputs.column_iter().find_map(|shot| {
            stray(channels.iter(), shot.as_slice())
                .map(|(channel, value)| (channel.to_string(), value))
        });
        if let Some((channel, value)) = stray {
            let text = format!("drive `{channel}` of {value}");
            return self.refuse(&header, Refusal::Range, &text);
        }
        self.plays.push_back(Play { header, encoding, inputs });
    }

    fn refuse(&mut self, header: &Header, refusal: Refusal, text: &str) {
        let header = Header { kind: Kind::Error, ..*header };
        let room = self.room_for_text();
        let frame = self.encoder.encode(&header, |bytes| error_payload(refusal, text, room, bytes));
        let frame = frame.to_vec();
        self.answer(header.sequence, frame);
    }

    fn send_error(&mut self, header: &Header, refusal: Refusal, text: &str) {
        let room = self.room_for_text();
        self.send(&Header { kind: Kind::Error, ..*header }, |bytes| {
            error_payload(refusal, text, room, bytes);
        });
    }

    /// Bytes of an error's text.
    fn room_for_text(&self) -> usize {
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

/// Code and text, cut to `room`.
fn error_payload(refusal: Refusal, text: &str, room: usize, bytes: &mut Vec<u8>) {
    bytes.extend((refusal as u16).to_le_bytes());
    let end = text.floor_char_boundary(room);
    bytes.extend_from_slice(&text.as_bytes()[..end]);
}

/// The first value that is no number or out of its channel's range.
fn stray<'a>(
    channels: impl Iterator<Item = crate::Channel<'a>>,
    values: &[f32],
) -> Option<(crate::Channel<'a>, f32)> {
    channels
        .zip(values)
        .find(|(channel, value)| !(channel.minimum..=channel.maximum).contains(*value))
        .map(|(channel, value)| (channel, *value))
}
