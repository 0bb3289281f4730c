//! The exact gradient of a simulated device; a real one has none.

use std::any::Any;

use dyn_clone::DynClone;
use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;

use crate::shots_of_settings::{matrix, part};
use crate::{DeviceError, PhysicalLayer, ShotsOfSettings};

/// A simulated device with a hand-written adjoint of its noiseless equation.
///
/// Ideal training runs backward through the *fabricated* device's adjoint; a physics twin is the
/// same equation on the *nominal* constants. Callers with a specialised path for one kind of device
/// downcast by [`Any`].
pub trait Differentiable: PhysicalLayer + DynClone + Any + Sync {
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

    /// [`vjp`](Self::vjp) where the device gave the `readings` `[n_outputs × shots]`: an equation whose derivative can be
    /// written with its readings takes these, so that errors of its constants have no part in them. By default that is the
    /// [linearised](Self::linearise) equation if it [uses](Self::uses_readings) them; otherwise they are ignored.
    ///
    /// # Errors
    /// As [`vjp`](Self::vjp).
    fn vjp_at_readings(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        readings: &DMatrix<f32>,
        cotangents: &DMatrix<f32>,
        input_cotangents: &mut DMatrix<f32>,
        parameter_cotangents: &mut DVector<f32>,
    ) -> Result<(), DeviceError> {
        if self.uses_readings() {
            self.interface().check_shapes(inputs, parameters, cotangents)?;
            self.interface().check_shapes(inputs, parameters, readings)?;
            if let Some(linearised) = self.linearise(inputs, parameters) {
                let of_inputs = Some(input_cotangents);
                linearised.vjp(readings, cotangents, of_inputs, parameter_cotangents);
                return Ok(());
            }
        }
        self.vjp(inputs, parameters, cotangents, input_cotangents, parameter_cotangents)
    }

    /// The noiseless response to shots of several settings, written to `outputs`, shot by shot.
    ///
    /// # Errors
    /// [`DeviceError::Shape`] where a size does not fit the interface.
    fn respond_settings(
        &self,
        shots: ShotsOfSettings,
        outputs: &mut [f32],
    ) -> Result<(), DeviceError> {
        let interface = self.interface();
        let (run, bins) = (shots.check_response(interface, outputs)?, interface.outputs.len());
        let each = outputs.par_chunks_mut((bins * run).max(1)).enumerate();
        each.try_for_each(|(place, outputs)| {
            let (x, theta) = shots.copied(place, interface);
            let mut y = DMatrix::zeros(bins, run);
            self.respond(&x, &theta, &mut y)?;
            outputs.copy_from_slice(y.as_slice());
            Ok(())
        })
    }

    /// [`vjp_at_readings`](Self::vjp_at_readings) for shots of several settings. `readings`, `cotangents` and
    /// `input_cotangents` are shot by shot, `parameter_cotangents` setting by setting; the latter two are overwritten. `readings` may be empty if the equation does not [use](Self::uses_readings) them.
    ///
    /// # Errors
    /// As [`vjp`](Self::vjp).
    fn vjp_settings(
        &self,
        shots: ShotsOfSettings,
        readings: &[f32],
        cotangents: &[f32],
        input_cotangents: &mut [f32],
        parameter_cotangents: &mut [f32],
    ) -> Result<(), DeviceError> {
        let interface = self.interface();
        let run = shots.check_vjp(interface, cotangents, input_cotangents, parameter_cotangents)?;
        let (width, bins) = (interface.inputs.len(), interface.outputs.len());
        if self.uses_readings() {
            interface.check_size("readings (values)", cotangents.len(), readings.len())?;
        }
        if run == 0 {
            parameter_cotangents.fill(0.0);
            return Ok(());
        }
        let each = input_cotangents.par_chunks_mut(width * run).enumerate();
        let of_settings = each.map(|(place, input_cotangents)| {
            let (x, theta) = shots.copied(place, interface);
            let y = part(readings, place, shots.count);
            let y = matrix(y, if y.is_empty() { 0 } else { bins });
            let dy = matrix(part(cotangents, place, shots.count), bins);
            let (mut dx, mut dtheta) = (DMatrix::zeros(width, run), DVector::zeros(theta.len()));
            self.vjp_at_readings(&x, &theta, &y, &dy, &mut dx, &mut dtheta)?;
            input_cotangents.copy_from_slice(dx.as_slice());
            Ok(dtheta.data.into())
        });
        let of_settings: Vec<Vec<f32>> = of_settings.collect::<Result<_, DeviceError>>()?;
        parameter_cotangents.copy_from_slice(&of_settings.concat());
        Ok(())
    }

