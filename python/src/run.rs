//! Trainings of recipes with data and devices of the calling program, and what is asked of their runs.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use nalgebra::DMatrix;
use pyo3::prelude::*;
use serde::Deserialize;
use twinprop::Error;
use twinprop::burn::tensor::Device as Backend;
use twinprop::calibration::bridge::to_matrix;
use twinprop::calibration::store::read_safetensors;
use twinprop::data::{Dataset, FeatureScaling, Split, Targets};
use twinprop::experiment::predict::{Answers, predict_features};
use twinprop::experiment::{
    Given, Recipe, Reopening, RunOptions, Trained, resume_given, train_recipe,
};
use twinprop::network::Source;
use twinprop::report::Pages;
use twinprop::training::{Event, Observer, Observers, TestScore, Unobserved, WorkSize, evaluate};

use crate::arrays::{self, Array};
use crate::calibration::parse;
use crate::device::Device;
use crate::error::{exception, of_calibration, of_library};
use crate::job::{Caller, Failure, Job};
use crate::twin::json;

/// Devices by their names in the recipe.
type Devices<'py> = BTreeMap<String, PyRef<'py, Device>>;

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
    checkpoint_steps: Option<u64>,
    #[serde(default)]
    allow_changed_data: bool,
}

/// Features `(N, F)`, and class numbers `(N,)` or values `(N, T)`.
type Pair<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

/// Given data: training samples, test samples, and the names of the classes where the targets are class numbers.
#[derive(FromPyObject)]
pub struct Data<'py>(Pair<'py>, Pair<'py>, Option<Vec<String>>);

impl Data<'_> {
    /// The samples; values are standardised by the training samples.
    fn split(&self) -> PyResult<Split> {
        let Self(train, test, classes) = self;
        let half = |(x, y): &Pair| -> PyResult<Dataset> {
            let targets: Targets = match classes {
                Some(_) => y.extract::<Vec<usize>>()?.into(),
                None => arrays::matrix(y, "y", arrays::width(y)?)?.into(),
            };
            Ok(Dataset { features: arrays::matrix(x, "x", arrays::width(x)?)?, targets })
        };
        let mut split = Split::new(half(train)?, half(test)?);
        if let Some(classes) = classes {
            split.classes.clone_from(classes);
            split.schema.classes.clone_from(classes);
        }
        let Split { train, test, schema, .. } = &mut split;
        if let (Targets::Values(train), Targets::Values(test)) =
            (&mut train.targets, &mut test.targets)
        {
            for (row, target) in schema.targets.iter_mut().enumerate() {
                let scaling =
                    FeatureScaling::standard(train.row(row).iter().map(|&value| f64::from(value)));
                target.scaling = scaling;
                for values in [&mut *train, &mut *test] {
                    values
                        .row_mut(row)
                        .iter_mut()
                        .for_each(|value| *value = scaling.apply(f64::from(*value)));
                }
            }
        }
        Ok(split)
    }
}

fn given(py: Python, devices: &Devices, data: Option<&Data>, job: &mut Job) -> PyResult<Given> {
    let mut given = Given { data: data.map(Data::split).transpose()?, ..Given::default() };
    for (name, device) in devices {
        given.devices.insert(name.clone(), Box::new(device.lease(py, Some(&mut *job))?));
    }
    Ok(given)
}

/// Tells Python what happens, and stops where it asks for it.
struct Teller<'a> {
    caller: &'a mut Caller,
    label: String,
    total: usize,
    /// The run's folder, once it is made.
    folder: &'a Mutex<Option<PathBuf>>,
    /// Whether Python asked for the end at an epoch.
    asked: &'a Mutex<bool>,
}

impl Observer for Teller<'_> {
    fn observe(&mut self, event: &Event) -> Result<ControlFlow<()>, Error> {
        match event {
            Event::RunBegins { folder } => {
                let mut known = self.folder.lock().unwrap_or_else(PoisonError::into_inner);
                *known = Some(folder.to_path_buf());
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
                if self.caller.tell("epoch", text) {
                    *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
                }
            }
            Event::Warning(text) => {
                self.caller.tell("warning", (*text).to_owned());
            }
            _ => {}
        }
        let asked = *self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match asked || self.caller.is_stopping() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        })
    }
}

