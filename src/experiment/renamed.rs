//! A device of the calling program under the kind of the one that a run was trained on.

use nalgebra::{DMatrix, DVector};
use twinprop_devices::{DeviceError, Interface, PhysicalLayer, Usage};

/// A device whose interface says another kind.
pub(super) struct Renamed {
    layer: Box<dyn PhysicalLayer>,
    interface: Interface,
}

impl Renamed {
    /// `layer` as a device of the kind `kind`.
    pub fn new(layer: Box<dyn PhysicalLayer>, kind: &str) -> Self {
        let interface = Interface { device: kind.to_owned(), ..layer.interface().clone() };
        Self { layer, interface }
    }
}

impl PhysicalLayer for Renamed {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.layer.measure(inputs, parameters, outputs)
    }

    fn measure_each(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.layer.measure_each(inputs, parameters, outputs)
    }

    fn measure_settings(
        &mut self,
        inputs: &DMatrix<f32>,
        settings: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.layer.measure_settings(inputs, settings, outputs)
    }

    fn plays_settings_at_once(&self) -> bool {
        self.layer.plays_settings_at_once()
    }

    fn usage(&self) -> Usage {
        self.layer.usage()
    }

    fn resume(&mut self, usage: &Usage) {
        self.layer.resume(usage);
    }
}
