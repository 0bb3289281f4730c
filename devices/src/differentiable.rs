//! What a simulated device can offer and a real one cannot: its exact gradient.

use nalgebra::{DMatrix, DVector};

use crate::{DeviceError, PhysicalLayer};

/// A simulated device with a hand-written adjoint of its noiseless equation.
///
/// Ideal training runs backward through the *fabricated* device's adjoint; a physics twin is the
/// same equation on the *nominal* constants.
pub trait Differentiable: PhysicalLayer + Sync {
    /// The noiseless response; operands as for [`PhysicalLayer::measure`].
    ///
    /// # Errors
    /// [`DeviceError::Shape`] where a size does not fit the interface.
    fn respond(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError>;

    /// Vector-Jacobian product at a drive: cotangents of the outputs → cotangents of inputs and
    /// parameters.
    ///
    /// `inputs`: `[n_inputs × shots]`; `parameters`: `[n_parameters]`; `cotangents`:
    /// `[n_outputs × shots]`; `input_cotangents`: `[n_inputs × shots]`, overwritten;
    /// `parameter_cotangents`: `[n_parameters]`, overwritten with the sum over the batch.
    ///
    /// # Errors
    /// [`DeviceError::Shape`] where a size does not fit the interface.
    fn vjp(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        cotangents: &DMatrix<f32>,
        input_cotangents: &mut DMatrix<f32>,
        parameter_cotangents: &mut DVector<f32>,
    ) -> Result<(), DeviceError>;
}
