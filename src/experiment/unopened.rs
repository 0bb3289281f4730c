//! Stand-in for a real device that is not opened.

use nalgebra::{DMatrix, DVector};
use twinprop_devices::{DeviceError, Interface, PhysicalLayer};

/// A device that is not opened: its channels are known, but every measurement fails.
pub(super) struct UnopenedDevice {
    pub interface: Interface,
}

impl PhysicalLayer for UnopenedDevice {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn measure(
        &mut self,
        _inputs: &DMatrix<f32>,
        _parameters: &DVector<f32>,
        _outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        Err(DeviceError::Config {
            device: self.interface.device.clone(),
            problem: "it was not opened; only its twin can predict its readings".to_owned(),
        })
    }
}
