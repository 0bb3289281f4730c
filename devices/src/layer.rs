//! The contract of every physical system: drives in, measurements out.

use nalgebra::{DMatrix, DVector};

use crate::{DeviceError, Interface, Usage};

/// A physical system that turns drives into measurements.
///
/// A column is one shot: a column-major `[channels × shots]` matrix here and a row-major
/// `[shots, channels]` tensor elsewhere are the same bytes.
pub trait PhysicalLayer: Send {
    /// What the system accepts and returns: channels, ranges, units.
    fn interface(&self) -> &Interface;

    /// Plays one shot a column.
    ///
    /// `inputs`: `[n_inputs × shots]`; `parameters`: `[n_parameters]`, shared by the batch;
    /// `outputs`: `[n_outputs × shots]`, overwritten. All in the interface's units. The caller
    /// keeps drives in range; a [`Boundary`](crate::Boundary) does that for any layer.
    ///
    /// # Errors
    /// [`DeviceError::Shape`] where a size does not fit the interface, and whatever else keeps a
    /// device from answering. After an error `outputs` is unspecified.
    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError>;

    /// What use has left in a simulated system; a real one keeps that itself.
    fn usage(&self) -> Usage {
        Usage::default()
    }

    /// Puts a simulated system where [`usage`](Self::usage) says that use had left it.
    fn resume(&mut self, _usage: &Usage) {}
}

impl<L: PhysicalLayer + ?Sized> PhysicalLayer for Box<L> {
    fn interface(&self) -> &Interface {
        (**self).interface()
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        (**self).measure(inputs, parameters, outputs)
    }

    fn usage(&self) -> Usage {
        (**self).usage()
    }

    fn resume(&mut self, usage: &Usage) {
        (**self).resume(usage);
    }
}

impl<L: PhysicalLayer + ?Sized> PhysicalLayer for &mut L {
    fn interface(&self) -> &Interface {
        (**self).interface()
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        (**self).measure(inputs, parameters, outputs)
    }

    fn usage(&self) -> Usage {
        (**self).usage()
    }

    fn resume(&mut self, usage: &Usage) {
        (**self).resume(usage);
    }
}
