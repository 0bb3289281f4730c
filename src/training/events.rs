//! What a training tells whoever watches, and where it is resumed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use twinprop_calibration::state::State;

use super::{Optimiser, RefinementState, TwinCourse};
use crate::network::{Laboratory, Network};
use crate::rules::Alignment;

/// One line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// The epoch, from one.
    pub epoch: usize,
    /// The learning rate in the last step.
    pub learning_rate: f64,
    /// Mean cross-entropy of the batches, as the rule sees them.
    pub train_loss: f32,
    /// Accuracy of the batches, as the rule sees them.
    pub train_accuracy: f32,
    /// Mean range penalty of the batches.
    pub range_penalty: f32,
    /// Cross-entropy of the test data, measured on the device.
    pub test_loss: f32,
    /// Accuracy on the test data, measured on the device.
    pub test_accuracy: f32,
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
    /// [`test_accuracy`](Self::test_accuracy).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confusion: Vec<Vec<usize>>,
}

/// What a training has to tell.
#[derive(Clone, Copy)]
pub enum TrainingEvent<'a> {
    /// A step is done.
    Step(StepDone<'a>),
    /// The twins that are refined do so before the first step.
    Twins(&'a [TwinCourse]),
    /// An epoch is over.
    Epoch(&'a EpochMetrics),
    /// All that a later process needs to resume.
    Checkpoint(Snapshot<'a>),
}

/// A step that is done.
#[derive(Clone, Copy)]
pub struct StepDone<'a> {
    /// Steps made, over all epochs.
    pub done: usize,
    /// Mean cross-entropy of its samples, before it.
    pub loss: f32,
    /// The devices after it.
    pub laboratory: &'a Laboratory,
}

/// A training between two steps.
#[derive(Clone, Copy)]
pub struct Snapshot<'a> {
    /// Where it stands.
    pub progress: &'a TrainingProgress,
    /// The network.
    pub network: &'a Network,
    /// Its devices and their twins.
    pub laboratory: &'a Laboratory,
    /// What moves the network.
    pub optimiser: &'a Optimiser,
    /// Where the twins stand that are refined.
    pub refinement: Option<&'a (State, RefinementState)>,
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

/// Where a training is resumed.
pub struct Start {
    /// How far it has come before.
    pub progress: TrainingProgress,
    /// What has moved the network so far.
    pub optimiser: Optimiser,
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
