//! The number of shots in a frame: as many as the device plays in some seconds, so that a slow device answers
//! often, can be stopped soon, and loses little when a measurement fails.

use std::time::Duration;

/// Shots of the first frame, before the device's pace is known.
const FIRST: usize = 32;
/// After a frame that takes less time, frames become larger.
const SHORT: f64 = 4.0;
/// After a frame that takes more time, frames become smaller.
const LONG: f64 = 10.0;
/// Half the shots must take less than this share of the time; otherwise the call takes long, not the shots.
const WORTH_IT: f64 = 0.75;
/// Weight of the newest frame in the pace, if it was slower and if it was faster.
const SLOWER: f64 = 0.5;
const FASTER: f64 = 0.25;

/// The size of frames, and the device's pace.
#[derive(Debug)]
pub(super) struct FrameSize {
    shots: usize,
    /// Smallest size: smaller frames took as long.
    smallest: usize,
    /// Shots and seconds of the last frame that made the size shrink.
    before: Option<(usize, f64)>,
    /// Seconds a shot, once measured.
    pace: Option<f64>,
}

impl Default for FrameSize {
    fn default() -> Self {
        Self { shots: FIRST, smallest: 1, before: None, pace: None }
    }
}

impl FrameSize {
    /// Most shots of a frame.
    pub fn shots(&self) -> usize {
        self.shots
    }

    /// Measured seconds a shot; `None` before the first answer.
    pub fn pace(&self) -> Option<f64> {
        self.pace
    }

    /// Records that a frame of `shots` took `time` since the answer before.
    pub fn sample(&mut self, shots: usize, time: Duration) {
        let seconds = time.as_secs_f64();
        let newest = seconds / shots.max(1) as f64;
        self.pace = Some(self.pace.map_or(newest, |pace| {
            pace + if newest > pace { SLOWER } else { FASTER } * (newest - pace)
        }));
        if let Some((more, longer)) = self.before
            && shots <= self.shots
        {
            self.before = None;
            if seconds > WORTH_IT * longer {
                (self.shots, self.smallest) = (more, more);
                return;
            }
        }
        if shots >= self.shots && seconds < SHORT {
            self.shots = (2 * self.shots).min(usize::from(u16::MAX));
        } else if seconds > LONG && shots > self.smallest {
            self.before = Some((shots, seconds));
            self.shots = (shots / 2).max(self.smallest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes of frames on a device that takes `call` seconds a call and `shot` seconds a shot.
    fn sizes(call: f64, shot: f64) -> Vec<usize> {
        let mut size = FrameSize::default();
        (0..20)
            .map(|_| {
                let shots = size.shots();
                size.sample(shots, Duration::from_secs_f64(call + shot * shots as f64));
                size.shots()
            })
            .collect()
    }

    #[test]
    fn frames_take_seconds_on_devices_of_any_pace() {
        for shot in [0.01, 0.2, 1.0, 5.0] {
            let last = *sizes(0.0, shot).last().unwrap();
            let seconds = last as f64 * shot;
            assert!((2.0..=10.0).contains(&seconds), "{shot} s a shot: {last} shots");
        }
        assert_eq!(sizes(0.0, 20.0).last(), Some(&1));
        assert!(*sizes(0.0, 1e-6).last().unwrap() > 10_000);
    }

    #[test]
    fn a_call_that_takes_long_is_not_made_for_fewer_and_fewer_shots() {
        for call in [3.0, 12.0, 40.0] {
            let sizes = sizes(call, 1e-3);
            assert!(sizes.iter().all(|size| *size >= FIRST / 2), "{call} s: {sizes:?}");
            assert!(*sizes.last().unwrap() >= FIRST, "{call} s: {sizes:?}");
        }
    }
}
