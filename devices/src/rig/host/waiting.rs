//! How long the host waits for answers.

use std::time::Duration;

use super::Host;
use super::patience::Patience;
use super::state::{Request, State, Timeouts};
use crate::rig::error::RigError;
use crate::rig::work::Work;

/// A shot that takes so many times the declared time is reported,
const MUCH_LONGER: f64 = 3.0;
/// if it takes at least so many seconds.
const NOTICED: f64 = 0.01;

impl Host {
    /// For a device that is a program started by this host: waits as long as it runs.
    pub fn wait_for_program(&mut self) {
        self.patience.hello = self.patience.hello.max(Patience::PROGRAM);
        self.patience.silence = self.patience.silence.max(Patience::PROGRAM);
    }

    /// Shots in flight.
    pub fn shots_on_the_way(&self) -> usize {
        self.pending
            .iter()
            .filter(|pending| !pending.answered && pending.sent.is_some())
            .map(|pending| match pending.request {
                Request::Shots { shots, .. } => shots,
                Request::Configure { .. } => 0,
            })
            .sum()
    }

    /// Seconds a shot, as the device declares; 0 before it is known. Of its twin it declares none.
    fn declared_pace(&self) -> f64 {
        let identity = self.identity.as_ref();
        identity.map_or(0.0, |identity| identity.description.interface.seconds_per_shot)
    }

    /// Time of the shots in flight, as declared or as measured, whichever is longer.
    pub fn expected(&self) -> Duration {
        let declared = if self.work == Work::Play { self.declared_pace() } else { 0.0 };
        let pace = declared.max(self.tempo().frame_size.pace().unwrap_or(0.0));
        Duration::from_secs_f64((self.shots_on_the_way() as f64 * pace).min(1e6))
    }

    /// Measured and declared seconds a shot, if the measured time is much longer.
    #[must_use]
    pub fn much_slower_than_declared(&self) -> Option<(f64, f64)> {
        let measured = self.tempi[Work::Play as usize].frame_size.pace()?;
        let declared = self.declared_pace();
        let is_much = measured > NOTICED && measured > MUCH_LONGER * declared;
        is_much.then_some((measured, declared))
    }

    /// Advice for a device that may only be slow.
    pub(super) fn pace_advice(&self) -> String {
        let shots = self.shots_on_the_way();
        if shots == 0 || self.work != Work::Play {
            return String::new();
        }
        format!(
            "; {shots} shots were in flight: if one takes longer than the {} s that the device declares, correct `seconds_per_shot` in its description",
            self.declared_pace()
        )
    }

    /// Records the time of these shots.
    pub(super) fn note_pace(&mut self, now: Duration, sequence: u32, shots: usize) {
        let place = sequence.wrapping_sub(self.base) as usize;
        let Some(pending) = self.pending.get(place) else { return };
        // For a frame that was sent twice, a lost and a slow answer can be told apart only by busy frames.
        if pending.repeats == 0 || self.busy_since.is_some() {
            let begin = pending.first_sent.max(self.last_answer);
            self.tempo_mut().frame_size.sample(shots, now.saturating_sub(begin));
        }
    }

    /// The timeout of the next answer.
    pub(super) fn answer_time(&self) -> Duration {
        self.expected() + self.round_trip.timeout() * (1 << self.timeouts.silent.min(6))
    }

    pub(super) fn start_timer(&mut self, now: Duration) {
        let waits = self.pending.iter().any(|pending| !pending.answered && pending.sent.is_some());
        self.timer = waits.then(|| now + self.answer_time());
    }

    /// Extends the time for hello while the device is busy with an earlier session.
    pub(super) fn wait_for_busy_device(&mut self, now: Duration) -> bool {
        let State::Handshake { since, .. } = &mut self.state else { return false };
        let busy_since = *self.busy_since.get_or_insert(now);
        let in_time = now.saturating_sub(busy_since) < self.patience.busy;
        if in_time {
            *since = now;
        }
        in_time
    }

    pub(super) fn check_timers(&mut self, now: Duration) {
        if let State::Handshake { since, .. } = &self.state
            && now.saturating_sub(*since) > self.patience.hello
        {
            let seconds = now.saturating_sub(*since).as_secs_f64();
            let (damaged, advice) = (self.decoder.rejected().frames, String::new());
            self.fail(RigError::NoAnswer { seconds, damaged, advice });
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
        let too_many =
            silent > self.patience.silent_timeouts || noisy > self.patience.noisy_timeouts;
        let asked = self.pending.front().map_or(now, |pending| pending.first_sent);
        let since = self.last_heard.max(asked);
        if too_many && now.saturating_sub(since) >= self.patience.silence {
            let damaged = self.decoder.rejected().frames;
            let advice = self.pace_advice();
            self.fail(RigError::Silent { timeouts: silent.max(noisy), damaged, advice });
            return;
        }
        for pending in &mut self.pending {
            pending.due |= !pending.answered && pending.sent.is_some();
        }
        self.start_timer(now);
    }
}
