//! Answers to requests. An answer counts only if its session, sequence, shots and parameter epoch are those
//! of the request.

use std::time::Duration;

use super::Host;
use super::state::{Pending, Request, Timeouts};
use crate::rig::error::RigError;
use crate::rig::frame::{Frame, Kind};
use crate::rig::refusal::Refusal;
use crate::rig::values::Encoding;
use crate::rig::work::Work;

/// A busy device that is silent for so long may have lost a frame.
const BUSY_SILENCE: Duration = Duration::from_secs(1);
/// Pauses before the first, the second and all later retries of a failed measurement.
const RETRY_PAUSES: [Duration; 3] =
    [Duration::ZERO, Duration::from_millis(100), Duration::from_millis(500)];

impl Host {
    /// The pending request that `frame` answers.
    fn asked(&mut self, frame: &Frame<'_>) -> Option<&mut Pending> {
        let place = frame.header.sequence.wrapping_sub(self.base) as usize;
        let pending = self.pending.get_mut(place)?;
        (!pending.answered && pending.sent.is_some() && pending.epoch == frame.header.epoch)
            .then_some(pending)
    }

    /// Takes measurements, predictions or cotangents.
    pub(super) fn take_shots(&mut self, now: Duration, frame: &Frame<'_>) -> Option<()> {
        let Request::Shots { first, shots } = self.asked(frame)?.request else { return None };
        let interface = &self.identity.as_ref()?.description.interface;
        let header = &frame.header;
        let encoding = match header.kind {
            Kind::MeasuredCodes => Encoding::Codes,
            Kind::MeasuredSpikes => Encoding::Spikes,
            _ => Encoding::Floats,
        };
        let batch = self.batch.as_mut()?;
        let width = self.work.answer_width(interface);
        let fits = header.kind == self.work.answer(encoding)
            && header.first_shot == first as u16
            && usize::from(header.shots) == shots
            && usize::from(header.channels)
                == self.work.answered_shot(encoding, interface).channels;
        let outputs = batch.outputs.get_mut(first * width..(first + shots) * width)?;
        (fits && encoding.read(&interface.outputs, frame.payload, outputs)).then_some(())?;
        self.note_pace(now, header.sequence, shots);
        (self.failures, self.shots_answered) = (0, self.shots_answered + shots as u64);
        self.answer(now, header.sequence);
        Some(())
    }

    pub(super) fn take_configured(&mut self, now: Duration, frame: &Frame<'_>) -> Option<()> {
        let Request::Configure { count, .. } = self.asked(frame)?.request else { return None };
        (usize::from(frame.header.channels) == count).then_some(())?;
        self.answer(now, frame.header.sequence);
        Some(())
    }

    /// Marks the request of this sequence as answered.
    fn answer(&mut self, now: Duration, sequence: u32) {
        let place = sequence.wrapping_sub(self.base) as usize;
        let pending = &mut self.pending[place];
        pending.answered = true;
        self.answers += 1;
        pending.due = false;
        self.in_flight -= pending.bytes;
        if let (0, Some(sent)) = (pending.repeats, pending.sent) {
            self.round_trip.sample(now.saturating_sub(sent));
        }
        // The device answers in order: an earlier answer that has not come is lost.
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
        (self.busy_since, self.last_answer) = (None, now);
        self.start_timer(now);
    }

    pub(super) fn take_busy(&mut self, now: Duration, frame: &Frame<'_>) -> Option<()> {
        self.asked(frame)?;
        let since = *self.busy_since.get_or_insert(now);
        let patience = self.patience.busy + 10 * self.expected();
        if now.saturating_sub(since) > patience {
            let (seconds, advice) = ((now - since).as_secs_f64(), self.pace_advice());
            self.fail(RigError::BusyTooLong { seconds, advice });
        } else {
            self.timeouts.silent = 0;
            // It sends busy twice a second: nothing is sent again until it is silent for longer.
            self.timer = Some(now + self.answer_time().max(BUSY_SILENCE));
        }
        Some(())
    }

    /// The device expects frame `expected`: this and all later frames are sent again, once a round trip.
    pub(super) fn take_nak(&mut self, now: Duration, expected: u32) -> Option<()> {
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

    pub(super) fn take_error(&mut self, now: Duration, frame: &Frame<'_>) -> Option<()> {
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
                    self.configure_again();
                }
            }
            Refusal::Fault => self.take_failure(now, frame)?,
            _ => {
                self.asked(frame)?;
                let text = String::from_utf8_lossy(&frame.payload[2..]).into_owned();
                self.fail(RigError::Refused { refusal, text });
            }
        }
        Some(())
    }

    /// A measurement failed: it is retried, unless shots depend on each other or it failed too often in a row.
    /// The device has forgotten the parameters and refuses the frames behind it, which are sent again in order. A
    /// twin that failed can always be asked again.
    fn take_failure(&mut self, now: Duration, frame: &Frame<'_>) -> Option<()> {
        let pending = self.asked(frame)?;
        let (request, epoch) = (pending.request, pending.epoch);
        let text = String::from_utf8_lossy(&frame.payload[2..]).into_owned();
        let plays = self.work == Work::Play;
        let is_final = plays && self.identity.as_ref()?.greeting.stateful;
        self.failures += 1;
        self.last_failure.clone_from(&text);
        if is_final || self.failures > self.patience.retries {
            let tries = self.failures;
            self.fail(match plays {
                true => RigError::Failed { tries, text },
                false => RigError::TwinFailed { tries, text },
            });
            return Some(());
        }
        self.counts.retried += 1;
        self.answer(now, frame.header.sequence);
        self.again.push_back(request);
        if epoch == self.epoch {
            self.configure_again();
        }
        let pause = RETRY_PAUSES[(self.failures as usize - 1).min(RETRY_PAUSES.len() - 1)];
        let tempo = self.tempo_mut();
        tempo.next = tempo.next.max(now + pause);
        Some(())
    }
}
