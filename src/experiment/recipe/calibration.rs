//! `[calibration]`: how twins are made.

use std::path::PathBuf;

use nalgebra::DMatrix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_calibration::by_name;
use twinprop_calibration::design::{DesignConfig, TaskDrives, TaskLikeConfig, share_settings};
use twinprop_calibration::{
    CalibrationError, FidelityConfig, FitConfig, NeuralTwinConfig, TwinConfig, WatchConfig,
};
use twinprop_devices::{Interface, validate};

use crate::Error;

/// How the devices' digital twins are made and judged; `[calibration]` in a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CalibrationConfig {
    /// Shots per device to fit the twin to.
    #[serde(deserialize_with = "validate::count")]
    pub shots: usize,
    /// Device time of these shots in seconds, instead of `shots`.
    #[serde(
        deserialize_with = "validate::optional_positive",
        skip_serializing_if = "Option::is_none"
    )]
    pub device_seconds: Option<f64>,
    /// Further shots per device to judge the twin by; not used in the fit.
    #[serde(deserialize_with = "validate::count")]
    pub test_shots: usize,
    /// How the drives of the shots are chosen.
    #[serde(deserialize_with = "by_name::read")]
    pub design: DesignConfig,
    /// Kind of the twin.
    #[serde(deserialize_with = "by_name::read")]
    pub twin: TwinConfig,
    /// How a neural twin is fitted.
    pub fit: FitConfig,
    /// How the twin is judged.
    pub fidelity: FidelityConfig,
    /// Required quality of the twins; if one does not meet it, the run stops before the first training step.
    pub require: Requirement,
    /// How the device is checked for drift after the training.
    pub watch: WatchConfig,
    /// Folder of an earlier run or calibration; its twins are loaded instead of fitted.
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
    /// Number of shots to fit the twin of a device with `interface` to.
    ///
    /// # Errors
    /// [`Error::Usage`] if `device_seconds` is too short for one shot, or the device states no time per shot.
    pub fn shots_on(&self, interface: &Interface) -> Result<usize, Error> {
        let Some(seconds) = self.device_seconds else { return Ok(self.shots) };
        let shots = seconds / interface.seconds_per_shot;
        if shots >= 1.0 && shots.is_finite() {
            return Ok(shots as usize);
        }
        Err(Error::Usage(format!(
            "calibration.device_seconds = {seconds}: a shot of `{}` takes {} s; give calibration.shots instead, or a longer time",
            interface.device, interface.seconds_per_shot
        )))
    }

    /// Draws `count` shots for a device with `interface`: inputs `[n_inputs × shots]` and parameters
    /// `[n_parameters × shots]` in device units. To learn constants of an equation, consecutive shots share their
    /// parameters. `task` has the drives that the network uses.
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

    /// Makes the path of `load` absolute, so that a run's recipe works from any folder.
    ///
    /// # Errors
    /// [`Error::File`] if the folder does not exist.
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

/// Required quality of a twin: the lower end of the confidence interval of the cosine between the twin's gradient
/// and the device's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Requirement {
    /// Fit for training: at least 0.8.
    Fit,
    /// The gradient points the right way: at least 0.5.
    Usable,
    /// Training can work: above 0, and the readings depend on the drives.
    #[default]
    Possible,
    /// No requirement: the training starts in any case.
    None,
}
