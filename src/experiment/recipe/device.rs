//! The devices of a recipe.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::rig::{Encoding, RigOptions, Targets};
use twinprop_devices::{DeviceConfig, DeviceKind, ImperfectionsConfig, validate};

/// A device of the laboratory: simulated, real, or real with an equation that says what it should do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceEntry {
    /// The physics; what is simulated where there is no rig, and what physics twins are made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<DeviceKind>,
    /// The imperfections of the simulated device.
    #[serde(default)]
    pub imperfections: ImperfectionsConfig,
    /// The real device, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rig: Option<RigConfig>,
    /// Whether the program that trains gives the device, so that the recipe does not open it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub given: bool,
    /// Energy that a shot takes, in joules, where it is known.
    #[serde(
        default,
        deserialize_with = "validate::optional_positive",
        skip_serializing_if = "Option::is_none"
    )]
    pub joules_per_shot: Option<f64>,
}

/// Where a real device is, and how values travel to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RigConfig {
    /// Such as `serial:///dev/ttyACM0`, `tcp://127.0.0.1:7777` or `process:python3 rig.py`; a list of
    /// several is a farm.
    pub target: Targets,
    /// As floats, or as 16-bit codes where the device takes them.
    #[serde(default)]
    pub encoding: Encoding,
    /// How often in a row a measurement that failed on the device is asked for again; 0 is never. A device
    /// whose shots depend on each other is never asked again.
    #[serde(default = "default_retries")]
    pub retries: u32,
}

fn default_retries() -> u32 {
    RigOptions::default().retries
}

impl DeviceEntry {
    /// Whether it is a device of its own, not simulated from its model.
    #[must_use]
    pub fn is_real(&self) -> bool {
        self.rig.is_some() || self.given
    }

    /// The simulated device, if its physics is given.
    #[must_use]
    pub fn simulated(&self) -> Option<DeviceConfig> {
        let imperfections = self.imperfections.clone();
        self.model.clone().map(|model| DeviceConfig { model, imperfections })
    }
}
