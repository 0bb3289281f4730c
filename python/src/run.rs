//! Trainings of recipes with what Python passes, and what is asked of their runs.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

use nalgebra::DMatrix;
use pyo3::prelude::*;
use serde::Deserialize;
use serde_json::json;
use twinprop::Error;
use twinprop::burn::tensor::Device as Backend;
use twinprop::calibration::bridge::to_matrix;
use twinprop::calibration::store::read_safetensors;
use twinprop::experiment::predict::{Answers, predict_features};
use twinprop::experiment::transfer::{TransferPlan, transfer as transfer_run};
use twinprop::experiment::watch::Watch;
use twinprop::experiment::{
    Given, Recipe, Reopening, RunOptions, evaluate_run, recalibrate_run, resume_given, train_recipe,
};
use twinprop::network::Source;
use twinprop::report::Pages;
use twinprop::training::{Event, Observer, Observers, WorkSize};

use crate::arrays::{self, Array};
use crate::calibration::parse;
use crate::error::{exception, for_python, of_calibration, of_library};
use crate::job::{Caller, Failure, Job};
use crate::passed::Passed;
use crate::twin::json as in_json;

/// Options of a training.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    rule: Option<String>,
    seed: Option<u64>,
    out: Option<PathBuf>,
    data_dir: Option<PathBuf>,
    #[serde(default)]
    set: Vec<String>,
    /// Rigs instead of the recipe's devices.
    #[serde(default)]
    targets: Vec<String>,
    record: Option<PathBuf>,
    #[serde(default)]
    allow_changed_data: bool,
}

/// How a run is opened again.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reopen {
    /// Rigs instead of the run's devices.
    targets: Vec<String>,
    data_dir: Option<PathBuf>,
    allow_changed_data: bool,
    /// Whether the devices are other copies than the run's.
    other_devices: bool,
    /// Seed of another copy of the simulated devices.
    copy: Option<u64>,
}

impl Reopen {
    fn parse(py: Python, options: &str) -> PyResult<Reopening> {
        let Self { targets, data_dir, allow_changed_data, other_devices, copy } =
            parse(py, options)?;
        Ok(Reopening {
            devices: targets,
            data_dir,
            allow_changed_data,
            other_devices,
            copy,
            ..Reopening::default()
        })
    }
}

/// Runs `work` as a job, with what is `passed` and the `options` by which a run is opened again.
fn reopened<T: Send>(
    py: Python,
    passed: Passed,
    options: &str,
    progress: Option<&Bound<PyAny>>,
    work: impl FnOnce(Given, &Reopening, &mut Teller) -> Result<T, Error> + Send,
) -> PyResult<T> {
    let reopening = Reopen::parse(py, options)?;
    let mut job = Job::new();
    let (given, _functions) = passed.given(py, &mut job)?;
    job.run(py, progress, None, |caller| {
        work(given, &reopening, &mut Teller::new(caller)).map_err(Failure::from)
    })
}

/// Tells Python what happens, and stops where it asks for it.
struct Teller<'a> {
    caller: &'a mut Caller,
    label: String,
    total: usize,
    /// The run's folder, once it is made.
    folder: Option<PathBuf>,
    /// Whether Python asked for the end at an epoch.
    asked: bool,
}

impl<'a> Teller<'a> {
    fn new(caller: &'a mut Caller) -> Self {
        Self { caller, label: String::new(), total: 0, folder: None, asked: false }
    }

    fn advance(&mut self, done: usize) {
        self.caller.show(&self.label, done, self.total);
    }
}

impl Observer for Teller<'_> {
    fn observe(&mut self, event: &Event) -> Result<ControlFlow<()>, Error> {
        match event {
            Event::RunBegins { folder } => {
                self.folder = Some(folder.to_path_buf());
                self.caller.tell("begin", folder.display().to_string());
            }
            Event::WorkBegins(work) => {
                work.label.clone_into(&mut self.label);
                self.total = match work.size {
                    WorkSize::Steps(total) | WorkSize::Shots { total, .. } => total,
                    _ => 0,
                };
            }
            Event::WorkAdvances { done, .. } => self.advance(*done),
            Event::TrainingBegins(begins) => {
                begins.label.clone_into(&mut self.label);
                self.total = begins.steps;
            }
            Event::Step(step) => self.advance(step.done),
            Event::Epoch(metrics) => {
                let text = serde_json::to_string(metrics).unwrap_or_default();
                self.asked |= self.caller.tell("epoch", text);
            }
            Event::Calibrated(twin) if !twin.is_usable => {
                let text: String = twin.lines.join("\n");
                self.caller.tell("warning", for_python(&text));
            }
            Event::Warning(text) => {
                self.caller.tell("warning", (*text).to_owned());
            }
            _ => {}
        }
        Ok(match self.asked || self.caller.is_stopping() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        })
    }

    fn completes(&self) -> bool {
        self.asked && !self.caller.is_stopping()
    }
}

