//! A driven plate as a recipe describes it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::validate;

/// A driven plate, as a recipe describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PlateConfig {
    /// Samples of the waveform that carry data.
    #[serde(deserialize_with = "validate::count")]
    pub inputs: usize,
    /// Samples that carry trainable parameters, spread evenly between the data.
    #[serde(deserialize_with = "validate::count")]
    pub parameters: usize,
    /// Readings, evenly spaced over the shot; the last is its end.
    #[serde(deserialize_with = "validate::count")]
    pub outputs: usize,
    /// Modes, the lowest of the plate.
    #[serde(deserialize_with = "validate::count")]
    pub modes: usize,
    /// Frequency of the lowest mode in Hz.
    #[serde(deserialize_with = "validate::positive")]
    pub fundamental_hz: f64,
    /// Damping ratio of every mode, below one.
    #[serde(deserialize_with = "validate::open_fraction")]
    pub damping: f64,
    /// Length over width.
    #[serde(deserialize_with = "validate::positive")]
    pub aspect: f64,
    /// Share by which the tension of a random shot stiffens the lowest mode.
    #[serde(deserialize_with = "validate::non_negative")]
    pub stiffening: f64,
    /// Time between two samples of the waveform, in seconds.
    #[serde(deserialize_with = "validate::positive")]
    pub sample_seconds: f64,
    /// Integration steps a sample.
    #[serde(deserialize_with = "validate::count")]
    pub steps_per_sample: usize,
    /// Gain of the pickup; at 1 the root mean square of a random shot is a quarter of full scale.
    #[serde(deserialize_with = "validate::positive")]
    pub gain: f64,
    /// The quantity that is read.
    pub detection: Detection,
}

/// How a plate's motion is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Detection {
    /// The velocity at one point.
    #[default]
    Velocity,
    /// The root mean square of each mode's velocity over windows: all windows of the lowest mode, then of
    /// the next. The outputs are a multiple of the modes.
    ModalEnvelopes,
}

impl Default for PlateConfig {
    /// Sixteen modes from 100 Hz, driven for 32 ms.
    fn default() -> Self {
        Self {
            inputs: 64,
            parameters: 64,
            outputs: 64,
            modes: 16,
            fundamental_hz: 100.0,
            damping: 0.02,
            aspect: 1.4,
            stiffening: 0.3,
            sample_seconds: 2.5e-4,
            steps_per_sample: 2,
            gain: 1.0,
            detection: Detection::Velocity,
        }
    }
}
