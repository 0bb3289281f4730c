//! Recalibration: a twin learns from new shots.

use std::sync::Arc;

use burn::tensor::Device;
use rand::{Rng, RngExt};

use super::refiner::{Learned, Lesson, learn};
use crate::adam::half_cosine;
use crate::error::CalibrationError;
use crate::twin::DigitalTwin;
use twinprop_devices::shots::Shots;

/// Shots on one setting in a recalibration.
pub const SHOTS_A_SETTING: usize = 4;
/// Settings in a step.
const SETTINGS_A_STEP: usize = 16;

/// The twin after `steps` steps, each on random runs of `shots`; the learning rate falls to zero along a
/// half cosine. `None` for a twin with nothing to learn, and where the error did not fall or diverged.
///
/// # Errors
/// As [`Learner::learn`](crate::Learner::learn), but for a divergence.
pub fn recalibrate(
    twin: &dyn DigitalTwin,
    shots: &Shots,
    steps: usize,
    random: &mut impl Rng,
    backend: &Device,
) -> Result<Option<Box<dyn DigitalTwin>>, CalibrationError> {
    let Some(mut learner) = twin.learner(backend) else { return Ok(None) };
    let runs: Vec<Arc<_>> = shots.runs(SHOTS_A_SETTING).into_iter().map(Arc::new).collect();
    let first_rate = learner.first_rate();
    let lesson: Lesson = (0..steps)
        .map(|step| {
            let chosen = (0..SETTINGS_A_STEP.min(runs.len()))
                .map(|_| Arc::clone(&runs[random.random_range(0..runs.len())]));
            let done = step as f64 / steps as f64;
            (chosen.collect(), first_rate * half_cosine(done))
        })
        .collect();
    match learn(&mut *learner, &lesson) {
        Ok(Learned { twin, error_before, error_after, .. }) => {
            Ok((error_after < error_before).then_some(twin))
        }
        Err(CalibrationError::RefinementDiverged { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
