//! The digital twin that a rig serves beside its measurements, as a twin of the network.

use nalgebra::DMatrix;
use twinprop_calibration::{RemoteModel, RemoteTwin};
use twinprop_devices::rig::ServedTwin;
use twinprop_devices::{DeviceError, Interface};

/// A served twin as a model: its answers come over the rig's link.
pub struct Served(ServedTwin);

impl Served {
    /// `twin` as a twin of a network.
    #[must_use]
    pub fn twin(twin: ServedTwin) -> RemoteTwin<Self> {
        RemoteTwin::new(Self(twin))
    }
}

impl RemoteModel for Served {
    fn interface(&self) -> &Interface {
        self.0.interface()
    }

    fn predict(&self, x: DMatrix<f32>, theta: DMatrix<f32>) -> Result<DMatrix<f32>, DeviceError> {
        self.0.predict(&x, &theta)
    }

    fn vjp(
        &self,
        x: DMatrix<f32>,
        theta: DMatrix<f32>,
        dy: DMatrix<f32>,
    ) -> Result<(DMatrix<f32>, DMatrix<f32>), DeviceError> {
        self.0.vjp(&x, &theta, &dy)
    }
}
