//! Devices: Python functions, simulated devices, rigs and recordings, each behind a boundary.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use nalgebra::{DMatrix, DVector};
use pyo3::prelude::*;
use twinprop::devices::probe::{Probe, ProbeConfig};
use twinprop::devices::rig::{self, Monitor, RigOptions, ServedTwin, Target};
use twinprop::devices::{
    Boundary, DeviceConfig, DeviceError, Differentiable, Interface, PhysicalLayer, ShotCounter,
    SlewLimit, Usage,
};

use crate::arrays::{self, Array};
use crate::calibration::parse;
use crate::callback::Registration;
use crate::error::{exception, of_device};
use crate::function_device::FunctionDevice;
use crate::job::{Job, Message};
use crate::twin::json;

/// A device behind its boundary.
#[pyclass(frozen, module = "twinprop._native")]
pub struct Device {
    interface: Interface,
    home: Arc<Home>,
    shots: ShotCounter,
    function: Option<Registration>,
    simulated: Option<(DeviceConfig, u64)>,
    monitors: Vec<Monitor>,
    /// The twin that a rig serves.
    served: Option<ServedTwin>,
    /// The process that opened it.
    process: u32,
}

/// Where a device is while nothing uses it.
struct Home {
    boundary: Mutex<Option<Boundary>>,
    /// Where a function's requests go while a job uses the device.
    job: Arc<Mutex<Option<Sender<Message>>>>,
    /// Values clamped when it came back last.
    clamped: AtomicU64,
    /// Whether it may be driven: set before it plays, also where the shot then fails.
    is_driven: AtomicBool,
}

/// A device in use; it returns when this is dropped.
pub struct Lease {
    boundary: Option<Boundary>,
    home: Arc<Home>,
    is_stopping: Option<Arc<AtomicBool>>,
}

impl Device {
    fn new(
        layer: Box<dyn PhysicalLayer>,
        job: Arc<Mutex<Option<Sender<Message>>>>,
        function: Option<Registration>,
        simulated: Option<(DeviceConfig, u64)>,
        monitors: Vec<Monitor>,
    ) -> Self {
        let boundary = Boundary::new(layer);
        Self {
            interface: boundary.interface().clone(),
            shots: boundary.counter(),
            home: Arc::new(Home {
                boundary: Mutex::new(Some(boundary)),
                job,
                clamped: AtomicU64::new(0),
                is_driven: AtomicBool::new(false),
            }),
            function,
            simulated,
            monitors,
            served: None,
            process: std::process::id(),
        }
    }

    /// The device's channels.
    pub fn channels(&self) -> &Interface {
        &self.interface
    }

    /// The configuration of a simulated device, and its seed.
    pub fn simulated(&self) -> Option<&(DeviceConfig, u64)> {
        self.simulated.as_ref()
    }

    /// The nominal equation of a simulated device.
    pub fn nominal(&self) -> Result<Option<Box<dyn Differentiable>>, DeviceError> {
        let made = self.simulated.as_ref().map(|(config, seed)| config.fabricate(*seed));
        Ok(made.transpose()?.map(|device| device.nominal))
    }

    /// The twin that the rig serves, if it serves one.
    pub fn served(&self) -> Option<&ServedTwin> {
        self.served.as_ref()
    }

    /// The twin that the rig serves.
    pub fn served_twin(&self, py: Python) -> PyResult<ServedTwin> {
        self.served.clone().ok_or_else(|| {
            let message = format!(
                "device `{}` serves no twin; give its script one (`@measure.twin`), or choose another kind of twin",
                self.interface.device
            );
            exception(py, "CalibrationError", message)
        })
    }

    /// Takes the device for `job`, or for a measurement on the present thread.
    pub fn lease(&self, py: Python, job: Option<&mut Job>) -> PyResult<Lease> {
        let name = &self.interface.device;
        if self.process != std::process::id() {
            let message = format!(
                "device `{name}` was opened by the parent process; open it again in this one, or start the process with multiprocessing's method `spawn`"
            );
            return Err(exception(py, "ForkError", message));
        }
        let mut boundary = self.home.boundary.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(boundary) = boundary.take() else {
            let message = format!(
                "device `{name}` is in use, by another thread or by the function that is running now; measure again when that has ended"
            );
            return Err(exception(py, "BusyError", message));
        };
        let is_stopping = job.map(|job| {
            *self.home.job.lock().unwrap_or_else(PoisonError::into_inner) = Some(job.sender());
            if let Some(function) = &self.function {
                job.calls(function.0);
            }
            job.is_stopping()
        });
        Ok(Lease { boundary: Some(boundary), home: self.home.clone(), is_stopping })
    }
}

