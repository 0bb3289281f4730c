//! Calls of Python functions, on the thread of Python that a job asks, or on the present one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use nalgebra::DMatrix;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::arrays;
use crate::error::exception;
use crate::job::Message;

/// The functions in use, by number: jobs hold numbers, never Python objects.
static FUNCTIONS: Mutex<Option<HashMap<u64, Arc<Function>>>> = Mutex::new(None);

struct Function {
    function: Py<PyAny>,
    /// What it is, for messages: ``the function of device `lab` ``.
    called: String,
    /// What it raised last.
    raised: Mutex<Option<PyErr>>,
}

/// A registered function; dropping it removes the function.
pub struct Registration(pub u64);

/// An argument of a call.
pub enum Argument {
    /// `[channels × shots]`, which Python sees as `(shots, channels)`.
    Matrix(DMatrix<f32>),
    /// `(channels,)`.
    Vector(DMatrix<f32>),
}

/// Size of a result, and its name in messages.
#[derive(Clone, Copy)]
pub struct Expected {
    pub name: &'static str,
    pub shots: usize,
    pub channels: usize,
}

/// A call: arguments, and the arrays that must come back.
pub struct Call {
    number: u64,
    arguments: Vec<Argument>,
    expected: Vec<Expected>,
}

/// A call that a job waits for.
pub struct Request {
    call: Call,
    reply: SyncSender<Result<Vec<DMatrix<f32>>, String>>,
}

impl Registration {
    /// Registers `function`, which is `called` so in messages.
    pub fn new(function: Py<PyAny>, called: String) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let function = Arc::new(Function { function, called, raised: Mutex::new(None) });
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

impl Call {
    /// A call of function `number` with `arguments`, from which `expected` comes back: an array, or a tuple of them.
    pub fn new(number: u64, arguments: Vec<Argument>, expected: Vec<Expected>) -> Self {
        Self { number, arguments, expected }
    }

    /// Makes the call on the thread behind `job` or, without one, on the present thread.
    ///
    /// # Errors
    /// In words; [`raised`] has the exception.
    pub fn make(self, job: Option<Sender<Message>>) -> Result<Vec<DMatrix<f32>>, String> {
        let gone = || "the calculation that it was part of has ended".to_owned();
        match job {
            None => Python::attach(|py| self.make_here(py)),
            Some(job) => {
                let (reply, answer) = sync_channel(1);
                job.send(Message::Call(Request { call: self, reply })).map_err(|_| gone())?;
                answer.recv().map_err(|_| gone())?
            }
        }
    }

    fn make_here(self, py: Python) -> Result<Vec<DMatrix<f32>>, String> {
        let function = function(self.number).ok_or("its function was deleted")?;
        self.results(py, &function).map_err(|error| {
            let words = error.to_string();
            *function.raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            words
        })
    }

    fn results(self, py: Python, function: &Function) -> PyResult<Vec<DMatrix<f32>>> {
        let mut arguments = Vec::with_capacity(self.arguments.len());
        for argument in self.arguments {
            arguments.push(match argument {
                Argument::Matrix(values) => arrays::array(py, values)?.into_any(),
                Argument::Vector(values) => arrays::vector(py, values.data.into()).into_any(),
            });
        }
        let returned = function.function.bind(py).call1(PyTuple::new(py, arguments)?)?;
        let unusable = |problem: String| {
            exception(py, "MeasurementError", format!("{}: {problem}", function.called))
        };
        let returned: Vec<Bound<PyAny>> = match &self.expected[..] {
            [_] => vec![returned],
            several => {
                let found: Vec<_> = returned.try_iter()?.collect::<PyResult<_>>()?;
                if found.len() != several.len() {
                    let count = several.len();
                    return Err(unusable(format!("{} arrays came back, not {count}", found.len())));
                }
                found
            }
        };
        let matrices = returned.iter().zip(&self.expected);
        let matrices = matrices.map(|(value, &Expected { name, shots, channels })| {
            match arrays::matrix(value, name, channels) {
                Ok(matrix) if matrix.ncols() == shots => Ok(matrix),
                Ok(matrix) => Err(unusable(format!(
                    "`{name}` must have the shape ({shots}, {channels}), and {} shots came back",
                    matrix.ncols()
                ))),
                Err(error) if error.is_instance_of::<PyException>(py) => Err(unusable(format!(
                    "`{name}` must have the shape ({shots}, {channels}): {}",
                    error.value(py)
                ))),
                Err(error) => Err(error),
            }
        });
        matrices.collect()
    }
}

impl Request {
    /// Makes the call, on the thread that holds Python, and answers the job; returns whether the function failed.
    pub fn serve(self, py: Python) -> bool {
        let made = self.call.make_here(py);
        let has_failed = made.is_err();
        // The job is waiting for it.
        let _ = self.reply.send(made);
        has_failed
    }

    /// Answers a job that is to end.
    pub fn refuse(self) {
        // The job is waiting for it.
        let _ = self.reply.send(Err("interrupted".to_owned()));
    }
}
