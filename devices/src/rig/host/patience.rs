//! How long the host waits, and when it waits no more.

use std::time::Duration;

use super::requests::Request;
use super::{Host, State};
use crate::rig::error::RigError;

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

/// Timeouts since the last progress.
#[derive(Default)]
pub(super) struct Timeouts {
    pub silent: u32,
    pub noisy: u32,
    pub heard: bool,
}

impl Host {
    /// Shots that were sent and not answered yet.
    pub(super) fn shots_on_the_way(&self) -> usize {
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
    pub(super) fn declared(&self) -> Duration {
        let shots = self.shots_on_the_way();
        let seconds = self
            .identity
            .as_ref()
            .map_or(0.0, |identity| identity.description.interface.seconds_per_shot);
        Duration::from_secs_f64(shots as f64 * seconds)
    }

    /// After this time the next answer will not come.
    pub(super) fn answer_time(&self) -> Duration {
        self.declared() + self.round_trip.timeout() * (1 << self.timeouts.silent.min(6))
    }

    pub(super) fn start_timer(&mut self, now: Duration) {
        let waits = self.pending.iter().any(|pending| !pending.answered && pending.sent.is_some());
        self.timer = waits.then(|| now + self.answer_time());
    }

    pub(super) fn check_timers(&mut self, now: Duration) {
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
}
