//! The devices of a recipe.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_calibration::{TwinConfig, by_name};
use twinprop_devices::rig::{Encoding, RigOptions, RigTargets};
use twinprop_devices::{DeviceConfig, DeviceKind, ImperfectionsConfig, validate};

use crate::Error;
use crate::data::Locator;

/// A device: simulated (`model`), real (`rig` or `given`), or real with a `model` for physics twins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceEntry {
    /// The equation of the device. Simulated if there is no `rig`; physics twins are made from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<DeviceKind>,
    /// Imperfections of a simulated device: mismatch, noise, drift.
    #[serde(default)]
    pub imperfections: ImperfectionsConfig,
    /// Connection to the real device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rig: Option<RigConfig>,
    /// Whether the program that calls the library passes the device, instead of a `model` or `rig` in the recipe.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub given: bool,
    /// The kind of its twin, instead of `calibration.twin`.
    #[serde(
        default,
        deserialize_with = "by_name::read_optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub twin: Option<TwinConfig>,
    /// Energy of a shot, in joules.
    #[serde(
        default,
        deserialize_with = "validate::optional_positive",
        skip_serializing_if = "Option::is_none"
    )]
    pub joules_per_shot: Option<f64>,
}

/// Connection to a real device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RigConfig {
    /// Address of the device, such as `serial:///dev/ttyACM0`, `tcp://127.0.0.1:7777` or `process:python3 rig.py`. A
    /// list of several makes a farm; shots go to the first free device.
    pub target: RigTargets,
    /// Encoding of values on the link: floats, or 16-bit codes if the device supports them.
    #[serde(default)]
    pub encoding: Encoding,
    /// Most consecutive retries of a measurement that failed on the device; 0 for none. If the shots of the device
    /// depend on each other, nothing is retried.
    #[serde(default = "default_retries")]
    pub retries: u32,
}

fn default_retries() -> u32 {
    RigOptions::default().retries
}

impl DeviceEntry {
    /// Whether the device is real, not simulated.
    #[must_use]
    pub fn is_real(&self) -> bool {
        self.rig.is_some() || self.given
    }

    /// Replaces the paths of the model's files by where `locator` finds them.
    ///
    /// # Errors
    /// [`Error::Data`] if a file is not found.
    pub fn make_absolute(&mut self, locator: &Locator) -> Result<(), Error> {
        let paths = self.model.as_mut().map_or_else(Vec::new, DeviceKind::paths_mut);
        paths.into_iter().try_for_each(|path| locator.make_absolute(path))
    }

    /// Configuration of the simulated device; `None` without a model.
    #[must_use]
    pub fn simulated(&self) -> Option<DeviceConfig> {
        let imperfections = self.imperfections.clone();
        self.model.clone().map(|model| DeviceConfig { model, imperfections })
    }
}
