//! Characterisation of a device: its latency and rate, repeatability, drift, the linearity of each channel,
//! and the response to a common phase of complex drives.
//!
//! A probe drives the device over all of its ranges, as training does.

mod common_phase;
mod drift;
mod line;
mod linearity;
mod repeatability;
mod session;
mod timing;

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

pub use common_phase::CommonPhase;
pub use drift::MeasuredDrift;
pub use linearity::{ChannelKind, ChannelSweep, Linearity};
pub use repeatability::{Repeatability, sample_variance};
pub use timing::Timing;

use self::session::Session;
use crate::{DeviceError, Interface, PhysicalLayer, random};

/// How a device is probed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProbeConfig {
    /// Duration in seconds. On a slow device fewer shots are played and fewer channels swept; on a fast one the
    /// remaining time is used to measure drift. At least ten shots are played.
    pub seconds: f64,
    /// Seed of the drives.
    pub seed: u64,
}

impl Default for ProbeConfig {
    fn default() -> Self {
        Self { seconds: 30.0, seed: 0 }
    }
}

/// Seconds between two measurements of drift, once everything else is done.
const DRIFT_PERIOD: f64 = 0.5;

/// The result of a probe.
///
/// ```
/// use twinprop_devices::optical::{SecondHarmonic, SecondHarmonicConfig};
/// use twinprop_devices::probe::{Probe, ProbeConfig};
///
/// let mut device = SecondHarmonic::nominal(&SecondHarmonicConfig::default())?;
/// let config = ProbeConfig { seconds: 0.2, seed: 1 };
/// let probe = Probe::run(&mut device, &config, |_step, _share| ())?;
/// assert!(probe.shots >= 10);
/// # Ok::<(), twinprop_devices::DeviceError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// The device, as it describes itself.
    pub interface: Interface,
    /// Shots played.
    pub shots: u64,
    /// Seconds taken.
    pub seconds: f64,
    /// Seconds asked for.
    #[serde(default)]
    pub asked_seconds: f64,
    /// Latency and rate.
    pub timing: Timing,
    /// Repeatability.
    pub repeatability: Repeatability,
    /// Drift.
    pub drift: MeasuredDrift,
    /// Linearity of its channels.
    pub linearity: Linearity,
    /// Response to a common phase of complex drives, where it has such drives alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_phase: Option<CommonPhase>,
}

impl Probe {
    /// Probes `device`; `progress` gets the name of the current step, and the share of the work that is done.
    ///
    /// # Errors
    /// Whatever the device fails with.
    pub fn run(
        device: &mut dyn PhysicalLayer,
        config: &ProbeConfig,
        mut progress: impl FnMut(&str, f64),
    ) -> Result<Self, DeviceError> {
        let mut session = Session {
            device,
            random: random::stream(config.seed, "probe"),
            start: Instant::now(),
            shots: 0,
        };
        progress("latency and rate", 0.0);
        let timing = Timing::measure(&mut session, config.seconds)?;
        let mut reference = drift::ReferenceShots::new(&mut session, &timing, config.seconds);
        reference.measure(&mut session)?;
        progress("repeatability", 0.1);
        let repeatability = Repeatability::measure(&mut session, &timing, config.seconds)?;
        let common_phase =
            CommonPhase::measure(&mut session, &repeatability, &timing, config.seconds)?;
        let left = config.seconds - session.start.elapsed().as_secs_f64();
        let linearity = Linearity::measure(
            &mut session,
            &repeatability,
            &timing,
            left,
            &mut reference,
            |share| progress("linearity", 0.2 + 0.6 * share),
        )?;
        let mut elapsed = session.start.elapsed().as_secs_f64();
        while elapsed + reference.seconds(&timing) < config.seconds {
            progress("drift", 0.8 + 0.2 * elapsed / config.seconds);
            let pause = DRIFT_PERIOD.min(config.seconds - elapsed - reference.seconds(&timing));
            std::thread::sleep(Duration::from_secs_f64(pause.max(0.0)));
            reference.measure(&mut session)?;
            elapsed = session.start.elapsed().as_secs_f64();
        }
        let drift = reference.drift(&repeatability);
        Ok(Self {
            interface: session.device.interface().clone(),
            shots: session.shots,
            seconds: session.start.elapsed().as_secs_f64(),
            asked_seconds: config.seconds,
            timing,
            repeatability,
            drift,
            linearity,
            common_phase,
        })
    }
}
