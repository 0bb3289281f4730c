//! How a recipe's twins are made.

use std::path::PathBuf;

use nalgebra::DMatrix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_calibration::design::{DesignConfig, TaskDrives, TaskLikeConfig, share_settings};
use twinprop_calibration::{
    CalibrationError, FidelityConfig, FitConfig, NeuralTwinConfig, TwinConfig, WatchConfig,
};
use twinprop_devices::{Interface, validate};

use crate::Error;

/// How twins are made; in a recipe, `[calibration]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CalibrationConfig {
    /// Shots that the twin is fitted to, a device.
    #[serde(deserialize_with = "validate::count")]
    pub shots: usize,
    /// Time on the device that they may take, in seconds, instead of their number.
    #[serde(
        deserialize_with = "validate::optional_positive",
        skip_serializing_if = "Option::is_none"
    )]
    pub device_seconds: Option<f64>,
    /// Further shots that it never sees and is judged by.
    #[serde(deserialize_with = "validate::count")]
    pub test_shots: usize,
    /// Which shots.
    pub design: DesignConfig,
    /// The twin.
    pub twin: TwinConfig,
    /// The fit of a neural twin.
    pub fit: FitConfig,
    /// How the twin is judged.
    pub fidelity: FidelityConfig,
    /// What a twin must be worth, or a training that uses it is stopped before its first step.
    pub require: Requirement,
    /// How the device is watched for drift after the training.
    pub watch: WatchConfig,
    /// Folder of an earlier run whose twins are used instead of calibrating.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load: Option<PathBuf>,
}

impl Default for CalibrationConfig {
    fn default() -> Self {
        Self {
            shots: 20_000,
            device_seconds: None,
            test_shots: 2_000,
            design: DesignConfig::TaskLike(TaskLikeConfig::default()),
            twin: TwinConfig::Neural(NeuralTwinConfig::default()),
            fit: FitConfig::default(),
            fidelity: FidelityConfig::default(),
            require: Requirement::default(),
            watch: WatchConfig::default(),
            load: None,
        }
    }
}

impl CalibrationConfig {
    /// Shots that the twin of a device with `interface` is fitted to.
    ///
    /// # Errors
    /// [`Error::Usage`] where the time is not enough for one, or the device's shots take none.
    pub fn shots_on(&self, interface: &Interface) -> Result<usize, Error> {
        let Some(seconds) = self.device_seconds else { return Ok(self.shots) };
        let shots = seconds / interface.seconds_per_shot;
        if shots >= 1.0 && shots.is_finite() {
            return Ok(shots as usize);
        }
        Err(Error::Usage(format!(
            "calibration.device_seconds = {seconds}: a shot of `{}` takes {} s; give calibration.shots instead, or more time",
            interface.device, interface.seconds_per_shot
        )))
    }

    /// Drives of `count` shots on a device of `interface`, inputs `[n_inputs × shots]` and parameters
    /// `[n_parameters × shots]` in its units: as the design draws them, and where constants are learned, with
    /// settings shared by runs of shots. `task` is what the network will ask for.
    ///
    /// # Errors
    /// As [`DesignConfig::draw`].
    pub fn draw(
        &self,
        interface: &Interface,
        count: usize,
        task: Option<&TaskDrives>,
        seed: u64,
    ) -> Result<(DMatrix<f32>, DMatrix<f32>), CalibrationError> {
        let (inputs, mut parameters) = self.design.draw(interface, count, task, seed)?;
        if let Some(identify) = self.twin.identify() {
            share_settings(&mut parameters, identify.shots_per_setting);
        }
        Ok((inputs, parameters))
    }

    /// Replaces the folder of the twins by where it is, so that a run's recipe can be read from
    /// anywhere.
    ///
    /// # Errors
    /// [`Error::File`] where there is no such folder.
    pub fn make_absolute(&mut self) -> Result<(), Error> {
        if let Some(folder) = &mut self.load {
            let found = folder.canonicalize().map_err(Error::file(
                folder,
                "name the folder of a run in calibration.load, or leave it out to calibrate",
            ))?;
            *folder = found;
        }
        Ok(())
    }
}

/// What a twin must be worth for a training to begin; judged by the cosine between its gradient and the
/// device's, at the lower end of its interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Requirement {
    /// Fit for training: 0.8 at the least.
    Fit,
    /// It points the right way: 0.5 at the least.
    Usable,
    /// Above 0, and readings that depend on the drives; otherwise a training cannot work.
    #[default]
    Possible,
    /// Anything: the training begins in any case.
    None,
}