/// Trains `recipe`, the text of a TOML file, called `name`; returns the run's folder.
///
/// `listener(kind, text)` is called at the beginning with the folder, at each epoch with its metrics as JSON, and with
/// warnings; it returns whether the training is to stop. Without `recipe`, the run in `options.out` is resumed.
#[pyfunction]
#[pyo3(signature = (recipe, name, options, passed, listener, progress = None))]
pub fn train(
    py: Python,
    recipe: Option<&str>,
    name: &str,
    options: &str,
    passed: Passed,
    listener: &Bound<PyAny>,
    progress: Option<&Bound<PyAny>>,
) -> PyResult<PathBuf> {
    let options: Options = parse(py, options)?;
    let recipe = recipe.map(Recipe::parse).transpose().map_err(|error| of_library(py, &error))?;
    let rule = options.rule.map(|rule| rule.parse()).transpose();
    let rule = rule.map_err(|problem: String| exception(py, "RecipeError", problem))?;
    let run = RunOptions {
        rule,
        seed: options.seed,
        out: options.out,
        data_dir: options.data_dir,
        devices: options.targets,
        record: options.record,
        set: options.set,
        allow_changed_data: options.allow_changed_data,
        ..RunOptions::default()
    };
    let mut job = Job::new();
    let (given, _functions) = passed.given(py, &mut job)?;
    let folder = job.run(py, progress, Some(listener), |caller| {
        let mut teller = Teller::new(caller);
        let mut pages = Pages;
        let mut observers = Observers { all: vec![&mut teller, &mut pages] };
        let trained = match &recipe {
            Some(recipe) => train_recipe(recipe, name, given, &run, &mut observers),
            None => {
                let path = run.out.clone().unwrap_or_default();
                resume_given(&path, given, &run, &mut observers)
            }
        };
        trained.map(|_| teller.folder).map_err(Failure::from)
    })?;
    folder.ok_or_else(|| exception(py, "InternalError", "the run has no folder"))
}

/// Normalised parameters of the run in `folder` by name, `(rows, columns)`.
#[pyfunction]
pub fn parameters(py: Python, folder: PathBuf) -> PyResult<BTreeMap<String, Array>> {
    let path = folder.join("parameters.safetensors");
    let read = py.detach(|| read_safetensors(&path, &Backend::flex()));
    let read = read.map_err(|error| of_calibration(py, &error))?;
    read.into_iter()
        .map(|(name, values)| Ok((name, arrays::array(py, to_matrix(values))?)))
        .collect()
}

/// Answers of the run in `folder` to the samples `x` `(N, F)`: names of classes with numbers and probabilities `(N, C)`,
/// or values `(N, T)`.
#[pyfunction]
pub fn predict<'py>(
    py: Python<'py>,
    folder: PathBuf,
    x: &Bound<'py, PyAny>,
    is_measured: bool,
    passed: Passed<'py>,
    options: &str,
    progress: Option<&Bound<'py, PyAny>>,
) -> PyResult<(Option<Vec<String>>, Vec<usize>, Array<'py>)> {
    let features =
        DMatrix::from_vec(arrays::width(x)?, x.len()?, arrays::numbers(x, "x")?.into_doubles());
    let source = if is_measured { Source::Measured } else { Source::Predicted };
    let answers = reopened(py, passed, options, progress, |given, reopening, teller| {
        predict_features(&folder, &features, source, reopening, given, teller)
    })?;
    Ok(match answers {
        Answers::Classes(found) => {
            let width = found.classes.len();
            let values: Vec<f32> =
                found.probabilities.iter().flatten().map(|&value| value as f32).collect();
            let probabilities = DMatrix::from_vec(width, found.predicted.len(), values);
            (Some(found.classes), found.predicted, arrays::array(py, probabilities)?)
        }
        Answers::Values(found) => {
            (None, Vec::new(), arrays::array(py, found.predicted.map(|value| value as f32))?)
        }
        _ => return Err(exception(py, "InternalError", "answers of an unknown kind")),
    })
}

/// Measures how well the run in `folder` does on its test samples; returns the score and the loss as JSON.
#[pyfunction]
pub fn evaluate(
    py: Python,
    folder: PathBuf,
    passed: Passed,
    options: &str,
    progress: Option<&Bound<PyAny>>,
) -> PyResult<String> {
    let found = reopened(py, passed, options, progress, |given, reopening, teller| {
        evaluate_run(&folder, reopening, given, teller)
    })?;
    let mut score = serde_json::to_value(found.test).unwrap_or_default();
    score["test_loss"] = json!(found.evaluation.loss);
    in_json(py, &score)
}

/// Plays the reference set of each device of the run in `folder` again; returns what has moved as JSON, a list.
#[pyfunction]
pub fn watch(py: Python, folder: PathBuf, passed: Passed, options: &str) -> PyResult<String> {
    let looks = reopened(py, passed, options, None, |given, reopening, teller| {
        Watch::open(&folder, reopening, given, teller)?.look()
    })?;
    in_json(py, &looks)
}

/// Adapts the run in `folder` to the present state of its devices with at most `shots` shots; returns the new run's
/// folder.
#[pyfunction]
pub fn recalibrate(
    py: Python,
    folder: PathBuf,
    passed: Passed,
    options: &str,
    shots: u64,
    out: Option<PathBuf>,
    progress: Option<&Bound<PyAny>>,
) -> PyResult<PathBuf> {
    reopened(py, passed, options, progress, |given, reopening, teller| {
        recalibrate_run(&folder, reopening, given, shots, out.as_deref(), teller)
            .map(|(_, folder)| folder)
    })
}

/// Moves the run in `folder` to the copy of its simulated devices with the fabrication seed `options.copy`, with at most
/// `shots` shots; returns the new run's folder.
#[pyfunction]
pub fn transfer(
    py: Python,
    folder: PathBuf,
    passed: Passed,
    options: &str,
    shots: u64,
    out: Option<PathBuf>,
    progress: Option<&Bound<PyAny>>,
) -> PyResult<PathBuf> {
    reopened(py, passed, options, progress, |given, reopening, teller| {
        let mut given = Some(given);
        let mut given = || given.take().unwrap_or_default();
        let copy = reopening.copy.unwrap_or_default();
        let plan = TransferPlan { copy, budgets: &[shots], scratch: false, out: out.as_deref() };
        let (_, folder) = transfer_run(&folder, reopening, &mut given, &plan, teller)?;
        Ok(folder.join(shots.to_string()))
    })
}
