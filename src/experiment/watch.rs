//! Drift checks of a run's devices against their reference sets.

use std::fmt;
use std::path::Path;

use rand::RngExt;
use serde::{Deserialize, Serialize};
use twinprop_calibration::{DriftTest, Reference};
use twinprop_devices::recording;
use twinprop_devices::{PhysicalLayer, random};

use super::build::Given;
use super::reference::read_reference;
use super::run_folder::RunFolder;
use super::trained::{Reopening, Trained};
use crate::Error;
use crate::training::Observer;

/// Result of a drift check of one device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// Name of the device in the recipe.
    pub device: String,
    /// Drift since the run.
    pub drift: DriftTest,
}

impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DriftTest { moved, p_value, alarm } = self.drift;
        let (device, moved) = (&self.device, 100.0 * moved);
        write!(
            f,
            "{device}: readings moved by {moved:.1} % of their standard deviation, p = {p_value:.4}"
        )?;
        if alarm { f.write_str(": it has drifted") } else { Ok(()) }
    }
}

/// Drift checks of a run's devices.
pub struct Watch {
    trained: Trained,
    references: Vec<(usize, Reference)>,
    looks: u64,
}

impl Watch {
    /// Opens the run in `path` and its reference set.
    ///
    /// # Errors
    /// As [`Trained::open_given`], and [`Error::Usage`] if the run has no reference set.
    pub fn open(
        path: &Path,
        reopening: &Reopening,
        given: Given,
        observer: &mut dyn Observer,
    ) -> Result<Self, Error> {
        let trained = Trained::open_given(path, reopening, given, observer)?;
        let repeats = trained.recipe.calibration.watch.repeats;
        let mut references = Vec::new();
        // A folder of a recalibrated or transferred network has no summary.
        let has_summary = path.join(RunFolder::SUMMARY).exists();
        let before = has_summary.then(|| trained.folder.summary()).transpose()?;
        let before = before.map_or_else(|| reopening.backend.clone(), |summary| summary.backend);
        for (place, instrument) in trained.experiment.laboratory.instruments.iter().enumerate() {
            let folder = trained.folder.reference(&instrument.name);
            // Another backend rounds a simulated device's readings otherwise, which would look like drift.
            if folder.exists() && instrument.exact.is_some() && before != reopening.backend {
                return Err(Error::Usage(format!(
                    "the reference set of `{}` was measured by the backend {before}; compare with it by --backend {before}",
                    instrument.name
                )));
            }
            if folder.exists() {
                let outputs = instrument.device.interface().outputs.clone();
                references
                    .push((place, read_reference(recording::read(&folder)?, outputs, repeats)));
            }
        }
        if references.is_empty() {
            return Err(Error::Usage(format!(
                "{} has no reference set to compare its devices with; train the run again",
                path.display()
            )));
        }
        Ok(Self { trained, references, looks: 0 })
    }

    /// Plays the reference sets again and compares the readings.
    ///
    /// # Errors
    /// Any error of a device.
    pub fn look(&mut self) -> Result<Vec<Look>, Error> {
        let config = &self.trained.recipe.calibration.watch;
        let stream = &format!("look {}", self.looks);
        let mut random = random::stream(self.trained.recipe.seed, stream);
        self.looks += 1;
        let instruments = &mut self.trained.experiment.laboratory.instruments;
        let looks = self.references.iter().map(|(place, reference)| {
            let instrument = &mut instruments[*place];
            let drift = reference.compare(&mut instrument.device, config, random.random())?;
            Ok(Look { device: instrument.name.clone(), drift })
        });
        looks.collect()
    }

    /// Probability of a false alarm in a check of an unchanged device.
    #[must_use]
    pub fn false_alarm_rate(&self) -> f64 {
        self.trained.recipe.calibration.watch.false_alarm_rate
    }
}
