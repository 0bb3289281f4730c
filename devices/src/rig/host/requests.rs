//! A batch as requests, and requests as frames, as many in flight as fit in the device's window.

use std::time::Duration;

use super::Host;
use super::state::{Identity, Pending, Request, Safety, State, Tempo};
use crate::rig::frame::{Header, Kind, largest_payload};
use crate::rig::values::write_floats;
use crate::rig::work::Work;

impl Host {
    /// Schedules the parameters as a new setting before the next shots.
    pub(super) fn configure_again(&mut self) {
        self.epoch = self.epoch.wrapping_add(1).max(1);
        self.unsent = Some(0);
        self.again.retain(|request| matches!(request, Request::Shots { .. }));
    }

    /// Whether the next new request has shots.
    pub(super) fn next_has_shots(&self) -> bool {
        matches!(self.state, State::Ready)
            && self.unsent.is_none()
            && (!self.again.is_empty()
                || self.batch.as_ref().is_some_and(|batch| batch.next < batch.shots))
    }

    /// Whether one more frame fits in the device's window.
    pub(super) fn has_room(&self) -> bool {
        self.identity.as_ref().is_some_and(|Identity { greeting, .. }| {
            self.pending.len() < usize::from(greeting.window_frames)
                && (self.in_flight == 0
                    || self.in_flight + greeting.largest_frame as usize
                        <= greeting.window_bytes as usize)
        })
    }

    /// The next new request.
    fn next_request(&mut self, now: Duration) -> Option<Request> {
        let Identity { greeting, description } = self.identity.as_ref()?;
        let batch = self.batch.as_mut()?;
        let payload = largest_payload(greeting.largest_frame as usize);
        if let Some(offset) = self.unsent {
            let most = ((payload - 8) / 4).min(usize::from(u16::MAX));
            let count = most.min(self.parameters.len() - offset);
            self.unsent = Some(offset + count).filter(|next| *next < self.parameters.len());
            return Some(Request::Configure { offset, count });
        }
        let Tempo { frame_size, next } = &mut self.tempi[self.work as usize];
        if now < *next {
            return None;
        }
        let request = self.again.pop_front().or_else(|| {
            let encoding = self.encoding.taken_by(greeting, &description.interface);
            let largest = self.work.largest_shot(encoding, &description.interface);
            let most = (payload / largest.bytes).min(usize::from(u16::MAX));
            let most = most.min(frame_size.shots());
            let (first, shots) = (batch.next, most.min(batch.shots - batch.next));
            batch.next += shots;
            (shots > 0).then_some(Request::Shots { first, shots })
        })?;
        if let (Some(rate), Work::Play, Request::Shots { shots, .. }) =
            (description.largest_shot_rate, self.work, request)
        {
            *next = (*next).max(now) + Duration::from_secs_f64(shots as f64 / rate);
        }
        Some(request)
    }

    pub(super) fn transmit_requests(&mut self, now: Duration) -> Option<&[u8]> {
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
            first_sent: now,
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
        let interface = &identity.description.interface;
        let encoding = self.encoding.taken_by(&identity.greeting, interface);
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
            Request::Shots { first, shots } => {
                let batch = self.batch.as_ref().expect("shots in flight belong to a batch");
                let (width, encoding) = (self.work.width(interface), self.work.encoding(encoding));
                let values = &batch.inputs[first * width..(first + shots) * width];
                if self.work == Work::Play {
                    self.safety = Safety::Unknown;
                }
                let header = Header {
                    first_shot: first as u16,
                    shots: shots as u16,
                    channels: self.work.shot(encoding, interface).channels as u16,
                    epoch,
                    ..Header::new(self.work.request(encoding), self.session, sequence)
                };
                let channels = &interface.inputs;
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
        // The frame is still in the encoder; it is borrowed again after the timer is set.
        self.encoder.last()
    }
}