    /// Whether [`vjp_at_readings`](Self::vjp_at_readings) depends on the readings; otherwise it may get a matrix without
    /// rows in their place.
    fn uses_readings(&self) -> bool {
        false
    }

    /// The part of [`vjp`](Self::vjp) at (`inputs`, `parameters`) that needs no cotangents; `None` where that
    /// saves little. The operands fit the interface.
    fn linearise(
        &self,
        _inputs: &DMatrix<f32>,
        _parameters: &DVector<f32>,
    ) -> Option<Box<dyn LinearisedEquation>> {
        None
    }

    /// Cotangents of the constants from those that `cotangents_of` makes of the response: a step of a fit. An equation
    /// whose response and adjoint share much does both at once.
    ///
    /// # Errors
    /// [`DeviceError::Shape`] where a size does not fit the interface.
    fn constant_cotangents_of(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        cotangents_of: &mut dyn FnMut(DMatrix<f32>) -> DMatrix<f32>,
    ) -> Result<Vec<f32>, DeviceError> {
        let mut outputs = DMatrix::zeros(self.interface().outputs.len(), inputs.ncols());
        self.respond(inputs, parameters, &mut outputs)?;
        self.constant_cotangents(inputs, parameters, &cotangents_of(outputs))
    }

    /// How badly the equation fits measured `readings` `[n_outputs × shots]`, summed over them, and its derivatives by the
    /// constants, for an equation whose readings jump, so that their squared error has none; `None` for others.
    fn misfit(
        &self,
        _inputs: &DMatrix<f32>,
        _parameters: &DVector<f32>,
        _readings: &DMatrix<f32>,
    ) -> Option<Result<(f32, Vec<f32>), DeviceError>> {
        None
    }

    /// What the equation says about places inside the device that no channel reads, at drives
    /// `inputs` `[n_inputs × shots]` of one setting; nothing by default.
    ///
    /// # Errors
    /// [`DeviceError::Shape`] where a size does not fit the interface.
    fn inside(
        &self,
        _inputs: &DMatrix<f32>,
        _parameters: &DVector<f32>,
    ) -> Result<Vec<Inside>, DeviceError> {
        Ok(Vec::new())
    }

    /// Multiply-adds of one shot's response, to leading order; an elementary function or a division
    /// counts as ten.
    fn multiply_adds(&self) -> u64;

    /// The constants of the equation that can be learned from shots; none by default.
    fn constants(&self) -> Vec<Constant> {
        Vec::new()
    }

    /// Sets the constants, in the order of [`constants`](Self::constants).
    fn set_constants(&mut self, _values: &[f32]) {}

    /// Cotangents of the constants, summed over the batch; operands as for [`vjp`](Self::vjp).
    ///
    /// # Errors
    /// [`DeviceError::Shape`] where a size does not fit the interface.
    fn constant_cotangents(
        &self,
        _inputs: &DMatrix<f32>,
        _parameters: &DVector<f32>,
        _cotangents: &DMatrix<f32>,
    ) -> Result<Vec<f32>, DeviceError> {
        Ok(Vec::new())
    }
}

dyn_clone::clone_trait_object!(Differentiable);

impl dyn Differentiable {
    /// A copy of the device behind the reference.
    #[must_use]
    pub fn boxed(&self) -> Box<dyn Differentiable> {
        dyn_clone::clone_box(self)
    }
}

/// A device's equation linearised at one point.
pub trait LinearisedEquation: Send + Sync {
    /// [`Differentiable::vjp_at_readings`] at this point; the operands fit the interface. Without `input_cotangents` nobody
    /// uses them, as where no stage before the device is trained.
    fn vjp(
        &self,
        readings: &DMatrix<f32>,
        cotangents: &DMatrix<f32>,
        input_cotangents: Option<&mut DMatrix<f32>>,
        parameter_cotangents: &mut DVector<f32>,
    );
}

/// A quantity inside a device that no channel reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Inside {
    /// What it is, and where: `power behind mesh 1`.
    pub name: String,
    /// Unit of its values.
    pub unit: String,
    /// `[places × shots]`.
    pub values: DMatrix<f32>,
}

/// A constant of a device's equation, relative to the data sheet: 1 is as designed, or 0 for an error that
/// the design does not have.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    /// Its name, such as `damping 3`.
    pub name: String,
    /// Its value.
    pub value: f32,
}

impl Constant {
    /// `name 0`, `name 1`, … with the values `values`.
    pub fn bank(name: &str, values: &[f32]) -> impl Iterator<Item = Self> {
        let numbered = values.iter().enumerate();
        numbered.map(move |(number, &value)| Self { name: format!("{name} {number}"), value })
    }
}
