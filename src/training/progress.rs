//! Where a training stands, and what an epoch came to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{TestScore, TwinCourse};
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
    /// Loss of the test data, measured on the device.
    pub test_loss: f32,
    /// How well the network does on the test data, measured on the device.
    #[serde(flatten)]
    pub test: TestScore,
    /// Shots played so far, calibration included.
    pub device_shots: u64,
    /// Values clamped so far.
    pub clamped: u64,
    /// How the rule's gradient of the last batch lies to backpropagation's, where it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alignment: Option<Alignment>,
    /// How the twins that are refined do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub twins: Vec<TwinCourse>,
    /// Root mean square of each trainable tensor, by `STAGE.KIND.NAME`.
    #[serde(default)]
    pub parameters: BTreeMap<String, f32>,
    /// Seconds since the training began.
    pub seconds: f64,
    /// After the last epoch, test samples by true class (rows) and answer (columns): those of
    /// [`test`](Self::test).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confusion: Vec<Vec<usize>>,
}

/// Where a training stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainingProgress {
    /// Steps made, over all epochs.
    pub steps: u64,
    /// Sums over the samples of the epoch that is under way.
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
