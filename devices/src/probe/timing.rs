//! Latency and rate of a device.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::session::Session;
use crate::DeviceError;

/// Latency and rate of a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Median time from the request of one shot to its measurement, in seconds.
    pub latency_median: f64,
    /// 95th percentile of this time, in seconds.
    pub latency_95: f64,
    /// Shots a second, in batches of [`batch`](Self::batch).
    pub shots_per_second: f64,
    /// Shots of a batch.
    pub batch: usize,
}

/// Most single shots.
const SINGLES: usize = 100;
/// Share of the time for the single shots, and for the batches.
const SHARE: f64 = 0.05;
/// Shots of a batch.
const BATCH: usize = 64;

impl Timing {
    /// Seconds that a shot takes, in batches.
    #[must_use]
    pub fn seconds_per_shot(&self) -> f64 {
        1.0 / self.shots_per_second.max(1e-9)
    }

    /// Seconds that a batch of `shots` takes.
    pub(super) fn seconds_of_batch(&self, shots: usize) -> f64 {
        // A single shot takes the latency; on a slow device that is the shot itself.
        let beyond = (self.latency_median - self.seconds_per_shot()).max(0.0);
        beyond + shots as f64 * self.seconds_per_shot()
    }

    pub(super) fn measure(session: &mut Session<'_>, seconds: f64) -> Result<Self, DeviceError> {
        let parameters = session.any_parameters();
        let inputs = session.any_inputs(BATCH);
        // The first shot sends the parameters.
        session.play(&inputs.columns(0, 1).into_owned(), &parameters)?;
        let start = Instant::now();
        let mut times = Vec::new();
        while times.len() < SINGLES
            && (times.is_empty() || start.elapsed().as_secs_f64() < SHARE * seconds)
        {
            let single = inputs.columns(times.len() % BATCH, 1).into_owned();
            let asked = Instant::now();
            session.play(&single, &parameters)?;
            times.push(asked.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];

        let start = Instant::now();
        let mut batches = 0;
        // At least one shot.
        let batch = ((SHARE * seconds / at(0.5)) as usize).clamp(1, BATCH);
        let inputs = inputs.columns(0, batch).into_owned();
        while batches == 0 || start.elapsed().as_secs_f64() < (SHARE * seconds).min(1.0) {
            session.play(&inputs, &parameters)?;
            batches += 1;
        }
        Ok(Self {
            latency_median: at(0.5),
            latency_95: at(0.95),
            shots_per_second: (batches * batch) as f64 / start.elapsed().as_secs_f64(),
            batch,
        })
    }
}
