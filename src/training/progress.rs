//! Progress of a training, and metrics of its epochs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{TestScore, TwinCourse};
use crate::loss::unknown;
use crate::rules::Alignment;

/// One line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// The epoch, from one.
    pub epoch: usize,
    /// The learning rate in the last step.
    pub learning_rate: f64,
    /// Mean loss of the batches, as the rule sees them.
    pub train_loss: f32,
    /// Accuracy of the batches, as the rule sees them; `None` for values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_accuracy: Option<f32>,
    /// Mean range penalty of the batches.
    pub range_penalty: f32,
    /// Loss of the test data, measured on the device; NaN and `null` in the file if it overflows.
    #[serde(deserialize_with = "unknown::number")]
    pub test_loss: f32,
    /// How well the network does on the test data, measured on the device.
    #[serde(flatten)]
    pub test: TestScore,
    /// Shots played so far, calibration included.
    pub device_shots: u64,
    /// Values clamped so far.
    pub clamped: u64,
    /// Alignment of the last batch's gradient with backpropagation's; `None` for backpropagation itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alignment: Option<Alignment>,
    /// The refined twins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub twins: Vec<TwinCourse>,
    /// Root mean square of each trainable tensor, by `STAGE.KIND.NAME`.
    #[serde(default)]
    pub parameters: BTreeMap<String, f32>,
    /// Seconds since the training began.
    pub seconds: f64,
    /// After the last epoch, the samples of [`test`](Self::test) by true class (rows) and answer (columns).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confusion: Vec<Vec<usize>>,
}

/// Progress of a training.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainingProgress {
    /// Steps made, over all epochs.
    pub steps: u64,
    /// Sums over the samples of the present epoch.
    pub(super) sums: Sums,
    /// Seconds spent.
    pub seconds: f64,
}

/// Sums over samples.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Sums {
    pub loss: f32,
    pub right: f32,
    pub penalty: f32,
}

impl Sums {
    pub fn add(&mut self, other: &Self) {
        self.loss += other.loss;
        self.right += other.right;
        self.penalty += other.penalty;
    }
}
