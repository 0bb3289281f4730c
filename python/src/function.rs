//! A Python function as a device.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use nalgebra::{DMatrix, DVector};
use pyo3::prelude::*;
use twinprop::devices::{DeviceError, Interface, PhysicalLayer};

use crate::arrays;
use crate::error::exception;
use crate::job::Message;

/// The functions of the devices that exist, by number: jobs hold numbers, never Python objects.
static FUNCTIONS: Mutex<Option<HashMap<u64, Arc<Function>>>> = Mutex::new(None);

/// A function that measures.
struct Function {
    function: Py<PyAny>,
    interface: Interface,
    /// Whether it takes parameters `(shots, n_parameters)` instead of `(n_parameters,)`.
    each_shot: bool,
    /// What it raised last.
    raised: Mutex<Option<PyErr>>,
}

/// A request of a job to a function.
pub struct Request {
    number: u64,
    inputs: DMatrix<f32>,
    parameters: DMatrix<f32>,
    reply: SyncSender<Result<DMatrix<f32>, String>>,
}

/// A registered function; dropping it removes the function.
pub struct Registration(pub u64);

impl Registration {
    /// Registers `function` as the device with `interface`.
    pub fn new(function: Py<PyAny>, interface: Interface, each_shot: bool) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let function =
            Arc::new(Function { function, interface, each_shot, raised: Mutex::new(None) });
        let mut functions = FUNCTIONS.lock().unwrap_or_else(PoisonError::into_inner);
        functions.get_or_insert_default().insert(number, function);
        Self(number)
    }

    /// What the function has raised since the last call.
    pub fn raised(&self) -> Option<PyErr> {
        raised(self.0)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut functions = FUNCTIONS.lock().unwrap_or_else(PoisonError::into_inner);
        let removed = functions.as_mut().and_then(|functions| functions.remove(&self.0));
        // Freed after the lock: it may be the last reference to other devices.
        drop(functions);
        drop(removed);
    }
}

fn function(number: u64) -> Option<Arc<Function>> {
    let functions = FUNCTIONS.lock().unwrap_or_else(PoisonError::into_inner);
    functions.as_ref().and_then(|functions| functions.get(&number).cloned())
}

/// What function `number` has raised since the last call.
pub fn raised(number: u64) -> Option<PyErr> {
    function(number)?.raised.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl Function {
    /// Calls the function with drives and parameters; keeps what it raises, and returns it in words.
    fn call(
        &self,
        py: Python,
        inputs: DMatrix<f32>,
        parameters: DMatrix<f32>,
    ) -> Result<DMatrix<f32>, String> {
        self.measure(py, inputs, parameters).map_err(|error| {
            let words = error.to_string();
            *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            words
        })
    }

    fn measure(
        &self,
        py: Python,
        inputs: DMatrix<f32>,
        parameters: DMatrix<f32>,
    ) -> PyResult<DMatrix<f32>> {
        let (shots, outputs) = (inputs.ncols(), self.interface.outputs.len());
        let x = arrays::array(py, inputs)?;
        let theta = if self.each_shot {
            arrays::array(py, parameters)?.into_any()
        } else {
            arrays::vector(py, parameters.data.into()).into_any()
        };
        let measured = self.function.bind(py).call1((x, theta))?;
        let readings = arrays::matrix(&measured, "readings", outputs);
        match readings {
            Ok(readings) if readings.ncols() == shots => Ok(readings),
            Err(error) if error.is_instance_of::<pyo3::exceptions::PyException>(py) => {
                Err(self.unusable(py, &error.value(py).to_string()))
            }
            Err(error) => Err(error),
            Ok(readings) => {
                let problem = format!("{} shots of {shots} came back", readings.ncols());
                Err(self.unusable(py, &problem))
            }
        }
    }

    fn unusable(&self, py: Python, problem: &str) -> PyErr {
        let Interface { device, outputs, .. } = &self.interface;
        let message = format!(
            "the function of device `{device}` must return readings of shape (shots, {}): {problem}",
            outputs.len()
        );
        exception(py, "MeasurementError", message)
    }
}

impl Request {
    /// Answers a job that is to end.
    pub fn refuse(self) {
        // The job is waiting for it.
        let _ = self.reply.send(Err("interrupted".to_owned()));
    }

    /// Calls the function, on the thread that holds Python, and answers the job.
    pub fn serve(self, py: Python) {
        let Self { number, inputs, parameters, reply } = self;
        let answer = match function(number) {
            Some(function) => function.call(py, inputs, parameters),
            None => Err("its device was deleted".to_owned()),
        };
        // The job is waiting for it.
        let _ = reply.send(answer);
    }
}

/// The device of a registered function.
pub struct FunctionDevice {
    interface: Interface,
    number: u64,
    each_shot: bool,
    job: Arc<Mutex<Option<Sender<Message>>>>,
}

impl FunctionDevice {
    /// The device of function `number`. While `job` has a sender, the function is called by the thread behind it.
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
        inputs: &DMatrix<f32>,
        parameters: DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        let failed = |problem| DeviceError::Host { device: self.interface.device.clone(), problem };
        let gone = || failed("the calculation that it was part of has ended".to_owned());
        let (number, inputs) = (self.number, inputs.clone());
        let job = self.job.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let readings = match job {
            // Called by Python itself: this is the thread that may call the function.
            None => Python::attach(|py| {
                function(number)
                    .ok_or_else(|| "its device was deleted".to_owned())
                    .and_then(|function| function.call(py, inputs, parameters))
            }),
            Some(job) => {
                let (reply, answer) = sync_channel(1);
                let request = Request { number, inputs, parameters, reply };
                job.send(Message::Measure(request)).map_err(|_| gone())?;
                answer.recv().map_err(|_| gone())?
            }
        };
        outputs.copy_from(&readings.map_err(failed)?);
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
        self.play(inputs, parameters, outputs)
    }

    fn measure_each(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.interface.check_shapes_of_each(inputs, parameters, outputs)?;
        if self.each_shot {
            return self.play(inputs, parameters.clone(), outputs);
        }
        for run in twinprop::devices::runs_of_equal_parameters(parameters, usize::MAX) {
            let of_run = inputs.columns(run.start, run.len()).into_owned();
            let mut readings = DMatrix::zeros(outputs.nrows(), run.len());
            let parameters = parameters.columns(run.start, 1).into_owned();
            self.play(&of_run, parameters, &mut readings)?;
            outputs.columns_mut(run.start, run.len()).copy_from(&readings);
        }
        Ok(())
    }
}
