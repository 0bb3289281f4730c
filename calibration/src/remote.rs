//! A twin that is computed elsewhere, and can fail.

use std::sync::{Mutex, PoisonError};

use burn::tensor::Tensor;
use nalgebra::DMatrix;
use twinprop_devices::{DeviceError, Interface};

use crate::bridge::{into_tensor, to_matrix};
use crate::error::CalibrationError;
use crate::twin::DigitalTwin;

/// A model on matrices whose calls can fail: on another machine, or in another language.
pub trait RemoteModel: Send + Sync {
    /// The interface of the device that it stands for.
    fn interface(&self) -> &Interface;

    /// Readings `[n_outputs × shots]` of the drives `x` `[n_inputs × shots]` with the parameters `theta`
    /// `[n_parameters × groups]`, a group for each of as many runs of equal length.
    ///
    /// # Errors
    /// Whatever made it fail.
    fn predict(&self, x: DMatrix<f32>, theta: DMatrix<f32>) -> Result<DMatrix<f32>, DeviceError>;

    /// Cotangents of `x` and of `theta`, of their sizes, from those of the readings, `dy` `[n_outputs × shots]`.
    ///
    /// # Errors
    /// Whatever made it fail.
    fn vjp(
        &self,
        x: DMatrix<f32>,
        theta: DMatrix<f32>,
        dy: DMatrix<f32>,
    ) -> Result<(DMatrix<f32>, DMatrix<f32>), DeviceError>;
}

/// A [`RemoteModel`] as a twin. A call that fails returns NaN, and [`DigitalTwin::failure`] says why.
pub struct RemoteTwin<M> {
    model: M,
    failed: Mutex<Option<DeviceError>>,
}

impl<M: RemoteModel> RemoteTwin<M> {
    /// `model` as a twin.
    pub fn new(model: M) -> Self {
        Self { model, failed: Mutex::new(None) }
    }

    /// Notes why a call failed; the first reason counts.
    fn note(&self, error: DeviceError) {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

fn nan(rows: usize, columns: usize) -> DMatrix<f32> {
    DMatrix::from_element(rows, columns, f32::NAN)
}

impl<M: RemoteModel> DigitalTwin for RemoteTwin<M> {
    fn interface(&self) -> &Interface {
        self.model.interface()
    }

    fn predict(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
        let (backend, shots) = (x.device(), x.dims()[0]);
        let predicted = self.model.predict(to_matrix(x), to_matrix(theta));
        let predicted = predicted.unwrap_or_else(|error| {
            self.note(error);
            nan(self.interface().outputs.len(), shots)
        });
        into_tensor(predicted, &backend)
    }

    fn vjp(
        &self,
        x: Tensor<2>,
        theta: Tensor<2>,
        _y: Tensor<2>,
        dy: Tensor<2>,
    ) -> (Tensor<2>, Tensor<2>) {
        let backend = x.device();
        let ([shots, n_inputs], [groups, n_parameters]) = (x.dims(), theta.dims());
        let found = self.model.vjp(to_matrix(x), to_matrix(theta), to_matrix(dy));
        let (dx, dtheta) = found.unwrap_or_else(|error| {
            self.note(error);
            (nan(n_inputs, shots), nan(n_parameters, groups))
        });
        (into_tensor(dx, &backend), into_tensor(dtheta, &backend))
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