impl Teller<'_> {
    fn advance(&mut self, done: usize) {
        self.caller.show(&self.label, done, self.total);
    }
}

/// Trains `recipe`, the text of a TOML file, called `name`; returns the run's folder.
///
/// `listener(kind, text)` is called at the beginning with the folder, at each epoch with its metrics as JSON, and with
/// warnings; it returns whether the training is to stop. Without `recipe`, the run in `options.out` is resumed.
#[pyfunction]
#[pyo3(signature = (recipe, name, options, devices, data, listener, progress = None))]
#[expect(clippy::too_many_arguments, reason = "the package calls it by one function with keywords")]
pub fn train(
    py: Python,
    recipe: Option<&str>,
    name: &str,
    options: &str,
    devices: Devices,
    data: Option<Data>,
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
        out: options.out.clone(),
        data_dir: options.data_dir,
        set: options.set,
        checkpoint_steps: options.checkpoint_steps,
        allow_changed_data: options.allow_changed_data,
        ..RunOptions::default()
    };
    let mut job = Job::new();
    let given = given(py, &devices, data.as_ref(), &mut job)?;
    let (folder, asked) = (Mutex::new(options.out), Mutex::new(false));
    job.run(py, progress, Some(listener), |caller| {
        let mut teller =
            Teller { caller, label: String::new(), total: 0, folder: &folder, asked: &asked };
        let mut pages = Pages;
        let mut observers = Observers { all: vec![&mut teller, &mut pages] };
        let trained = match &recipe {
            Some(recipe) => train_recipe(recipe, name, given, &run, &mut observers),
            None => {
                let path = run.out.clone().unwrap_or_default();
                resume_given(&path, given, &run, &mut observers)
            }
        };
        match trained {
            Err(Error::Interrupted(_)) if *asked.lock().unwrap_or_else(PoisonError::into_inner) => {
                Ok(())
            }
            other => other.map(|_| ()).map_err(Failure::from),
        }
    })?;
    let folder = folder.into_inner().unwrap_or_else(PoisonError::into_inner);
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
    devices: Devices<'py>,
    targets: Vec<String>,
) -> PyResult<(Option<Vec<String>>, Vec<usize>, Array<'py>)> {
    let features = arrays::matrix(x, "x", arrays::width(x)?)?.map(f64::from);
    let mut job = Job::new();
    let given = given(py, &devices, None, &mut job)?;
    let reopening = Reopening { devices: targets, ..Reopening::default() };
    let source = if is_measured { Source::Measured } else { Source::Predicted };
    let answers = job.run(py, None, None, |_| {
        predict_features(&folder, &features, source, &reopening, given, &mut Unobserved)
            .map_err(Failure::from)
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

/// Measures how well the run in `folder` does on its test samples; returns the score as JSON.
#[pyfunction]
pub fn evaluate_run(
    py: Python,
    folder: PathBuf,
    devices: Devices,
    data: Option<Data>,
    targets: Vec<String>,
) -> PyResult<String> {
    let mut job = Job::new();
    let given = given(py, &devices, data.as_ref(), &mut job)?;
    let reopening = Reopening { devices: targets, ..Reopening::default() };
    let score =
        job.run(py, None, None, |_| evaluated(&folder, &reopening, given).map_err(Failure::from))?;
    json(py, &score)
}

fn evaluated(folder: &Path, reopening: &Reopening, given: Given) -> Result<TestScore, Error> {
    let mut trained = Trained::open_given(folder, reopening, given, &mut Unobserved)?;
    let backend = trained.backend.clone();
    let experiment = &mut trained.experiment;
    let found = evaluate(
        &experiment.network,
        &mut experiment.laboratory,
        &experiment.split.test,
        &*experiment.loss,
        &backend,
    )?;
    Ok(TestScore::of(found.score, &experiment.split.schema.targets))
}