#[pymethods]
impl Device {
    /// A function as a device; `interface` is JSON.
    #[new]
    fn of_function(
        py: Python,
        function: Py<PyAny>,
        interface: &str,
        each_shot: bool,
    ) -> PyResult<Self> {
        let interface: Interface = serde_json::from_str(interface)
            .map_err(|error| exception(py, "DataError", error.to_string()))?;
        let Interface { inputs, parameters, outputs, .. } = &interface;
        for (side, channels) in
            [("inputs", inputs), ("parameters", parameters), ("outputs", outputs)]
        {
            if let Some(fault) = channels.fault(side) {
                let of_device = format!("device `{}`: {fault}", interface.device);
                return Err(exception(py, "RecipeError", of_device));
            }
        }
        let job = Arc::new(Mutex::new(None));
        let called = format!("the function of device `{}`", interface.device);
        let registration = Registration::new(function, called);
        let layer = FunctionDevice::new(interface, registration.0, each_shot, job.clone());
        let Interface { inputs, parameters, .. } = layer.interface();
        let mut banks = inputs.banks().iter().chain(parameters.banks());
        let layer: Box<dyn PhysicalLayer> = match banks.any(|bank| bank.largest_step.is_some()) {
            true => Box::new(SlewLimit::new(layer)),
            false => Box::new(layer),
        };
        Ok(Self::new(layer, job, Some(registration), None, Vec::new()))
    }

    /// Plays the drives `x` `(S, I)` with the parameters `theta` `(P,)` or `(G, P)`: readings `(S, O)`.
    fn measure<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
        theta: &Bound<'py, PyAny>,
    ) -> PyResult<Array<'py>> {
        let Interface { inputs, parameters, outputs, .. } = &self.interface;
        let x = arrays::matrix(x, "x", inputs.len())?;
        let theta = arrays::settings(theta, "theta", parameters.len())?;
        check_settings(py, x.ncols(), theta.ncols())?;
        let mut lease = self.lease(py, None)?;
        let mut readings = DMatrix::zeros(outputs.len(), x.ncols());
        let measured = py.detach(|| {
            if theta.ncols() == 1 {
                let theta = DVector::from_column_slice(theta.as_slice());
                lease.measure(&x, &theta, &mut readings)
            } else {
                let each = arrays::of_each_shot(&theta, x.ncols());
                lease.measure_each(&x, &each, &mut readings)
            }
        });
        drop(lease);
        match measured {
            Ok(()) => arrays::array(py, readings),
            Err(error) => {
                let raised = self.function.as_ref().and_then(Registration::raised);
                Err(raised.unwrap_or_else(|| of_device(py, &error)))
            }
        }
    }

    /// Characterises it: latency, rate, repeatability, drift and linearity; `options` and the result are JSON.
    #[pyo3(signature = (options, progress = None))]
    fn probe(
        &self,
        py: Python,
        options: &str,
        progress: Option<&Bound<PyAny>>,
    ) -> PyResult<String> {
        let config: ProbeConfig = parse(py, options)?;
        let mut job = Job::new();
        let mut lease = self.lease(py, Some(&mut job))?;
        let probe = job.run(py, progress, None, |caller| {
            let probe = Probe::run(&mut lease, &config, |step, share| {
                caller.progress(step, (share * 100.0) as usize, 100);
            });
            drop(lease);
            Ok(probe?)
        })?;
        json(py, &probe)
    }

    /// The device's channels as JSON.
    #[getter]
    fn interface(&self, py: Python) -> PyResult<String> {
        serde_json::to_string(&self.interface)
            .map_err(|error| exception(py, "InternalError", error.to_string()))
    }

    /// Shots played.
    #[getter]
    fn shots(&self) -> u64 {
        self.shots.shots()
    }

    /// Values that were out of range and were clamped.
    #[getter]
    fn clamped(&self) -> u64 {
        let boundary = self.home.boundary.lock().unwrap_or_else(PoisonError::into_inner);
        match &*boundary {
            Some(boundary) => boundary.clamped(),
            None => self.home.clamped.load(Ordering::Relaxed),
        }
    }

    /// Whether it may be driven: it has played since `mark_safe`, or tried to.
    #[getter]
    fn is_driven(&self) -> bool {
        self.home.is_driven.load(Ordering::Relaxed)
    }

    /// Notes that it is in its safe state.
    fn mark_safe(&self) {
        self.home.is_driven.store(false, Ordering::Relaxed);
    }

    /// Sends a rig to its safe state and waits until it has confirmed that.
    fn make_safe(&self, py: Python) -> PyResult<()> {
        let safe = py.detach(|| self.monitors.iter().try_for_each(Monitor::make_safe));
        safe.map_err(|error| of_device(py, &error))
    }
}

