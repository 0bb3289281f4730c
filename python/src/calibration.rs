//! Calibration: measures shots of a device, fits a twin to them, and judges its readings and its gradient.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use serde::Deserialize;
use twinprop::burn::tensor::Device as Backend;
use twinprop::calibration::design::DesignConfig;
use twinprop::calibration::{
    CalibrationError, Fidelity, FidelityConfig, FitConfig, FitProgress, Fitting, Shots, TwinConfig,
};

use crate::device::Device;
use crate::error::{exception, of_calibration, of_device};
use crate::job::Job;
use crate::twin::{NAME, NOTES, Notes, Twin};

/// Options of a calibration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    /// Shots that the twin is fitted to.
    shots: usize,
    /// Further shots that judge it.
    test_shots: usize,
    design: DesignConfig,
    twin: TwinConfig,
    fit: FitConfig,
    fidelity: FidelityConfig,
    seed: u64,
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
    let options: Options = serde_json::from_str(options)
        .map_err(|error| exception(py, "RecipeError", error.to_string()))?;
    let Options { shots, test_shots, design, twin: config, fit, fidelity, seed } = options;
    let interface = device.channels().clone();
    let nominal = device.nominal().map_err(|error| of_device(py, &error))?;
    let mut job = Job::new();
    let mut lease = device.lease(py, Some(&mut job))?;
    let total = shots + test_shots;
    let (twin, fidelity) = job.run(py, progress, |caller| {
        let backend = Backend::flex();
        let measured = match &design {
            DesignConfig::Active(_) => {
                return Err(CalibrationError::TooFewShots(
                    "an `active` design is not offered here yet; choose `latin_hypercube`"
                        .to_owned(),
                ));
            }
            design => {
                let (drives, parameters) = design.draw(&interface, total, None, seed)?;
                Shots::measure(&mut lease, drives, parameters, |done| {
                    caller.progress("measure shots", done, total);
                })?
            }
        };
        let (seen, unseen) = measured.split_last(test_shots);
        let fitting =
            Fitting { interface: &interface, nominal, fit: &fit, seed, backend: &backend };
        let twin = config.fit(fitting, &seen, &mut |progress| {
            if let FitProgress::Pass { done, of } = progress {
                caller.progress("fit the twin", done, of);
            }
        })?;
        let steps = 1000;
        let judged =
            Fidelity::measure(&*twin, &mut lease, &unseen, &fidelity, seed, &backend, |share| {
                caller.progress("judge the twin", (share * steps as f64) as usize, steps);
            })?;
        drop(lease);
        Ok((twin, judged))
    })?;
    let notes = Notes {
        config,
        interface: device.channels().clone(),
        fidelity,
        simulated: device.simulated().cloned(),
    };
    Ok(Twin { twin: Arc::from(twin), notes })
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
