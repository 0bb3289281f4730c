//! What a recipe says about a time series that is calculated.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::validate;

/// A time series that is calculated, in the place of one from a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SeriesConfig {
    /// Symbols sent through a nonlinear channel with memory and noise; columns `sent` and `received`.
    Channel(ChannelConfig),
    /// The Mackey-Glass equation; column `x`.
    MackeyGlass(MackeyGlassConfig),
}

/// Symbols −3, −1, 1 and 3, drawn by the recipe's seed, sent through a nonlinear channel with memory and noise (Jaeger
/// & Haas, Science 304, 78, 2004).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelConfig {
    /// Symbols sent.
    #[serde(default = "ten_thousand", deserialize_with = "validate::count")]
    pub symbols: usize,
    /// Power of the received signal over that of the noise, in dB.
    #[serde(default = "usual_ratio", deserialize_with = "validate::finite")]
    pub signal_to_noise: f64,
}

/// The equation dx/dt = 0.2 x(t − τ) / (1 + x(t − τ)¹⁰) − 0.1 x(t), with x = 1.2 before the beginning (Mackey & Glass,
/// Science 197, 287, 1977), sampled once a unit of time after 1,000 units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MackeyGlassConfig {
    /// Samples.
    #[serde(default = "ten_thousand", deserialize_with = "validate::count")]
    pub times: usize,
    /// The delay τ in units of time, a multiple of 0.1; the series is chaotic from 16.8 on.
    #[serde(default = "usual_delay", deserialize_with = "validate::positive")]
    pub delay: f64,
}

impl Default for ChannelConfig {
    fn default() -> Self {
        Self { symbols: ten_thousand(), signal_to_noise: usual_ratio() }
    }
}

impl Default for MackeyGlassConfig {
    fn default() -> Self {
        Self { times: ten_thousand(), delay: usual_delay() }
    }
}

fn ten_thousand() -> usize {
    10_000
}

fn usual_ratio() -> f64 {
    24.0
}

fn usual_delay() -> f64 {
    17.0
}
