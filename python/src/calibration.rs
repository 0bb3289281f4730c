//! Calibration: measures shots of a device, fits a twin to them, and judges its readings and its gradient.

use std::path::PathBuf;
use std::sync::Arc;

use nalgebra::DMatrix;
use pyo3::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use twinprop::burn::tensor::Device as Backend;
use twinprop::calibration::by_name;
use twinprop::calibration::design::{ActiveConfig, DesignConfig};
use twinprop::calibration::fidelity::choose_slope;
use twinprop::calibration::{
    CalibrationError, DigitalTwin, Fidelity, FidelityConfig, FitConfig, FitProgress, Fitting,
    Shots, TwinConfig,
};
use twinprop::devices::Interface;
use twinprop::experiment::served::Served;

use crate::arrays::{self, Array};
use crate::callback::Registration;
use crate::device::{Device, Lease};
use crate::error::{exception, of_calibration, of_device};
use crate::function_twin::Functions;
use crate::job::{Caller, Failure, Job};
use crate::twin::{NAME, NOTES, Notes, Twin, json, verdict};

/// Options of a calibration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Calibration {
    design: Design,
    /// Further shots that judge the twin.
    test_shots: usize,
    #[serde(deserialize_with = "by_name::read")]
    twin: TwinConfig,
    fit: FitConfig,
    fidelity: FidelityConfig,
}

/// Which shots are measured.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Design {
    shots: usize,
    #[serde(deserialize_with = "by_name::read")]
    design: DesignConfig,
    seed: u64,
}

/// How a twin is judged.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Judgement {
    fidelity: FidelityConfig,
    seed: u64,
}

/// Steps of a judgement, for its progress.
const STEPS: usize = 1000;

/// Parses `options`, JSON.
pub fn parse<T: DeserializeOwned>(py: Python, options: &str) -> PyResult<T> {
    serde_json::from_str(options).map_err(|error| {
        let words = error.to_string();
        // The place is one in this text, which the user has not written.
        let words = words.rsplit_once(" at line ").map_or(&*words, |(words, _)| words);
        exception(py, "RecipeError", words)
    })
}

impl Design {
    /// Measures these shots and `more`.
    fn measure(
        &self,
        more: usize,
        device: &mut Lease,
        interface: &Interface,
        caller: &mut Caller,
    ) -> Result<Shots, Failure> {
        let total = self.shots + more;
        if let DesignConfig::Active(active) = &self.design {
            return self.measure_actively(active, more, device, interface, caller);
        }
        if let DesignConfig::TaskLike(_) = self.design {
            return Err(Failure::Calibration(CalibrationError::TooFewShots(
                "a calibration of a device alone has the designs `latin_hypercube`, `uniform`, `sobol` and `active`; a network shows which drives its task needs"
                    .to_owned(),
            )));
        }
        let (drives, parameters) = self.design.draw(interface, total, None, self.seed)?;
        Ok(Shots::measure(device, drives, parameters, |done| {
            caller.progress("measure shots", done, total);
        })?)
    }

    /// Measures where small twins disagree, and `more` shots of the design that this starts from.
    fn measure_actively(
        &self,
        active: &ActiveConfig,
        more: usize,
        device: &mut Lease,
        interface: &Interface,
        caller: &mut Caller,
    ) -> Result<Shots, Failure> {
        let (total, mut done) = (self.shots + more, 0);
        let mut measure = |inputs: DMatrix<f32>, parameters| {
            let count = inputs.ncols();
            let shots = Shots::measure(device, inputs, parameters, |now| {
                caller.progress("measure shots", done + now, total);
            })?;
            done += count;
            Ok::<_, Failure>(shots)
        };
        let backend = Backend::flex();
        let seen =
            active.measure(interface, self.shots, None, self.seed, &backend, &mut measure)?;
        let (inputs, parameters) = self.design.draw(interface, total, None, self.seed)?;
        let last = |drives: DMatrix<f32>| drives.columns(self.shots, more).into_owned();
        let unseen = measure(last(inputs), last(parameters))?;
        Ok(seen.and(&unseen))
    }
}

impl Judgement {
    fn judge(
        &self,
        twin: &dyn DigitalTwin,
        device: &mut Lease,
        unseen: &Shots,
        caller: &mut Caller,
    ) -> Result<Fidelity, Failure> {
        let Self { fidelity, seed } = self;
        let progress = |share| {
            caller.progress("judge the twin", (share * STEPS as f64) as usize, STEPS);
        };
        Ok(Fidelity::measure(twin, device, unseen, fidelity, *seed, &Backend::flex(), progress)?)
    }
}

