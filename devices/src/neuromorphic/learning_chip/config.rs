//! A learning chip as a recipe describes it.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::validate;

/// A spiking chip that learns, as a recipe describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LearningChipConfig {
    /// Number of input lines, then of the neurons of each layer up to the output: two numbers or more.
    #[serde(deserialize_with = "layer_sizes")]
    pub layers: Vec<usize>,
    /// How errors reach the hidden layers.
    pub feedback: Feedback,
    /// Seed of random feedback, which is part of the design.
    pub feedback_seed: u64,
    /// Ticks T of a shot: an even number of 6 or more. A phase has T/2 − 1.
    #[serde(deserialize_with = "even_ticks")]
    pub ticks: usize,
    /// Largest drive of an input line, at which it spikes in every tick; the smallest is 0.
    #[serde(deserialize_with = "validate::positive")]
    pub largest_input: f64,
    /// Factor c_h of the hidden neurons' thresholds.
    #[serde(deserialize_with = "validate::positive")]
    pub hidden_threshold: f64,
    /// Factor c_o of the output neurons' thresholds.
    #[serde(deserialize_with = "validate::positive")]
    pub output_threshold: f64,
    /// Factor c_e of the error neurons' thresholds.
    #[serde(deserialize_with = "validate::positive")]
    pub error_threshold: f64,
    /// Threshold ε of the loss neurons: wrong ticks of an output neuron for one error spike.
    #[serde(deserialize_with = "validate::count")]
    pub loss_threshold: usize,
    /// Lowest potential of a neuron, in thresholds (as designed) below 0; by default there is none, as published. Without
    /// it a neuron of mostly negative input falls so low that no error spike can wake it.
    #[serde(
        deserialize_with = "validate::optional_positive",
        skip_serializing_if = "Option::is_none"
    )]
    pub lowest_potential: Option<f64>,
    /// Time one shot takes, in seconds.
    #[serde(deserialize_with = "validate::positive")]
    pub seconds_per_shot: f64,
}

/// How errors reach the hidden layers of a learning chip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Feedback {
    /// From the layer above through its transposed weights.
    #[default]
    Symmetric,
    /// From the layer above through fixed random weights: feedback alignment.
    Random,
    /// From the output through fixed random weights: direct feedback alignment.
    Direct,
}

impl Default for LearningChipConfig {
    /// 64 lines, 100 hidden and 10 output neurons, with the published thresholds and 100 ticks of 10 µs.
    fn default() -> Self {
        Self {
            layers: vec![64, 100, 10],
            feedback: Feedback::Symmetric,
            feedback_seed: 0,
            ticks: 100,
            largest_input: 1.0,
            hidden_threshold: 0.5,
            output_threshold: 0.1,
            error_threshold: 0.5,
            loss_threshold: 3,
            lowest_potential: None,
            seconds_per_shot: 1e-3,
        }
    }
}

impl LearningChipConfig {
    /// What is impossible about it and what to do, in a sentence.
    pub(super) fn problem(&self) -> Option<String> {
        wrong_layers(&self.layers).or_else(|| wrong_ticks(self.ticks))
    }
}

fn wrong_layers(layers: &[usize]) -> Option<String> {
    let wrong = layers.len() < 2 || layers.contains(&0);
    wrong.then(|| {
        format!(
            "`layers` has to be the sizes of the input and of at least one layer, each of 1 or more, such as [64, 100, 10]; found {layers:?}"
        )
    })
}

fn wrong_ticks(ticks: usize) -> Option<String> {
    let wrong = ticks < 6 || !ticks.is_multiple_of(2) || ticks > usize::from(u16::MAX);
    wrong.then(|| format!("`ticks` has to be an even number from 6 to 65534; found {ticks}"))
}

fn layer_sizes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<usize>, D::Error> {
    let layers = Vec::deserialize(deserializer)?;
    wrong_layers(&layers).map_or(Ok(layers), |problem| Err(de::Error::custom(problem)))
}

fn even_ticks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let ticks = validate::count(deserializer)?;
    wrong_ticks(ticks).map_or(Ok(ticks), |problem| Err(de::Error::custom(problem)))
}
