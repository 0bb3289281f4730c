//! The handshake: hello, the device's description, a session.

use std::time::Duration;

use super::Host;
use super::state::{Identity, Request, State, Step, Timeouts};
use crate::rig::error::RigError;
use crate::rig::frame::{Frame, Header, Kind, VERSION, checksum, frame_bytes, largest_payload};
use crate::rig::message::{Description, Greeting, long};
use crate::rig::values::Encoding;
use crate::rig::work::Work;

/// After this time hello is sent less often.
const PATIENT: Duration = Duration::from_secs(5);
/// Repetitions of a step before the handshake starts again with hello.
const TRIES_OF_A_STEP: u32 = 4;

impl Host {
    pub(super) fn take_greeting(&mut self, now: Duration, frame: &Frame<'_>) -> Option<bool> {
        let State::Handshake { step: Step::Hello { first_nonce }, .. } = self.state else {
            return None;
        };
        let asked = frame.header.sequence.wrapping_sub(first_nonce);
        if asked >= self.nonce.wrapping_sub(first_nonce) {
            return None;
        }
        if self.is_stranger() {
            self.refuse_stranger();
            return Some(true);
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

    /// The device restarted: shots in flight are requested again, unless they depend on the shots before.
    fn restarted(&mut self, now: Duration, greeting: Greeting) {
        if greeting.stateful && self.batch.is_some() {
            self.fail(RigError::Restarted);
        } else {
            self.open(now, greeting, false);
        }
    }

    pub(super) fn take_description(&mut self, now: Duration, frame: &Frame<'_>) -> Option<bool> {
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
            // Pieces of two descriptions: start again.
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
        let payload = largest_payload(greeting.largest_frame as usize);
        let encoding = self.encoding.taken_by(&greeting, interface);
        let shot = Work::Play.largest_shot(encoding, interface);
        let most = usize::from(u16::MAX);
        if shot.channels > most || payload < shot.bytes || payload < 16 {
            let of_floats = interface.has_raster() && encoding != Encoding::Spikes;
            return Err(format!(
                "a shot of {} channels and {} bytes does not fit the device's largest frame of {} bytes, of which {payload} hold shots of at most {most} channels{}",
                shot.channels,
                shot.bytes,
                greeting.largest_frame,
                if of_floats {
                    "; it has a raster, but does not take play spikes, one bit a cell"
                } else {
                    ""
                }
            ));
        }
        let pulled_back = Work::Vjp.largest_shot(Encoding::Floats, interface);
        if greeting.twin && (pulled_back.channels > most || payload < pulled_back.bytes) {
            return Err(format!(
                "a shot of its twin, with {} values, does not fit its largest frame of {} bytes",
                pulled_back.channels, greeting.largest_frame
            ));
        }
        let frame = frame_bytes(shot.bytes);
        if greeting.window_frames == 0 || (greeting.window_bytes as usize) < frame {
            return Err(format!(
                "its window of {} bytes and {} frames is too small for a shot's frame of {frame} bytes",
                greeting.window_bytes, greeting.window_frames
            ));
        }
        Ok(Identity { greeting, description })
    }

    pub(super) fn take_opened(&mut self, frame: &Frame<'_>) -> Option<bool> {
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
                if self.work == Work::Play {
                    self.counts.replayed_after_restart += self.shots_on_the_way() as u64;
                }
            }
            let unanswered = self.pending.drain(..).filter(|pending| !pending.answered);
            self.again.extend(unanswered.map(|pending| pending.request));
            self.again.retain(|request| matches!(request, Request::Shots { .. }));
            (self.base, self.in_flight) = (0, 0);
            self.configure_again();
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

    pub(super) fn greet(&mut self, now: Duration) {
        self.timer = None;
        let since = self.handshake_since(now);
        self.advance(now, since, Step::Hello { first_nonce: self.nonce });
    }

    /// Start of the current handshake.
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
        // A device that answers hello but never opens a session is given up.
        let since = self.handshake_since(now);
        self.advance(now, since, Step::Open { greeting, resumed });
    }

    pub(super) fn transmit_handshake(&mut self, now: Duration) -> Option<&[u8]> {
        let State::Handshake { step, next_send, tries, since } = &mut self.state else {
            return None;
        };
        // Otherwise a program that takes minutes to start would find thousands of hellos.
        let waits = now.saturating_sub(*since) > PATIENT;
        let period = self.patience.hello_period * if waits { 4 } else { 1 };
        if now < *next_send {
            return None;
        }
        *next_send = now + period;
        *tries += 1;
        if *tries > TRIES_OF_A_STEP {
            // It may have restarted, or be another device now.
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
}
