//! A run in numbers.

use serde::{Deserialize, Serialize};
use twinprop_calibration::Fidelity;
use twinprop_devices::rig::{Description, LinkCounts, Monitor};

use super::accounting::Accounting;
use crate::training::TwinCourse;
use crate::{Backend, Rule};

/// What a twin was worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TwinScore {
    /// Coefficient of determination on shots it never saw.
    pub r2: f32,
    /// Normalised root mean square error on them.
    pub nrmse: f32,
    /// Cosine between its gradient and the device's.
    pub gradient_cosine: f32,
}

impl TwinScore {
    pub(super) fn of(fidelity: &Fidelity) -> Self {
        Self {
            r2: fidelity.readings.r2.value,
            nrmse: fidelity.readings.nrmse.value,
            gradient_cosine: fidelity.gradient.cosine.value,
        }
    }
}

/// A real device and what happened on its link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinkSummary {
    /// Where the device is.
    pub target: String,
    /// What its laboratory calls it.
    pub name: String,
    /// Tells it from others of its kind.
    pub serial_number: String,
    /// Version of its firmware.
    pub firmware: String,
    /// Shots that it measured.
    pub shots: u64,
    /// Why it was dropped from its farm, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Frames, faults and repeats.
    pub counts: LinkCounts,
}

impl LinkSummary {
    pub(super) fn of(link: &Monitor) -> Self {
        let Description { name, serial_number, firmware, .. } = &link.identity().description;
        Self {
            target: link.target().to_owned(),
            name: name.clone(),
            serial_number: serial_number.clone(),
            firmware: firmware.clone(),
            shots: link.shots(),
            failure: link.failure(),
            counts: link.counts(),
        }
    }
}

/// `summary.json`: a run in numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The recipe's file name.
    pub recipe: String,
    /// The rule.
    pub rule: Rule,
    /// The seed.
    pub seed: u64,
    /// The backend.
    pub backend: Backend,
    /// Accuracy on the test data after the last epoch, measured on the device.
    pub test_accuracy: f32,
    /// The best of any epoch.
    pub best_test_accuracy: f32,
    /// Epochs trained.
    pub epochs: usize,
    /// Seconds from the first to the last.
    pub seconds: f64,
    /// Shots played on all devices, calibration included.
    pub device_shots: u64,
    /// Time that those shots take on the devices, in seconds.
    pub device_seconds: f64,
    /// Values clamped in front of the devices.
    pub clamped: u64,
    /// The links of the real devices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<LinkSummary>,
    /// How the twins that are refined did before the first step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub twins_at_start: Vec<TwinCourse>,
    /// Seconds that the twins' lessons took beside the training, where they were refined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refinement_seconds: Option<f64>,
    /// The twin (of the first device), where the rule uses a fitted one.
    pub twin: Option<TwinScore>,
    /// What it cost; missing in runs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounting: Option<Accounting>,
    /// Trained tensors on which of learned plasticity's terms only the pseudo-gradient has a meaning.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only_pseudo_gradient: Vec<String>,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Test samples by true class (rows) and the device's answer (columns), measured after the training.
    pub confusion: Vec<Vec<usize>>,
}
