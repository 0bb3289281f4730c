//! What a calibration comes to: `calibration.json`.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use twinprop_calibration::Fidelity;

use super::provenance::{self, Provenance};
use super::recipe::Recipe;
use super::run_folder::RunFolder;
use super::verdict::TwinVerdict;
use crate::network::Laboratory;
use crate::{Backend, Error};

/// What a calibration has to show for one device.
pub struct Calibrated {
    /// Name of the device in the recipe.
    pub device: String,
    /// What is kept of it.
    pub summary: TwinSummary,
}

/// What a twin was made of, and what it is worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TwinSummary {
    /// Shots that it was fitted to.
    pub shots: usize,
    /// Further shots that it was judged by.
    pub test_shots: usize,
    /// How far to trust it.
    pub fidelity: Fidelity,
}

/// `calibration.json`: what was calibrated, and what it is worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationSummary {
    /// The recipe's file name.
    pub recipe: String,
    /// The seed.
    pub seed: u64,
    /// The backend.
    pub backend: Backend,
    /// Seconds from the first to the last, since it was resumed if it was.
    pub seconds: f64,
    /// The twins, by the names of their devices.
    pub twins: BTreeMap<String, TwinSummary>,
    /// What they are worth, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<TwinVerdict>,
    /// Program, command, day and devices.
    #[serde(default)]
    pub provenance: Provenance,
}

impl CalibrationSummary {
    /// What came of a calibration that started at `start`, in the folder of a run that has begun.
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

/// The verdicts on the twins that were `calibrated` as `recipe` says.
pub(super) fn verdicts(calibrated: &[Calibrated], recipe: &Recipe) -> Vec<TwinVerdict> {
    let of = |twin: &Calibrated| TwinVerdict::of(&twin.device, &twin.summary.fidelity, recipe);
    calibrated.iter().map(of).collect()
}

impl RunFolder {
    /// The calibration in numbers; `None` without one.
    ///
    /// # Errors
    /// As [`usages`](Self::usages).
    pub fn calibration(&self) -> Result<Option<CalibrationSummary>, Error> {
        if !self.path().join(Self::CALIBRATION).exists() {
            return Ok(None);
        }
        self.read_json(Self::CALIBRATION, "let it be read").map(Some)
    }
}
