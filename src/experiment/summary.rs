//! A run in numbers.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use twinprop_calibration::Fidelity;
use twinprop_devices::rig::{Description, LinkCounts, Monitor};

use super::accounting::Accounting;
use super::provenance::{Provenance, Spent};
use super::run_folder::RunFolder;
use super::troubles::{clamps_in_words, troubles};
use super::verdict::TwinVerdict;
use crate::Error;
use crate::counted::counted;
use crate::training::{EpochMetrics, TestScore, TwinCourse};
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
    /// How well it does on the test data after the last epoch, measured on the device.
    #[serde(flatten)]
    pub test: TestScore,
    /// The best of any epoch.
    #[serde(flatten)]
    pub best: BestScore,
    /// Epochs trained.
    pub epochs: usize,
    /// Seconds from the first to the last, everything included; breaks are left out.
    pub seconds: f64,
    /// Seconds of each part.
    #[serde(default)]
    pub spent: Spent,
    /// Shots played on all devices, calibration included.
    pub device_shots: u64,
    /// Time that those shots take on the devices, in seconds.
    pub device_seconds: f64,
    /// Values clamped in front of the devices.
    pub clamped: u64,
    /// Values sent to the devices: the drives of every shot, and the parameters of every batch.
    #[serde(default)]
    pub values: u64,
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
    /// Test samples by true class (rows) and the device's answer (columns): those of `test`; empty for values.
    pub confusion: Vec<Vec<usize>>,
    /// What the twins were worth before the training, where the rule uses fitted ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub twins: Vec<TwinVerdict>,
    /// Program, command, day and devices.
    #[serde(default)]
    pub provenance: Provenance,
    /// Devices that did not confirm their safe state at its end, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub may_be_driven: Vec<String>,
    /// What was allowed to differ when it was resumed from what it began with, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed_data: Vec<String>,
}

/// The best test score of any epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BestScore {
    /// Share of right answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_test_accuracy: Option<f32>,
    /// R² of values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_test_r2: Option<f32>,
}

impl BestScore {
    /// Of the epochs `history`.
    #[must_use]
    pub fn of(history: &[EpochMetrics]) -> Self {
        let best =
            |of: fn(&EpochMetrics) -> Option<f32>| history.iter().filter_map(of).reduce(f32::max);
        Self {
            best_test_accuracy: best(|metrics| metrics.test.test_accuracy),
            best_test_r2: best(|metrics| metrics.test.test_r2),
        }
    }

    /// The number that results are ranked by; 0 where nothing was tested.
    #[must_use]
    pub fn value(self) -> f32 {
        self.best_test_r2.or(self.best_test_accuracy).unwrap_or(0.0)
    }
}

impl Summary {
    /// Recalibrations of each twin while the network was trained, by its device: how often, with how many
    /// shots, and after which epochs the first and the last were.
    #[must_use]
    pub fn recalibrations(&self, history: &[EpochMetrics]) -> BTreeMap<String, Recalibrations> {
        let start = (0, &self.twins_at_start);
        let epochs = history.iter().map(|metrics| (metrics.epoch, &metrics.twins));
        let mut found: BTreeMap<String, Recalibrations> = BTreeMap::new();
        for (epoch, twins) in std::iter::once(start).chain(epochs) {
            for twin in twins.iter().filter(|twin| twin.recalibration_shots > 0) {
                let first = Recalibrations { times: 0, shots: 0, first: epoch, last: epoch };
                let of_device = found.entry(twin.device.clone()).or_insert(first);
                of_device.times += 1;
                of_device.shots += twin.recalibration_shots;
                of_device.last = epoch;
            }
        }
        found
    }
}

impl Summary {
    /// What a person should know of the run beside its accuracy, a line each: restarts and faults of links,
    /// clamped values, recalibrations. `history` is its epochs.
    #[must_use]
    pub fn notes(&self, history: &[EpochMetrics]) -> Vec<String> {
        let changed = self.changed_data.iter();
        let mut notes: Vec<String> = changed
            .map(|change| format!("changed while it was trained, as allowed: {change}"))
            .collect();
        for link in &self.links {
            if let Some(failure) = &link.failure {
                notes.push(format!(
                    "{} was dropped after {}: {failure}",
                    link.target,
                    counted(link.shots, "shot")
                ));
            }
            let troubles = troubles(&link.counts);
            if !troubles.is_empty() {
                notes.push(format!("{}: {troubles}", link.target));
            }
        }
        notes.extend(clamps_in_words(self.clamped, self.values));
        for (device, recalibrations) in self.recalibrations(history) {
            notes.push(format!("the twin of {device} was {recalibrations}"));
        }
        notes
    }
}

/// How often a twin was recalibrated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recalibrations {
    /// How often.
    pub times: usize,
    /// With how many shots in all.
    pub shots: usize,
    /// After which epoch first; zero is before the training.
    pub first: usize,
    /// After which epoch last.
    pub last: usize,
}

impl fmt::Display for Recalibrations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { times, shots, first, last } = *self;
        let when = |epoch: usize| match epoch {
            0 => "before the training".to_owned(),
            _ => format!("after epoch {epoch}"),
        };
        match times {
            1 => write!(f, "recalibrated once, with {shots} shots, {}", when(first)),
            _ => write!(
                f,
                "recalibrated {times} times, with {shots} shots, first {}, last {}",
                when(first),
                when(last)
            ),
        }
    }
}

impl RunFolder {
    /// The run in numbers.
    ///
    /// # Errors
    /// [`Error::File`] for a run that has not ended, [`Error::Data`] for a damaged file.
    pub fn summary(&self) -> Result<Summary, Error> {
        self.read_json(Self::SUMMARY, "name the folder of a run that has ended")
    }
}
