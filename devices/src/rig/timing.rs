//! Round-trip time of a link.

use std::time::Duration;

/// The smoothed round-trip time of a link (Jacobson 1988; RFC 6298).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RoundTrip {
    /// Smoothed time and its mean deviation; `None` before the first answer.
    estimate: Option<(Duration, Duration)>,
}

/// Timeout before the first answer.
const FIRST_TIMEOUT: Duration = Duration::from_millis(250);
/// Shortest timeout: a microcontroller does not answer while it erases a page of its flash.
const SMALLEST_TIMEOUT: Duration = Duration::from_millis(100);

impl RoundTrip {
    /// Records an answer that took `time`.
    pub fn sample(&mut self, time: Duration) {
        self.estimate = Some(match self.estimate {
            None => (time, time / 2),
            Some((smoothed, deviation)) => {
                (smoothed * 7 / 8 + time / 8, deviation * 3 / 4 + smoothed.abs_diff(time) / 4)
            }
        });
    }

    /// The smoothed time of an answer.
    pub fn smoothed(&self) -> Duration {
        self.estimate.map_or(FIRST_TIMEOUT, |(smoothed, _)| smoothed)
    }

    /// The timeout of an answer.
    pub fn timeout(&self) -> Duration {
        self.estimate.map_or(FIRST_TIMEOUT, |(smoothed, deviation)| {
            (smoothed + 4 * deviation).max(SMALLEST_TIMEOUT)
        })
    }
}
