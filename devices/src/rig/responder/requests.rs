//! Requests of the host.

use std::time::Duration;

use nalgebra::DMatrix;

use super::{Play, Responder};
use crate::raster::{self, Side};
use crate::rig::frame::{Frame, Header, Kind, VERSION, checksum, largest_payload};
use crate::rig::message::{Greeting, Health, long};
use crate::rig::refusal::Refusal;
use crate::rig::values::Encoding;
use crate::rig::work::Work;
use crate::{Channel, Channels};

impl Responder {
    pub(super) fn take(&mut self, now: Duration, frame: &Frame<'_>) {
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
            Kind::Configure
            | Kind::Play
            | Kind::PlayCodes
            | Kind::PlaySpikes
            | Kind::Predict
            | Kind::Vjp => self.take_in_order(frame),
            _ => {}
        }
    }

    fn greet(&mut self, header: &Header) {
        let greeting = Greeting {
            versions: (VERSION, VERSION),
            codes: self.capacity.codes,
            twin: self.capacity.twin,
            spikes: self.takes_spikes(),
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

    fn takes_spikes(&self) -> bool {
        self.capacity.spikes && self.description.interface.has_raster()
    }

    fn describe(&mut self, frame: &Frame<'_>) {
        let Some(offset) = long(frame.payload, 0) else { return };
        let space = largest_payload(self.capacity.largest_frame) - 4;
        let text = std::mem::take(&mut self.text);
        let piece = text.get(offset as usize..).unwrap_or_default();
        let piece = &piece[..piece.len().min(space)];
        self.send(&Header { kind: Kind::Description, ..frame.header }, |bytes| {
            bytes.extend(offset.to_le_bytes());
            bytes.extend_from_slice(piece);
        });
        self.text = text;
    }

    fn open(&mut self, frame: &Frame<'_>) {
        let session = frame.header.session;
        // A late frame, from before a restart or of an earlier session.
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
            // This may be a late frame of an earlier session; its host is gone.
            self.send_error(&header, Refusal::Session, "the session is not open");
            return;
        }
        let ahead = header.sequence.wrapping_sub(self.expected);
        if ahead == 0 {
            self.expected = self.expected.wrapping_add(1);
            match Work::of(header.kind) {
                Some((work, encoding)) => self.enqueue(frame, work, encoding),
                None => self.configure(frame),
            }
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
        // Shots in the queue belong to the current setting; they come first.
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

    fn enqueue(&mut self, frame: &Frame<'_>, work: Work, encoding: Encoding) {
        let header = frame.header;
        if work != Work::Play && !self.capacity.twin {
            return self.refuse(&header, Refusal::Unknown, "this device has no twin");
        }
        if encoding == Encoding::Spikes && !self.takes_spikes() {
            return self.refuse(&header, Refusal::Unknown, "this device takes no spikes");
        }
        let interface = &self.description.interface;
        let (channels, width) = (&interface.inputs, work.width(interface));
        let (shot, shots) = (work.shot(encoding, interface), usize::from(header.shots));
        let answer_fits = largest_payload(self.capacity.largest_frame)
            >= work.answered_shot(encoding, interface).bytes * shots;
        let fits = usize::from(header.channels) == shot.channels
            && frame.payload.len() == shots * shot.bytes
            && shots > 0;
        // Nothing is allocated from a number alone.
        let mut values = DMatrix::zeros(width, if fits { shots } else { 0 });
        let is_read = encoding.read(channels, frame.payload, values.as_mut_slice());
        if !(fits && is_read && answer_fits) {
            let text = format!(
                "{shots} shots of {} channels in {} bytes; a shot has {} channels in {} bytes, and the bits behind a raster's last cell must be 0",
                header.channels,
                frame.payload.len(),
                shot.channels,
                shot.bytes
            );
            return self.refuse(&header, Refusal::Shape, &text);
        }
        let cotangents = values.rows(channels.len(), width - channels.len()).into_owned();
        let inputs = values.resize_vertically(channels.len(), 0.0);
        let stray = inputs.column_iter().find_map(|shot| {
            stray(channels.iter(), shot.as_slice())
                .map(|(channel, value)| (channel.to_string(), value))
        });
        if let Some((channel, value)) = stray {
            let text = format!("drive `{channel}` of {value}");
            return self.refuse(&header, Refusal::Range, &text);
        }
        if let Err(error) = raster::check_shots(interface, Side::Drives, inputs.as_slice()) {
            return self.refuse(&header, Refusal::Range, &error.to_string());
        }
        if let Some(value) = cotangents.iter().find(|value| !value.is_finite()) {
            return self.refuse(&header, Refusal::Range, &format!("a cotangent of {value}"));
        }
        self.plays.push_back(Play { header, encoding, work, inputs, cotangents });
    }
}

/// The first value that is not finite or out of range.
fn stray<'a>(
    channels: impl Iterator<Item = Channel<'a>>,
    values: &[f32],
) -> Option<(Channel<'a>, f32)> {
    channels
        .zip(values)
        .find(|(channel, value)| !(channel.minimum..=channel.maximum).contains(*value))
        .map(|(channel, value)| (channel, *value))
}
