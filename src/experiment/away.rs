//! A real device that is not opened, as its twin answers for it.

use nalgebra::{DMatrix, DVector};
use twinprop_devices::{DeviceError, Interface, PhysicalLayer};

/// A device of which only the channels are known.
pub(super) struct Away {
    pub interface: Interface,
}

impl PhysicalLayer for Away {
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
            problem: "it was not opened, and only its twin can answer".to_owned(),
        })
    }
}
