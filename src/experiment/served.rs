//! The digital twin that a rig serves beside its measurements, as a twin of the network.

use std::sync::{Mutex, PoisonError};

use burn::tensor::Tensor;
use nalgebra::DMatrix;
use twinprop_calibration::bridge::{to_matrix, to_tensor};
use twinprop_calibration::{CalibrationError, DigitalTwin};
use twinprop_devices::rig::ServedTwin;
use twinprop_devices::{DeviceError, Interface};

/// A served twin. Its answers come over the rig's link; one that does not come is NaN, and [`DigitalTwin::failure`]
/// says why.
pub struct Served {
    twin: ServedTwin,
    failed: Mutex<Option<DeviceError>>,
}

impl Served {
    /// `twin` as a twin of a network.
    #[must_use]
    pub fn new(twin: ServedTwin) -> Self {
        Self { twin, failed: Mutex::new(None) }
    }

    /// Notes why a call failed.
    fn note(&self, error: DeviceError) {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

fn nan(rows: usize, columns: usize) -> DMatrix<f32> {
    DMatrix::from_element(rows, columns, f32::NAN)
}

impl DigitalTwin for Served {
    fn interface(&self) -> &Interface {
        self.twin.interface()
    }

    fn predict(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
        let backend = x.device();
        let (x, theta) = (to_matrix(x), to_matrix(theta));
        let predicted = self.twin.predict(&x, &theta).unwrap_or_else(|error| {
            self.note(error);
            nan(self.interface().outputs.len(), x.ncols())
        });
        to_tensor(&predicted, &backend)
    }

    fn vjp(
        &self,
        x: Tensor<2>,
        theta: Tensor<2>,
        _y: Tensor<2>,
        dy: Tensor<2>,
    ) -> (Tensor<2>, Tensor<2>) {
        let backend = x.device();
        let (x, theta, dy) = (to_matrix(x), to_matrix(theta), to_matrix(dy));
        let (dx, dtheta) = self.twin.vjp(&x, &theta, &dy).unwrap_or_else(|error| {
            self.note(error);
            (nan(x.nrows(), x.ncols()), nan(theta.nrows(), theta.ncols()))
        });
        (to_tensor(&dx, &backend), to_tensor(&dtheta, &backend))
    }

    fn failure(&self) -> Option<CalibrationError> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        failed.map(CalibrationError::from)
    }

    fn multiply_adds(&self) -> u64 {
        // Unknown; at least one for each pair of an input and an output.
        (self.interface().inputs.len() * self.interface().outputs.len()) as u64
    }
}
