//! The slope of a surrogate gradient, chosen by its agreement with the device.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use twinprop_devices::PhysicalLayer;
use twinprop_devices::neuromorphic::SpikeGradient;

use super::config::FidelityConfig;
use super::estimate::Estimate;
use super::gradient;
use crate::CalibrationError;
use crate::twin::DigitalTwin;
use twinprop_devices::shots::Shots;

/// The slopes that are tried.
const SLOPES: [f32; 7] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0];
/// Share of the points of a judgement that are measured for each slope.
const SHARE: usize = 2;
/// Fewest points of a slope.
const FEWEST_POINTS: usize = 8;

/// A slope that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SlopeTrial {
    /// The slope β.
    pub slope: f32,
    /// Cosine of the angle between its gradient of the counts and the device's.
    pub cosine: Estimate,
}

/// A twin with the chosen slope, and the slopes that were tried.
pub struct SlopeChoice {
    /// The twin.
    pub twin: Box<dyn DigitalTwin>,
    /// Its slope.
    pub chosen: SlopeTrial,
    /// The trials, by slope.
    pub trials: Vec<SlopeTrial>,
}

/// Chooses the slope of the surrogate gradient of `twin` with the largest cosine to the gradient of `device`, measured by
/// central differences about `unseen` shots; `None` if the device does not spike. `progress` gets the share that is done.
///
/// # Errors
/// Those of the device.
pub fn choose_slope(
    twin: &dyn DigitalTwin,
    device: &mut dyn PhysicalLayer,
    unseen: &Shots,
    config: &FidelityConfig,
    seed: u64,
    backend: &Device,
    mut progress: impl FnMut(f64),
) -> Result<Option<SlopeChoice>, CalibrationError> {
    let config = &FidelityConfig {
        points: (config.points / SHARE).max(FEWEST_POINTS.min(config.points)),
        ..config.clone()
    };
    let mut trials = Vec::with_capacity(SLOPES.len());
    let mut best: Option<(SlopeTrial, Box<dyn DigitalTwin>)> = None;
    for (number, slope) in SLOPES.into_iter().enumerate() {
        let Some(twin) = twin.with_spike_gradient(SpikeGradient::Surrogate { slope }) else {
            return Ok(None);
        };
        // Other points than those of the judgement, which the chosen slope would otherwise fit by chance.
        let seed = seed.wrapping_add(1);
        let case = gradient::GradientComparison { twin: &*twin, unseen, config, seed, backend };
        let (found, _) = gradient::compare_counts(&case, device, |_| ())?;
        let trial = SlopeTrial { slope, cosine: found.cosine };
        trials.push(trial);
        if best.as_ref().is_none_or(|(best, _)| trial.cosine.value > best.cosine.value) {
            best = Some((trial, twin));
        }
        progress((number + 1) as f64 / SLOPES.len() as f64);
    }
    Ok(best.map(|(chosen, twin)| SlopeChoice { twin, chosen, trials }))
}
