//! Simulated devices by name: from a recipe's table to a nominal and a fabricated copy.

use serde::{Deserialize, Serialize};

use crate::imperfections::{self, ImperfectionsConfig};
use crate::optical::{SecondHarmonic, SecondHarmonicConfig};
use crate::{DeviceError, Differentiable, PhysicalLayer};

/// The physics of a simulated device; in a recipe, the table's last name:
/// `[devices.NAME.model.second_harmonic]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// Broadband second-harmonic generation of a shaped pulse.
    SecondHarmonic(SecondHarmonicConfig),
}

impl DeviceKind {
    /// Every kind with its one-line description, for listings.
    pub const ALL: [(&'static str, &'static str); 1] =
        [("second_harmonic", "optical: broadband second-harmonic generation of a shaped pulse")];
}

/// A simulated device: its physics and what the laboratory adds to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceConfig {
    /// The physics.
    pub model: DeviceKind,
    /// The imperfections of the true device.
    #[serde(default)]
    pub imperfections: ImperfectionsConfig,
}

/// A simulated device and the noiseless equation that it obeys.
pub struct SimulatedDevice {
    /// What the laboratory has: fabricated, noisy, quantised.
    pub device: Box<dyn PhysicalLayer>,
    /// The same fabricated constants without noise: the exact gradient, for `ideal` training.
    pub exact: Box<dyn Differentiable>,
}

impl DeviceConfig {
    /// Fabricates a copy of the device; `seed` draws its mismatch and its noise.
    ///
    /// # Errors
    /// [`DeviceError::Config`] where the configuration describes no possible device.
    pub fn fabricate(&self, seed: u64) -> Result<SimulatedDevice, DeviceError> {
        let mismatch = self.imperfections.mismatch;
        match &self.model {
            DeviceKind::SecondHarmonic(config) => {
                let fabricate = || SecondHarmonic::fabricated(config, mismatch, seed);
                Ok(SimulatedDevice {
                    device: imperfections::wrap(fabricate()?, &self.imperfections, seed),
                    exact: Box::new(fabricate()?),
                })
            }
        }
    }
}
