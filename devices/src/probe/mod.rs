//! What a device is like: how fast it answers, how well it repeats itself, how it drifts, and how
//! straight each of its channels is.
//!
//! A probe drives the device all over its ranges, with nothing that training would not ask for as
//! well.

mod drift;
mod line;
mod linearity;
mod repeatability;
mod timing;

use std::time::{Duration, Instant};

use nalgebra::{DMatrix, DVector};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

pub use drift::Drift;
pub use linearity::{Linearity, Side, Sweep};
pub use repeatability::{Repeatability, sample_variance};
pub use timing::Timing;

use crate::{Channels, DeviceError, Interface, PhysicalLayer, random};

/// How a device is probed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProbeConfig {
    /// Seconds that it takes: a slow device plays fewer shots and has fewer of its channels swept, a fast
    /// one is watched for drift in the rest. It takes ten shots at least.
    pub seconds: f64,
    /// Seed of the drives.
    pub seed: u64,
}

impl Default for ProbeConfig {
    fn default() -> Self {
        Self { seconds: 30.0, seed: 0 }
    }
}

/// Seconds between two looks at the drift, once there is nothing else to do.
const DRIFT_PERIOD: f64 = 0.5;

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// The device, as it describes itself.
    pub interface: Interface,
    /// Shots played.
    pub shots: u64,
    /// Seconds taken.
    pub seconds: f64,
    /// Seconds that it was to take.
    #[serde(default)]
    pub asked_seconds: f64,
    /// How fast it answers.
    pub timing: Timing,
    /// How well it repeats itself.
    pub repeatability: Repeatability,
    /// How it drifts.
    pub drift: Drift,
    /// How straight its channels are.
    pub linearity: Linearity,
}

impl Probe {
    /// Probes `device`; `progress` hears what is done, as a share of one.
    ///
    /// # Errors
    /// Whatever the device fails with.
    pub fn run(
        device: &mut dyn PhysicalLayer,
        config: &ProbeConfig,
        mut progress: impl FnMut(&str, f64),
    ) -> Result<Self, DeviceError> {
        let mut bench = Bench {
            device,
            random: random::stream(config.seed, "probe"),
            start: Instant::now(),
            shots: 0,
        };
        progress("latency and rate", 0.0);
        let timing = Timing::measure(&mut bench, config.seconds)?;
        let mut reference = drift::Reference::new(&mut bench, &timing, config.seconds);
        reference.measure(&mut bench)?;
        progress("repeatability", 0.1);
        let repeatability = Repeatability::measure(&mut bench, &timing, config.seconds)?;
        let left = config.seconds - bench.start.elapsed().as_secs_f64();
        let linearity = Linearity::measure(
            &mut bench,
            &repeatability,
            &timing,
            left,
            &mut reference,
            |share| progress("linearity", 0.2 + 0.6 * share),
        )?;
        let mut elapsed = bench.start.elapsed().as_secs_f64();
        while elapsed + reference.seconds(&timing) < config.seconds {
            progress("drift", 0.8 + 0.2 * elapsed / config.seconds);
            let pause = DRIFT_PERIOD.min(config.seconds - elapsed - reference.seconds(&timing));
            std::thread::sleep(Duration::from_secs_f64(pause.max(0.0)));
            reference.measure(&mut bench)?;
            elapsed = bench.start.elapsed().as_secs_f64();
        }
        let drift = reference.drift(&repeatability);
        Ok(Self {
            interface: bench.device.interface().clone(),
            shots: bench.shots,
            seconds: bench.start.elapsed().as_secs_f64(),
            asked_seconds: config.seconds,
            timing,
            repeatability,
            drift,
            linearity,
        })
    }
}

/// A device on the test bench.
struct Bench<'a> {
    device: &'a mut dyn PhysicalLayer,
    random: ChaCha8Rng,
    start: Instant,
    shots: u64,
}

impl Bench<'_> {
    fn play(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
    ) -> Result<DMatrix<f32>, DeviceError> {
        let outputs = self.device.interface().outputs.len();
        let mut measured = DMatrix::zeros(outputs, inputs.ncols());
        self.device.measure(inputs, parameters, &mut measured)?;
        self.shots += inputs.ncols() as u64;
        Ok(measured)
    }

    /// Drives all over the ranges, `[n_inputs × shots]`.
    fn any_inputs(&mut self, shots: usize) -> DMatrix<f32> {
        let channels = self.device.interface().inputs.clone();
        let columns: Vec<_> = (0..shots).map(|_| self.within(&channels, 1.0)).collect();
        DMatrix::from_columns(&columns)
    }

    /// One setting, all over the ranges.
    fn any_parameters(&mut self) -> DVector<f32> {
        let channels = self.device.interface().parameters.clone();
        self.within(&channels, 1.0)
    }

    /// Values uniform over `share` of each range, about its middle.
    fn within(&mut self, channels: &Channels, share: f32) -> DVector<f32> {
        let values = channels.iter().map(|channel| {
            let middle = 0.5 * (channel.minimum + channel.maximum);
            middle + share * 0.5 * channel.span() * self.random.random_range(-1.0f32..=1.0)
        });
        DVector::from_iterator(channels.len(), values.collect::<Vec<_>>())
    }
}
