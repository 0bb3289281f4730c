//! What a device accepts and returns.

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use crate::DeviceError;

/// One wire in or out of a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// What the channel drives or reads, as the device names it.
    pub name: String,
    /// Unit of its values; `"1"` for a fraction.
    pub unit: String,
    /// Smallest value that may reach, or come from, the device.
    pub minimum: f32,
    /// Largest such value.
    pub maximum: f32,
}

impl Channel {
    /// `count` channels `name 0`, `name 1`, … with one unit and one range.
    #[must_use]
    pub fn bank(name: &str, count: usize, unit: &str, minimum: f32, maximum: f32) -> Vec<Self> {
        (0..count)
            .map(|index| Self {
                name: format!("{name} {index}"),
                unit: unit.to_owned(),
                minimum,
                maximum,
            })
            .collect()
    }

    /// Width of the range.
    #[must_use]
    pub fn span(&self) -> f32 {
        self.maximum - self.minimum
    }
}

/// What a device accepts and returns: its channels with ranges and units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// The kind of device, such as `second_harmonic`.
    pub device: String,
    /// Channels that carry data.
    pub inputs: Vec<Channel>,
    /// Channels that carry trainable parameters.
    pub parameters: Vec<Channel>,
    /// Channels that are measured.
    pub outputs: Vec<Channel>,
    /// Time one shot takes on the device, in seconds.
    pub seconds_per_shot: f64,
}

impl Interface {
    /// Checks the sizes of a batch and returns its number of shots.
    ///
    /// # Errors
    /// [`DeviceError::Shape`] names the operand that does not fit.
    pub fn check_shapes(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &DMatrix<f32>,
    ) -> Result<usize, DeviceError> {
        let shots = inputs.ncols();
        for (operand, expected, found) in [
            ("inputs (channels)", self.inputs.len(), inputs.nrows()),
            ("parameters", self.parameters.len(), parameters.len()),
            ("outputs (channels)", self.outputs.len(), outputs.nrows()),
            ("outputs (shots)", shots, outputs.ncols()),
        ] {
            if expected != found {
                return Err(DeviceError::Shape {
                    device: self.device.clone(),
                    operand,
                    expected,
                    found,
                });
            }
        }
        Ok(shots)
    }
}
