//! Fits twins to shots, or loads them from an earlier run.

use std::path::Path;

use burn::tensor::Device;
use twinprop_calibration::{DigitalTwin, FitProgress, Fitting, Shots, TwinConfig};
use twinprop_devices::{Differentiable, Interface, PhysicalLayer};

use super::build::Experiment;
use super::recipe::{CalibrationConfig, Recipe};
use crate::Error;
use crate::network::Laboratory;
use crate::training::{Observer, Task};

/// A device to fit or load a twin for.
pub(super) struct TwinnedDevice<'a> {
    /// Name in the recipe.
    pub name: &'a str,
    pub interface: &'a Interface,
    /// Equation with nominal constants; `None` without a model.
    pub nominal: Option<Box<dyn Differentiable>>,
    pub seed: u64,
    pub backend: &'a Device,
}

impl TwinnedDevice<'_> {
    /// Fits the twin that `config` describes to `shots`.
    pub fn fit(
        self,
        config: &CalibrationConfig,
        shots: &Shots,
        observer: &mut dyn Observer,
    ) -> Result<Box<dyn DigitalTwin>, Error> {
        let label = match &config.twin {
            TwinConfig::Ensemble(_) => format!("fit the twins of {}", self.name),
            twin if twin.identify().is_some() && !matches!(twin, TwinConfig::Hybrid(_)) => {
                format!("learn the constants of {}", self.name)
            }
            _ => format!("fit the twin of {}", self.name),
        };
        let passes = config.twin.passes(&config.fit);
        let mut task =
            (passes > 0).then(|| Task::of_steps(observer, &label, passes)).transpose()?;
        let Self { interface, nominal, seed, backend, .. } = self;
        let fitting = Fitting { interface, nominal, fit: &config.fit, seed, backend };
        let mut end = String::new();
        let twin = config.twin.fit(fitting, shots, &mut |progress| match progress {
            FitProgress::Pass { done, .. } => {
                if let Some(task) = &mut task {
                    let _ = task.advance(done, "");
                }
            }
            FitProgress::End(summary) => end = summary.to_string(),
            _ => {}
        })?;
        if let Some(task) = task {
            task.end(&end)?;
        }
        Ok(twin)
    }

    /// Loads the twin that `config` describes from the `folder` of an earlier run.
    pub fn load(
        self,
        config: &CalibrationConfig,
        folder: &Path,
    ) -> Result<Box<dyn DigitalTwin>, Error> {
        let Self { name, interface, nominal, backend, .. } = self;
        Ok(config.twin.load(interface, nominal, folder, &file_name(name), backend)?)
    }
}

/// Loads the twin of every device of `experiment` from the `folder` of an earlier run; a twin that only the calling
/// program has stays as it was passed.
///
/// # Errors
/// [`Error::Calibration`] if a twin is missing, as after `ideal` training.
pub(super) fn load_twins(
    experiment: &mut Experiment,
    recipe: &Recipe,
    folder: &Path,
    backend: &Device,
) -> Result<(), Error> {
    for instrument in &mut experiment.laboratory.instruments {
        let config = recipe.calibration_of(&instrument.name);
        if config.twin.is_elsewhere() && instrument.twin.is_some() {
            continue;
        }
        let interface = instrument.device.interface().clone();
        let (name, nominal) = (&instrument.name, instrument.nominal.clone());
        let device =
            TwinnedDevice { name, interface: &interface, nominal, seed: recipe.seed, backend };
        instrument.twin = Some(device.load(&config, folder)?.into());
    }
    Ok(())
}

/// Saves the twins of `laboratory` in `folder`, for [`load_twins`].
///
/// # Errors
/// [`Error::Calibration`] names the file that could not be written.
pub(super) fn save_twins(laboratory: &Laboratory, folder: &Path) -> Result<(), Error> {
    for instrument in &laboratory.instruments {
        instrument.twin().save(folder, &file_name(&instrument.name))?;
    }
    Ok(())
}

/// Name of the files of a device's twin, without ending.
pub(super) fn file_name(device: &str) -> String {
    format!("twin-{device}")
}