/// Measures shots of `device`, fits a twin to them and judges it; `options` is JSON.
#[pyfunction]
#[pyo3(signature = (device, options, progress = None))]
pub fn calibrate(
    py: Python,
    device: &Device,
    options: &str,
    progress: Option<&Bound<PyAny>>,
) -> PyResult<Twin> {
    let Calibration { design, test_shots, twin: config, fit, fidelity } = parse(py, options)?;
    let interface = device.channels().clone();
    let nominal = device.nominal().map_err(|error| of_device(py, &error))?;
    let mut job = Job::new();
    let mut lease = device.lease(py, Some(&mut job))?;
    let served = match config {
        TwinConfig::Served(_) => Some(device.served_twin(py)?),
        _ => None,
    };
    let design = Design { shots: if served.is_some() { 0 } else { design.shots }, ..design };
    let (twin, fidelity) = job.run(py, progress, None, |caller| {
        let measured = design.measure(test_shots, &mut lease, &interface, caller)?;
        let (seen, unseen) = measured.split_last(test_shots);
        let (seed, backend) = (design.seed, Backend::flex());
        let fitting =
            Fitting { interface: &interface, nominal, fit: &fit, seed, backend: &backend };
        let mut twin: Arc<dyn DigitalTwin> = match served {
            Some(served) => Arc::new(Served::twin(served)),
            None => Arc::from(config.fit(fitting, &seen, &mut |progress| {
                if let FitProgress::Pass { done, of } = progress {
                    caller.progress("fit the twin", done, of);
                }
            })?),
        };
        if config.chooses_slope() {
            let tell = |share: f64| {
                caller.progress("choose the slope", (share * STEPS as f64) as usize, STEPS);
            };
            let choice =
                choose_slope(&*twin, &mut lease, &unseen, &fidelity, seed, &backend, tell)?;
            twin = choice.map_or(twin, |choice| choice.twin.into());
        }
        let judged = Judgement { fidelity, seed }.judge(&*twin, &mut lease, &unseen, caller)?;
        drop(lease);
        Ok((twin, judged))
    })?;
    let notes = Notes {
        config,
        interface: device.channels().clone(),
        fidelity,
        simulated: device.simulated().cloned(),
    };
    Ok(Twin { twin, notes })
}

/// Arrays `x`, `theta` and `y` of shots, each with its own parameters.
type ShotArrays<'py> = (Array<'py>, Array<'py>, Array<'py>);

/// Measures the shots of a design; `options` is JSON.
#[pyfunction]
#[pyo3(signature = (device, options, progress = None))]
pub fn measure_design<'py>(
    py: Python<'py>,
    device: &Device,
    options: &str,
    progress: Option<&Bound<PyAny>>,
) -> PyResult<ShotArrays<'py>> {
    let design: Design = parse(py, options)?;
    let mut job = Job::new();
    let mut lease = device.lease(py, Some(&mut job))?;
    let interface = device.channels().clone();
    let Shots { inputs, parameters, outputs } = job.run(py, progress, None, |caller| {
        let measured = design.measure(0, &mut lease, &interface, caller);
        drop(lease);
        measured
    })?;
    Ok((arrays::array(py, inputs)?, arrays::array(py, parameters)?, arrays::array(py, outputs)?))
}

/// Judges the twin of the functions `predict` and `vjp` on `device` and on shots `x`, `theta`, `y` of it; returns the
/// fidelity as JSON, and the verdict.
#[pyfunction]
#[pyo3(signature = (device, predict, vjp, shots, options, progress = None))]
pub fn judge(
    py: Python,
    device: &Device,
    predict: Py<PyAny>,
    vjp: Py<PyAny>,
    shots: (Bound<PyAny>, Bound<PyAny>, Bound<PyAny>),
    options: &str,
    progress: Option<&Bound<PyAny>>,
) -> PyResult<(String, String)> {
    let judgement: Judgement = parse(py, options)?;
    let interface = device.channels().clone();
    let unseen = Shots {
        inputs: arrays::matrix(&shots.0, "x", interface.inputs.len())?,
        parameters: arrays::matrix(&shots.1, "theta", interface.parameters.len())?,
        outputs: arrays::matrix(&shots.2, "y", interface.outputs.len())?,
    };
    let predict = Registration::new(predict, "the twin's function `predict`".to_owned());
    let vjp = Registration::new(vjp, "the twin's function `vjp`".to_owned());
    let mut job = Job::new();
    job.calls(predict.0);
    job.calls(vjp.0);
    let twin = Functions::twin(interface, predict.0, vjp.0, job.sender());
    let mut lease = device.lease(py, Some(&mut job))?;
    let fidelity = job.run(py, progress, None, |caller| {
        let judged = judgement.judge(&twin, &mut lease, &unseen, caller);
        drop(lease);
        judged
    })?;
    Ok((json(py, &fidelity)?, verdict(&fidelity)))
}

/// Loads the twin that was saved in `folder`.
#[pyfunction]
pub fn load_twin(py: Python, folder: PathBuf) -> PyResult<Twin> {
    let path = folder.join(NOTES);
    let failed = |problem: String| {
        exception(py, "CalibrationError", format!("{}: {problem}", path.display()))
    };
    let text = std::fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
    let notes: Notes = serde_json::from_str(&text)
        .map_err(|error| failed(format!("not a twin: {error}; calibrate again")))?;
    let nominal = notes.simulated.as_ref().map(|(config, seed)| config.fabricate(*seed));
    let nominal = nominal.transpose().map_err(|error| of_device(py, &error))?;
    let nominal = nominal.map(|device| device.nominal);
    let twin = notes.config.load(&notes.interface, nominal, &folder, NAME, &Backend::flex());
    let twin = twin.map_err(|error| of_calibration(py, &error))?;
    Ok(Twin { twin: Arc::from(twin), notes })
}
