//! Twins of spiking devices: which derivative their spikes have.

use std::any::Any;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::neuromorphic::{Jacobian, LifChip, SpikeGradient};
use twinprop_devices::{Differentiable, validate};

use crate::error::CalibrationError;
use crate::identify::IdentifyConfig;
use crate::store::{file, write};

/// The surrogate gradient at the measured spikes; in a recipe, `twin = { surrogate = { slope = 20.0 } }`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SurrogateConfig {
    /// Slope β of the surrogate gradient. By default, the slope with the best agreement with the measured gradient.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "validate::optional_positive"
    )]
    pub slope: Option<f64>,
    /// Learns the chip's constants from shots. By default, the twin uses the constants of the data sheet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constants: Option<IdentifyConfig>,
}

/// ST-RSBP; in a recipe, `twin = { spike_train = { floor = 0.3 } }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SpikeTrainConfig {
    /// How counts of recurrent neurons depend on each other.
    pub jacobian: Jacobian,
    /// Lower limit of Ω_ll, the divisor of each neuron's derivative (see ST-RSBP).
    #[serde(deserialize_with = "validate::positive")]
    pub floor: f64,
    /// Learns the chip's constants from shots. By default, the twin uses the constants of the data sheet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constants: Option<IdentifyConfig>,
}

impl Default for SpikeTrainConfig {
    fn default() -> Self {
        Self { jacobian: Jacobian::Diagonal, floor: 0.3, constants: None }
    }
}

impl SurrogateConfig {
    /// The derivative, before a slope is chosen.
    #[must_use]
    pub fn gradient(&self) -> SpikeGradient {
        match self.slope {
            Some(slope) => SpikeGradient::Surrogate { slope: slope as f32 },
            None => SpikeGradient::default(),
        }
    }
}

impl SpikeTrainConfig {
    /// The derivative.
    #[must_use]
    pub fn gradient(&self) -> SpikeGradient {
        SpikeGradient::SpikeTrain { jacobian: self.jacobian, floor: self.floor as f32 }
    }
}

/// `equation` with the derivative `gradient`; `None` if it does not spike.
#[must_use]
pub fn with_gradient(
    equation: &dyn Differentiable,
    gradient: SpikeGradient,
) -> Option<Box<dyn Differentiable>> {
    let equation: &dyn Any = equation;
    let chip = equation.downcast_ref::<LifChip>()?;
    Some(Box::new(chip.clone().with_gradient(gradient)))
}

/// A chosen slope, as a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SlopeFile {
    slope: f32,
}

/// Saves the slope of `equation`, if it has one, as `NAME.slope.json` in `folder`.
///
/// # Errors
/// [`CalibrationError::File`] names the file that could not be written.
pub(crate) fn save_slope(
    equation: &dyn Differentiable,
    folder: &Path,
    name: &str,
) -> Result<(), CalibrationError> {
    let equation: &dyn Any = equation;
    let chip = equation.downcast_ref::<LifChip>();
    let Some(SpikeGradient::Surrogate { slope }) = chip.map(LifChip::gradient) else {
        return Ok(());
    };
    let json = serde_json::to_vec_pretty(&SlopeFile { slope }).expect("a number is plain data");
    write(file(folder, name, "slope.json"), &json)
}

/// The slope that is saved as `NAME.slope.json` in `folder`.
///
/// # Errors
/// [`CalibrationError::File`] and [`CalibrationError::Format`] where the file is missing or damaged.
pub(crate) fn load_slope(folder: &Path, name: &str) -> Result<SpikeGradient, CalibrationError> {
    let path = file(folder, name, "slope.json");
    let json = std::fs::read(&path)
        .map_err(|source| CalibrationError::File { path: path.clone(), source })?;
    let SlopeFile { slope } = serde_json::from_slice(&json)
        .map_err(|error| CalibrationError::Format { path, problem: error.to_string() })?;
    Ok(SpikeGradient::Surrogate { slope })
}
