//! A chip as a recipe describes it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::validate;

/// A population of leaky integrate-and-fire neurons on a chip, as a recipe describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LifChipConfig {
    /// Input lines N.
    #[serde(deserialize_with = "validate::count")]
    pub lines: usize,
    /// Neurons M.
    #[serde(deserialize_with = "validate::count")]
    pub neurons: usize,
    /// Steps T of a shot, two or more.
    #[serde(deserialize_with = "validate::count")]
    pub steps: usize,
    /// Whether neurons are connected with each other; none with itself.
    pub recurrent: bool,
    /// Time constant τ_m of a membrane, in steps; more than 1.
    #[serde(deserialize_with = "validate::positive")]
    pub membrane_time: f64,
    /// Time constant τ_s of a synaptic current, in steps; more than 1.
    #[serde(deserialize_with = "validate::positive")]
    pub synaptic_time: f64,
    /// Threshold ν of a membrane.
    #[serde(deserialize_with = "validate::positive")]
    pub threshold: f64,
    /// Steps T_ref without a spike after each spike.
    pub refractory: u32,
    /// Largest weight; weights go down to its negative.
    #[serde(deserialize_with = "validate::positive")]
    pub largest_weight: f64,
    /// Resolution of the size of a weight, in bits beside its sign; 0 is continuous.
    #[serde(deserialize_with = "validate::bits")]
    pub weight_bits: u32,
    /// What is read.
    pub readout: LifReadout,
    /// Fixed pattern of the true synapses: relative standard deviation of their gains.
    #[serde(deserialize_with = "validate::non_negative")]
    pub gain_error: f64,
    /// Noise of the true membranes: standard deviation of what each step adds, as a share of the threshold.
    #[serde(deserialize_with = "validate::non_negative")]
    pub membrane_noise: f64,
    /// Probability that the link to the true chip, or from it, loses a spike.
    #[serde(deserialize_with = "validate::fraction")]
    pub spike_loss: f64,
    /// Probability that a spike of the true chip is recorded one step late.
    #[serde(deserialize_with = "validate::fraction")]
    pub spike_jitter: f64,
    /// Time of a step, in seconds.
    #[serde(deserialize_with = "validate::positive")]
    pub step_seconds: f64,
}

/// What is read from the chip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LifReadout {
    /// The spikes of each neuron in each step.
    #[default]
    Raster,
    /// The number of spikes of each neuron.
    Counts,
    /// The spikes, and the membranes of each step before they are reset.
    RasterAndMembrane,
}

impl Default for LifChipConfig {
    /// 16 lines onto 16 recurrent neurons in 50 steps of 1 ms, without errors.
    fn default() -> Self {
        Self {
            lines: 16,
            neurons: 16,
            steps: 50,
            recurrent: true,
            membrane_time: 20.0,
            synaptic_time: 5.0,
            threshold: 1.0,
            refractory: 1,
            largest_weight: 2.0,
            weight_bits: 0,
            readout: LifReadout::Raster,
            gain_error: 0.0,
            membrane_noise: 0.0,
            spike_loss: 0.0,
            spike_jitter: 0.0,
            step_seconds: 1e-3,
        }
    }
}
