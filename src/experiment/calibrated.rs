//! Results of a calibration: `calibration.json`.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use twinprop_calibration::fidelity::SlopeTrial;
use twinprop_calibration::{DigitalTwin, Fidelity};
use twinprop_devices::Inside;
use twinprop_devices::shots::{Shots, beside};

use super::provenance::{self, Provenance};
use super::recipe::Recipe;
use super::run_folder::RunFolder;
use super::verdict::TwinVerdict;
use crate::loss::unknown;
use crate::network::Laboratory;
use crate::{Backend, Error};

/// Result of one device's calibration.
pub struct Calibrated {
    /// Name of the device in the recipe.
    pub device: String,
    /// Shots and fidelity of its twin.
    pub summary: TwinSummary,
}

/// Shots and fidelity of a twin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TwinSummary {
    /// Shots of the fit.
    pub shots: usize,
    /// Test shots, not used in the fit.
    pub test_shots: usize,
    /// Fidelity, measured on the test shots.
    pub fidelity: Fidelity,
    /// What the twin predicts about places that no channel reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inside: Vec<InsideSummary>,
    /// Slopes of the surrogate gradient that were tried, if one was chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slopes: Vec<SlopeTrial>,
}

/// A quantity inside a device that no channel reads, as its twin predicts it for the test shots.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InsideSummary {
    /// What it is, and where.
    pub name: String,
    /// Unit of its values.
    pub unit: String,
    /// Mean of each place over the shots.
    #[serde(deserialize_with = "unknown::numbers")]
    pub mean: Vec<f32>,
    /// Standard deviation of each place over the shots.
    #[serde(deserialize_with = "unknown::numbers")]
    pub deviation: Vec<f32>,
}

impl InsideSummary {
    /// Of what `twin` predicts for `shots`, which are runs of `longest` on one setting.
    pub(super) fn of(twin: &dyn DigitalTwin, shots: &Shots, longest: usize) -> Vec<Self> {
        let mut found: Vec<Inside> = Vec::new();
        for run in shots.runs(longest) {
            for (place, inside) in twin.inside(&run).into_iter().enumerate() {
                match found.get_mut(place) {
                    None => found.push(inside),
                    Some(before) => before.values = beside(&before.values, &inside.values),
                }
            }
        }
        let summary = found.into_iter().map(|Inside { name, unit, values }| {
            let rows = || values.row_iter();
            let mean: Vec<f32> = rows().map(|row| row.mean()).collect();
            let deviation = rows().map(|row| row.variance().sqrt()).collect();
            Self { name, unit, mean, deviation }
        });
        summary.collect()
    }
}

/// Results of a calibration: `calibration.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationSummary {
    /// The recipe's file name.
    pub recipe: String,
    /// The seed.
    pub seed: u64,
    /// The backend.
    pub backend: Backend,
    /// Duration in seconds; after a resume, from the resume on.
    pub seconds: f64,
    /// The twins, by the names of their devices.
    pub twins: BTreeMap<String, TwinSummary>,
    /// Verdicts on the twins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<TwinVerdict>,
    /// Program version, command, dates and devices.
    #[serde(default)]
    pub provenance: Provenance,
}

impl CalibrationSummary {
    /// Results of a calibration that started at `start`, in the `folder` of its run.
    pub(super) fn of(
        calibrated: &[Calibrated],
        recipe: &Recipe,
        folder: &RunFolder,
        backend: &Backend,
        start: Instant,
    ) -> Result<Self, Error> {
        let twins = calibrated.iter().map(|twin| (twin.device.clone(), twin.summary.clone()));
        let begun = folder.begun()?;
        let devices = provenance::devices_in_words(recipe, &Laboratory::default());
        Ok(Self {
            recipe: begun.recipe.clone(),
            seed: recipe.seed,
            backend: backend.clone(),
            seconds: start.elapsed().as_secs_f64(),
            twins: twins.collect(),
            verdicts: verdicts(calibrated, recipe),
            provenance: begun.provenance(devices),
        })
    }
}

/// Verdicts on the twins of `recipe`.
pub(super) fn verdicts(calibrated: &[Calibrated], recipe: &Recipe) -> Vec<TwinVerdict> {
    let of = |twin: &Calibrated| TwinVerdict::of(&twin.device, &twin.summary.fidelity, recipe);
    calibrated.iter().map(of).collect()
}

impl RunFolder {
    /// Results of the calibration; `None` if the folder has none.
    ///
    /// # Errors
    /// As [`usages`](Self::usages).
    pub fn calibration(&self) -> Result<Option<CalibrationSummary>, Error> {
        if !self.path().join(Self::CALIBRATION).exists() {
            return Ok(None);
        }
        self.read_json(Self::CALIBRATION, "make it readable").map(Some)
    }
}
