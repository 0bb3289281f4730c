//! How long an answer takes.

use std::time::Duration;

/// The round trip of a link, smoothed (Jacobson 1988; RFC 6298).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RoundTrip {
    /// Smoothed time and its mean deviation; none before the first answer.
    estimate: Option<(Duration, Duration)>,
}

/// Before anything is known.
const FIRST_TIMEOUT: Duration = Duration::from_millis(250);
/// A microcontroller that erases a page of its flash answers nothing for so long.
const SMALLEST_TIMEOUT: Duration = Duration::from_millis(100);

impl RoundTrip {
    /// An answer took `time`.
    pub fn sample(&mut self, time: Duration) {
        self.estimate = Some(match self.estimate {
            None => (time, time / 2),
            Some((smoothed, deviation)) => {
                (smoothed * 7 / 8 + time / 8, deviation * 3 / 4 + smoothed.abs_diff(time) / 4)
            }
        });
    }

    /// The time that an answer takes.
    pub fn smoothed(&self) -> Duration {
        self.estimate.map_or(FIRST_TIMEOUT, |(smoothed, _)| smoothed)
    }

    /// After this time an answer will not come.
    pub fn timeout(&self) -> Duration {
        self.estimate.map_or(FIRST_TIMEOUT, |(smoothed, deviation)| {
            (smoothed + 4 * deviation).max(SMALLEST_TIMEOUT)
        })
    }
}
