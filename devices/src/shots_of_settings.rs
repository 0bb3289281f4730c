//! Shots of several settings of a device's parameters, as slices.

use nalgebra::{DMatrix, DVector};

use crate::{DeviceError, Interface};

/// Shots of several settings of the parameters: equally many of each setting, one setting after the other.
#[derive(Clone, Copy, Debug)]
pub struct ShotsOfSettings<'a> {
    /// Number of settings, at least one.
    pub count: usize,
    /// The drives, shot by shot, in the interface's units: `n_inputs` for each shot.
    pub inputs: &'a [f32],
    /// The parameters, setting by setting, in the interface's units: `n_parameters` for each setting.
    pub parameters: &'a [f32],
}

impl<'a> ShotsOfSettings<'a> {
    /// Number of shots of each setting.
    ///
    /// # Errors
    /// [`DeviceError::Shape`] where a size does not fit the interface.
    pub fn shots_of_each(&self, interface: &Interface) -> Result<usize, DeviceError> {
        let (width, parameters) = (interface.inputs.len(), interface.parameters.len());
        let shots = self.inputs.len() / (width * self.count).max(1);
        interface.check_size("inputs (values)", width * shots * self.count, self.inputs.len())?;
        let expected = parameters * self.count;
        interface.check_size("parameters (values)", expected, self.parameters.len())?;
        Ok(shots)
    }

    /// The same for a response to `outputs`, which has to fit as well.
    pub(crate) fn check_response(
        &self,
        interface: &Interface,
        outputs: &[f32],
    ) -> Result<usize, DeviceError> {
        let shots = self.shots_of_each(interface)?;
        let expected = interface.outputs.len() * shots * self.count;
        interface.check_size("outputs (values)", expected, outputs.len())?;
        Ok(shots)
    }

    /// The same for a vector-Jacobian product of `cotangents` to `of_inputs` and `of_parameters`, which have to fit as
    /// well.
    pub(crate) fn check_vjp(
        &self,
        interface: &Interface,
        cotangents: &[f32],
        of_inputs: &[f32],
        of_parameters: &[f32],
    ) -> Result<usize, DeviceError> {
        let shots = self.shots_of_each(interface)?;
        let expected = interface.outputs.len() * shots * self.count;
        interface.check_size("cotangents of outputs (values)", expected, cotangents.len())?;
        let (inputs, parameters) = (self.inputs.len(), self.parameters.len());
        interface.check_size("cotangents of inputs (values)", inputs, of_inputs.len())?;
        interface.check_size(
            "cotangents of parameters (values)",
            parameters,
            of_parameters.len(),
        )?;
        Ok(shots)
    }

    /// The parameters of setting `place`.
    ///
    /// # Panics
    /// If there is no such setting.
    #[must_use]
    pub fn setting(&self, place: usize) -> &'a [f32] {
        part(self.parameters, place, self.count)
    }

    /// Drives `[n_inputs × shots]` and parameters of setting `place`.
    pub(crate) fn copied(
        &self,
        place: usize,
        interface: &Interface,
    ) -> (DMatrix<f32>, DVector<f32>) {
        let x = matrix(part(self.inputs, place, self.count), interface.inputs.len());
        (x, DVector::from_column_slice(self.setting(place)))
    }
}

/// Part `place` of `values` in `count` equal parts.
pub(crate) fn part(values: &[f32], place: usize, count: usize) -> &[f32] {
    let size = values.len() / count;
    &values[place * size..][..size]
}

/// Columns of `rows` values; none if there are no rows.
pub(crate) fn matrix(values: &[f32], rows: usize) -> DMatrix<f32> {
    DMatrix::from_column_slice(rows, values.len() / rows.max(1), values)
}