/// Refuses `shots` shots that are no multiple of `settings` settings.
pub fn check_settings(py: Python, shots: usize, settings: usize) -> PyResult<()> {
    if settings > 0 && shots.is_multiple_of(settings) {
        return Ok(());
    }
    let message = format!(
        "`x` has {shots} shots and `theta` {settings} settings; the shots must be a multiple of the settings"
    );
    Err(exception(py, "ShapeError", message))
}

impl Lease {
    fn boundary(&mut self) -> Result<&mut Boundary, DeviceError> {
        let is_stopping = self.is_stopping.as_ref();
        let is_stopping = is_stopping.is_some_and(|stop| stop.load(Ordering::Relaxed));
        match &mut self.boundary {
            Some(boundary) if !is_stopping => {
                self.home.is_driven.store(true, Ordering::Relaxed);
                Ok(boundary)
            }
            _ => Err(DeviceError::Host {
                device: "the device".to_owned(),
                problem: "interrupted".to_owned(),
            }),
        }
    }
}

impl PhysicalLayer for Lease {
    fn interface(&self) -> &Interface {
        self.boundary.as_ref().expect("it is here until it is dropped").interface()
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.boundary()?.measure(inputs, parameters, outputs)
    }

    fn measure_each(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.boundary()?.measure_each(inputs, parameters, outputs)
    }

    fn measure_settings(
        &mut self,
        inputs: &DMatrix<f32>,
        settings: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.boundary()?.measure_settings(inputs, settings, outputs)
    }

    fn plays_settings_at_once(&self) -> bool {
        self.boundary.as_ref().is_some_and(PhysicalLayer::plays_settings_at_once)
    }

    fn usage(&self) -> Usage {
        self.boundary.as_ref().map_or_else(Usage::default, PhysicalLayer::usage)
    }

    fn resume(&mut self, usage: &Usage) {
        if let Some(boundary) = &mut self.boundary {
            boundary.resume(usage);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        *self.home.job.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if let Some(boundary) = self.boundary.take() {
            self.home.clamped.store(boundary.clamped(), Ordering::Relaxed);
            let mut home = self.home.boundary.lock().unwrap_or_else(PoisonError::into_inner);
            *home = Some(boundary);
        }
    }
}

/// Opens the device at `targets`, such as `tcp://127.0.0.1:7777`; several form a farm.
#[pyfunction]
pub fn open_device(py: Python, targets: Vec<String>) -> PyResult<Device> {
    let parsed: Result<Vec<Target>, String> = targets.iter().map(|target| target.parse()).collect();
    let parsed = parsed.map_err(|problem| exception(py, "RigError", problem))?;
    let opened = py.detach(|| rig::open(&parsed, RigOptions::default()));
    let opened = opened.map_err(|error| of_device(py, &error))?;
    let device = Device::new(opened.layer, Arc::default(), None, None, opened.monitors);
    Ok(Device { served: opened.twin, ..device })
}

/// Fabricates a copy of a simulated device; `config` is JSON.
#[pyfunction]
pub fn simulate(py: Python, config: &str, seed: u64) -> PyResult<Device> {
    let config: DeviceConfig = serde_json::from_str(config)
        .map_err(|error| exception(py, "RecipeError", error.to_string()))?;
    let made = py.detach(|| config.fabricate(seed)).map_err(|error| of_device(py, &error))?;
    Ok(Device::new(made.device, Arc::default(), None, Some((config, seed)), Vec::new()))
}
