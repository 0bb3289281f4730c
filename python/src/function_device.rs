//! A Python function as a device.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use nalgebra::{DMatrix, DVector};
use twinprop::devices::{DeviceError, Interface, PhysicalLayer, measure_runs};

use crate::callback::{Argument, Call, Expected};
use crate::job::Message;

/// The device of a registered function.
pub struct FunctionDevice {
    interface: Interface,
    number: u64,
    /// Whether the function takes parameters `(shots, n_parameters)` instead of `(n_parameters,)`.
    each_shot: bool,
    job: Arc<Mutex<Option<Sender<Message>>>>,
}

impl FunctionDevice {
    /// The device of function `number`. While `job` has a sender, the thread behind it calls the function.
    pub fn new(
        interface: Interface,
        number: u64,
        each_shot: bool,
        job: Arc<Mutex<Option<Sender<Message>>>>,
    ) -> Self {
        Self { interface, number, each_shot, job }
    }

    fn play(
        &self,
        inputs: DMatrix<f32>,
        parameters: Argument,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        let (shots, channels) = (inputs.ncols(), self.interface.outputs.len());
        let expected = Expected { name: "readings", shots, channels };
        let call =
            Call::new(self.number, vec![Argument::Matrix(inputs), parameters], vec![expected]);
        let job = self.job.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let readings = call.make(job).map_err(|problem| DeviceError::Host {
            device: self.interface.device.clone(),
            problem,
        })?;
        outputs.copy_from(&readings[0]);
        Ok(())
    }
}

impl PhysicalLayer for FunctionDevice {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.interface.check_shapes(inputs, parameters, outputs)?;
        let columns = if self.each_shot { inputs.ncols() } else { 1 };
        let parameters = DMatrix::from_fn(parameters.len(), columns, |row, _| parameters[row]);
        let parameters = match self.each_shot {
            true => Argument::Matrix(parameters),
            false => Argument::Vector(parameters),
        };
        self.play(inputs.clone(), parameters, outputs)
    }

    fn measure_each(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        if !self.each_shot {
            return measure_runs(self, inputs, parameters, outputs, usize::MAX);
        }
        self.interface.check_shapes_of_each(inputs, parameters, outputs)?;
        self.play(inputs.clone(), Argument::Matrix(parameters.clone()), outputs)
    }
}
