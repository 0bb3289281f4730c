//! What Python passes to a run: devices, samples, twins and a loss.

use std::collections::BTreeMap;
use std::sync::Arc;

use pyo3::prelude::*;
use twinprop::calibration::DigitalTwin;
use twinprop::data::{Split, Unscaled, UnscaledTargets};
use twinprop::experiment::Given;

use crate::arrays;
use crate::callback::Registration;
use crate::device::Device;
use crate::error::{exception, of_library};
use crate::function_loss::FunctionLoss;
use crate::function_twin::Functions;
use crate::job::Job;
use crate::twin::Twin;

/// Everything that a run gets from Python, by the keys of a dict.
#[derive(FromPyObject)]
pub struct Passed<'py> {
    /// Devices by their names in the recipe.
    #[pyo3(item)]
    devices: BTreeMap<String, PyRef<'py, Device>>,
    /// Samples.
    #[pyo3(item)]
    data: Option<Data<'py>>,
    /// Twins by the names of their devices.
    #[pyo3(item)]
    twins: BTreeMap<String, PassedTwin<'py>>,
    /// A function `(outputs, targets) -> ([[loss]], gradient)`.
    #[pyo3(item)]
    loss: Option<Py<PyAny>>,
}

/// Features `(N, F)`, and class numbers `(N,)` or values `(N, T)`.
type Pair<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

/// Training samples, test samples, and the names of the classes where the targets are class numbers.
#[derive(FromPyObject)]
struct Data<'py>(Pair<'py>, Pair<'py>, Option<Vec<String>>);

/// A twin.
#[derive(FromPyObject)]
enum PassedTwin<'py> {
    /// One of the library's.
    Fitted(PyRef<'py, Twin>),
    /// The functions `predict` and `vjp`, and the interface of the device as JSON.
    Functions(Py<PyAny>, Py<PyAny>, String),
}

impl Data<'_> {
    /// The samples; values are scaled by the training samples.
    fn split(&self, py: Python) -> PyResult<Split> {
        let Self(train, test, classes) = self;
        let half = |(x, y): &Pair| -> PyResult<Unscaled> {
            let targets = match classes {
                Some(_) => UnscaledTargets::Classes(y.extract()?),
                None => UnscaledTargets::Values(arrays::numbers(y, "y")?),
            };
            Ok(Unscaled { features: arrays::numbers(x, "x")?, targets })
        };
        let width = arrays::width(&train.0)?;
        if arrays::width(&test.0)? != width {
            let message = format!(
                "the training samples have {width} features, and the test samples {}",
                arrays::width(&test.0)?
            );
            return Err(exception(py, "ShapeError", message));
        }
        let targets = arrays::width(&train.1)?;
        let split = Split::scaled(half(train)?, half(test)?, width, targets);
        let mut split = split.map_err(|error| of_library(py, &error))?;
        if let Some(classes) = classes {
            split.classes.clone_from(classes);
            split.schema.classes.clone_from(classes);
        }
        Ok(split)
    }
}

impl Passed<'_> {
    /// All of it as the library takes it. `job` leases the devices and serves the functions, which are removed with their
    /// registrations.
    pub fn given(self, py: Python, job: &mut Job) -> PyResult<(Given, Vec<Registration>)> {
        let Self { devices, data, twins, loss } = self;
        let mut given =
            Given { data: data.map(|data| data.split(py)).transpose()?, ..Given::default() };
        let mut functions = Vec::new();
        let mut register = |function: Py<PyAny>, called: String, job: &mut Job| {
            let registration = Registration::new(function, called);
            let number = registration.0;
            job.calls(number);
            functions.push(registration);
            number
        };
        for (name, twin) in twins {
            let twin: Arc<dyn DigitalTwin> = match twin {
                PassedTwin::Fitted(twin) => twin.twin.clone(),
                PassedTwin::Functions(predict, vjp, interface) => {
                    let called = |what| format!("the function `{what}` of the twin of `{name}`");
                    Arc::new(Functions::twin(
                        crate::calibration::parse(py, &interface)?,
                        register(predict, called("predict"), job),
                        register(vjp, called("vjp"), job),
                        job.sender(),
                    ))
                }
            };
            given.twins.insert(name, twin);
        }
        if let Some(loss) = loss {
            let number = register(loss, "the loss".to_owned(), job);
            given.loss = Some(Box::new(FunctionLoss::new(number, job.sender())));
        }
        for (name, device) in &devices {
            if let Some(twin) = device.served() {
                given.served.insert(name.clone(), twin.clone());
            }
            given.devices.insert(name.clone(), Box::new(device.lease(py, Some(&mut *job))?));
        }
        Ok((given, functions))
    }
}
