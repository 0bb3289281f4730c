//! Notices of a pump: waits, restarts, retries, a device that is slower than declared.

use std::io;
use std::time::Duration;

use super::told::WAIT;
use super::{Pump, RESTARTS};
use crate::rig::notice::tell;
use crate::rig::work::Work;

/// A wait is also reported after this many times what it should take; then after twice as long each time,
const LATE: u32 = 3;
/// Shortest time between two reports for one device.
const BETWEEN_WAITS: Duration = Duration::from_secs(10);

impl Pump {
    pub(super) fn tell(&self, text: &str) {
        tell(&format!("{}: {text}", self.target));
    }

    /// Reports news since the last call.
    pub(super) fn tell_news(&mut self) {
        let now = self.now();
        self.tell_wait(now);
        let retried = self.host.counts().retried;
        // One line at the first, second, fourth, eighth… of them.
        if retried > self.told.retried {
            if retried.is_power_of_two() || retried >= 2 * self.told.retried.max(1) {
                let count =
                    if retried == 1 { String::new() } else { format!(", {retried} so far") };
                let what = match self.host.work() {
                    Work::Play => "a measurement",
                    Work::Predict | Work::Vjp => "its twin",
                };
                self.tell(&format!(
                    "{what} failed and is retried{count}: {}",
                    self.host.last_failure()
                ));
            }
            self.told.retried = retried;
        }
        if !self.told.is_slow
            && let Some((measured, declared)) = self.host.much_slower_than_declared()
        {
            self.told.is_slow = true;
            self.tell(&format!(
                "a shot takes {measured:.2} s, and the device declares {declared} s: set `seconds_per_shot` to {measured:.2} in its description for correct times"
            ));
        }
    }

    fn tell_wait(&mut self, now: Duration) {
        let answers = self.host.answers();
        if answers != self.told.answers || self.told.progress == Duration::MAX {
            (self.told.answers, self.told.progress) = (answers, now);
            return;
        }
        let waited = now.saturating_sub(self.told.progress);
        let long = WAIT.max(LATE * self.host.expected());
        if waited < long || now < self.told.next_wait {
            return;
        }
        self.told.next_wait = now + waited.max(BETWEEN_WAITS);
        let seconds = waited.as_secs_f64();
        let text = match (self.host.identity(), self.host.busy_with()) {
            (None, _) => format!("waiting for it to answer, {seconds:.0} s so far"),
            (_, Some(shots)) => format!("busy with {shots} shots, {seconds:.0} s so far"),
            _ => format!(
                "waiting for it to answer {} shots, {seconds:.0} s so far",
                self.host.shots_on_the_way()
            ),
        };
        self.tell(&text);
    }

    pub(super) fn tell_of_the_way_to_safety(&mut self, waited: Duration, limit: Duration) {
        if waited <= self.told.next_wait_for_safety {
            return;
        }
        let (seconds, most) = (waited.as_secs_f64(), limit.as_secs_f64());
        if self.host.plays_before_safe(self.now()) {
            self.told.next_wait_for_safety = waited + waited.max(BETWEEN_WAITS);
            self.tell(&format!(
                "waiting for its measurement to end, and then for its safe state, {seconds:.0} s so far"
            ));
        } else {
            // Once, because the time does not change any more.
            self.told.next_wait_for_safety = Duration::MAX;
            self.tell(&format!("waiting for its safe state, up to {most:.0} s"));
        }
    }

    /// Reports a lost link, the `count`th time since the last shot.
    pub(super) fn tell_reopening(&self, error: &io::Error, count: u64) {
        if self.transport.starts_a_program() {
            let words = self.transport.last_words();
            let words = if words.is_empty() { words } else { format!(":\n{words}") };
            self.tell(&format!(
                "{error}; it is started again ({count} of at most {RESTARTS} times without one more shot){words}"
            ));
        } else {
            self.tell(&format!("the link was lost ({error}) and is reopened"));
        }
    }
}
