//! Answers of a trained network to new samples, measured on its device or predicted by its twin.

mod answers;
mod class_answers;
mod input;
mod output;
mod value_answers;

use std::path::{Path, PathBuf};

use nalgebra::DMatrix;
use twinprop_calibration::bridge::{to_tensor, to_vec};

pub use self::answers::{Answers, Prediction};
pub use self::class_answers::{ClassAnswers, Confused};
pub use self::value_answers::ValueAnswers;

use super::build::{AtHand, Experiment, Given};
use super::recipe::Recipe;
use super::run_folder::RunFolder;
use super::trained::{Reopening, Trained};
use super::trained_on::TrainedOn;
use crate::Error;
use crate::counted::counted;
use crate::data::Samples;
use crate::loss::LossConfig;
use crate::network::Source;
use crate::training::{Observer, Task, warn};

/// Samples that are played in one batch.
const BATCH: usize = 256;

/// How new samples are read and answered.
#[derive(Clone, Debug)]
pub struct PredictOptions {
    /// How the run is opened.
    pub reopening: Reopening,
    /// Measured on the device, or predicted by the twin; then no real device is opened.
    pub source: Source,
    /// How a CSV file is laid out where that is not as in the training, each `data.source.csv.KEY=VALUE`.
    pub set: Vec<String>,
    /// Whether samples with labels or targets are taken as if they had none.
    pub ignore_labels: bool,
    /// The file that the answers are written to, if they are.
    pub out: Option<PathBuf>,
}

/// Answers of the network of the run in `run` to the samples in `data`. The training data need not be there.
///
/// # Errors
/// As [`Trained::open`]; [`Error::Data`] names columns that are missing and classes that training has not;
/// [`Error::Usage`] for what the run cannot take, and where it has no twins to predict by; [`Error::File`] where
/// the answers cannot be written, before anything is measured if that is known.
pub fn predict_samples(
    run: &Path,
    data: &Path,
    options: &PredictOptions,
    observer: &mut dyn Observer,
) -> Result<Prediction, Error> {
    if let Some(out) = &options.out {
        output::refuse(out, data)?;
    }
    let folder = RunFolder::open(run)?;
    let recipe = Recipe::read(&folder.path().join(RunFolder::RECIPE), &[])?;
    let measured = options.source == Source::Measured;
    input::check_source(&recipe, run, options)?;
    let known = TrainedOn::of_run(&folder, observer)?;
    // Samples that cannot be read are known before a device is opened, if what they are read by is.
    let early = known.map(|known| input::read(data, &recipe, &known, options)).transpose()?;
    let at_hand = if measured { AtHand::Devices } else { AtHand::Nothing };
    let mut trained =
        Trained::open_with(run, &options.reopening, at_hand, Given::default(), observer)?;
    if !measured {
        trained.load_twins()?;
    }
    let known = &trained.experiment.trained_on;
    let samples = match early {
        Some(samples) => samples,
        None => input::read(data, &recipe, known, options)?,
    };
    warn(observer, &samples.warnings)?;
    warn(observer, &input::outside(&samples.features, known, data))?;
    let outputs = answer(&mut trained, &samples.features, options.source, observer)?;
    let Samples { labels, targets, origins, .. } = samples;
    let prediction = Prediction { origins, answers: answers(&trained, &outputs, labels, targets) };
    if let Some(out) = &options.out {
        output::write(out, &prediction.to_csv())?;
    }
    Ok(prediction)
}

/// Answers of the network of the run in `run` to the samples `features` `[features × samples]`, in the units of the
/// training's features, with devices of the calling program in `given`. The training data need not be there.
///
/// # Errors
/// As [`Trained::open`]; [`Error::Usage`] for samples of another size, and where the run has no twins to predict by.
pub fn predict_features(
    run: &Path,
    features: &DMatrix<f64>,
    source: Source,
    reopening: &Reopening,
    given: Given,
    observer: &mut dyn Observer,
) -> Result<Answers, Error> {
    let at_hand = match source {
        Source::Measured => AtHand::Devices,
        Source::Predicted => AtHand::Nothing,
    };
    let mut trained = Trained::open_with(run, reopening, at_hand, given, observer)?;
    if source == Source::Predicted {
        trained.load_twins()?;
    }
    let schema = trained.experiment.trained_on.schema();
    if features.nrows() != schema.features.len() {
        return Err(Error::Usage(format!(
            "the samples have {} features, and the network was trained on {}",
            features.nrows(),
            schema.features.len()
        )));
    }
    let scaled = DMatrix::from_fn(features.nrows(), features.ncols(), |row, sample| {
        schema.features[row].scaling.apply(features[(row, sample)])
    });
    let outputs = answer(&mut trained, &scaled, source, observer)?;
    Ok(answers(&trained, &outputs, None, None))
}

/// The answers that the network's `outputs` say, beside the samples' `labels` or `targets`, if known.
fn answers(
    trained: &Trained,
    outputs: &DMatrix<f32>,
    labels: Option<Vec<usize>>,
    targets: Option<DMatrix<f32>>,
) -> Answers {
    let schema = trained.experiment.trained_on.schema();
    if schema.targets.is_empty() {
        return Answers::Classes(ClassAnswers::of(outputs, schema.classes, labels));
    }
    let are_labels = trained.recipe.training.loss == Some(LossConfig::BinaryCrossEntropy);
    let loss = &*trained.experiment.loss;
    Answers::Values(ValueAnswers::of(outputs, targets, schema, loss, are_labels))
}

/// The network's outputs for `features`, `[outputs × samples]`.
fn answer(
    trained: &mut Trained,
    features: &DMatrix<f32>,
    source: Source,
    observer: &mut dyn Observer,
) -> Result<DMatrix<f32>, Error> {
    let samples = features.ncols();
    let task = match source {
        Source::Measured => {
            trained.experiment.begin_shots(observer, "measure the samples", samples)?
        }
        Source::Predicted => Task::of_unknown_size(observer, "predict by the twin")?,
    };
    let Experiment { network, laboratory, recordings, .. } = &mut trained.experiment;
    let mut outputs = Vec::new();
    for start in (0..samples).step_by(BATCH) {
        let batch = features.columns(start, BATCH.min(samples - start)).into_owned();
        let trace =
            network.forward(to_tensor(&batch, &trained.backend), laboratory, source, None)?;
        outputs.extend(to_vec(trace.output().clone()));
    }
    laboratory.check_twins()?;
    task.end(&match source {
        Source::Measured => {
            format!("{}, {}", counted(samples, "sample"), counted(laboratory.shots(), "shot"))
        }
        Source::Predicted => format!("{}, no shot", counted(samples, "sample")),
    })?;
    for recording in recordings {
        recording.finish()?;
    }
    Ok(DMatrix::from_vec(outputs.len() / samples.max(1), samples, outputs))
}
