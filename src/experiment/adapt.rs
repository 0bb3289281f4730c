//! Adapts a trained network to a device that has changed: an aged one, or another copy.
//!
//! 1. A part of the shots recalibrates the twins near the network's parameters and drives.
//! 2. The network is trained in silico through these twins, without a shot.
//! 3. The other shots are used for physics-aware training, which corrects for the remaining errors of the twins.

use std::ops::ControlFlow;

use rand::Rng;
use serde::{Deserialize, Serialize};
use twinprop_calibration::bridge::to_tensor;
use twinprop_devices::PhysicalLayer;
use twinprop_devices::random;

use super::build::Experiment;
use super::memory::ShotMemory;
use super::recipe::AdaptConfig;
use super::trained::Trained;
use crate::data::Split;
use crate::loss::Measure;
use crate::network::{ShotWatch, Source};
use crate::training::{
    Budget, Ending, Event, Observer, Schedule, StepDone, Task, Trainer, TrainingConfig, evaluate,
    recalibrate_about,
};
use crate::{Error, Rule};

/// Result of an adaptation: scores before and after, and the shots used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adaptation {
    /// Shots of one test.
    pub shots_a_test: u64,
    /// Kind of the scores below.
    #[serde(default, skip_serializing_if = "Measure::is_accuracy")]
    pub measure: Measure,
    /// Test score before the adaptation.
    pub as_it_is: f32,
    /// Test score after recalibration of the twins and in-silico training.
    pub recalibrated: f32,
    /// Test score after physics-aware training on the device.
    pub fine_tuned: f32,
    /// Shots of the recalibration.
    pub calibration_shots: u64,
    /// Shots of the physics-aware training, without tests.
    pub training_shots: u64,
    /// Differences from the data and devices of the training that were allowed, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed_data: Vec<String>,
}

impl Adaptation {
    /// Shots used, without tests.
    #[must_use]
    pub fn shots(&self) -> u64 {
        self.calibration_shots + self.training_shots
    }
}

/// Adapts the network of `trained` to its devices with at most `shots` shots. The twins must be loaded.
pub(super) fn adapt(
    trained: &mut Trained,
    shots: u64,
    observer: &mut dyn Observer,
) -> Result<Adaptation, Error> {
    refuse_too_few(trained, shots)?;
    let config = trained.recipe.adaptation.clone();
    let backend = trained.backend.clone();
    let random = &mut random::stream(trained.recipe.seed, "adaptation");
    let samples = trained.experiment.split.test.len();
    let task = trained.experiment.begin_shots(observer, "measure the test set", samples)?;
    let Experiment { network, laboratory, split, loss, .. } = &mut trained.experiment;
    let before = laboratory.shots();
    let score = evaluate(network, laboratory, &split.test, &**loss, &backend)?.score;
    let (measure, as_it_is) = (score.measure(), score.value());
    task.end(&format!("test {score} as it is"))?;
    let shots_a_test = laboratory.shots() - before;
    let shots_a_sample = shots_a_test.div_ceil(split.test.len() as u64);

    let for_twins = (config.calibration_share * shots as f64) as u64;
    // At most half of the shots measure the drives at which the network uses its devices.
    let shown = (shots / 2 / shots_a_sample).max(1) as usize;
    let calibration_shots = calibrate_twins(trained, for_twins, shown, random, observer)?;
    let mut split = trained.experiment.split.clone();
    let recalibrated = train(trained, &split, config.in_silico_epochs, Rule::InSilico, observer)?;

    let mut adaptation = Adaptation {
        shots_a_test,
        measure,
        as_it_is,
        recalibrated,
        fine_tuned: recalibrated,
        calibration_shots,
        training_shots: 0,
        changed_data: trained.experiment.trained_on.changed.clone(),
    };
    let left = shots.saturating_sub(calibration_shots);
    let affordable = (left / (shots_a_sample * config.epochs as u64)) as usize;
    if affordable > 0 {
        let count = affordable.min(split.train.len());
        let chosen = rand::seq::index::sample(random, split.train.len(), count).into_vec();
        split.train = split.train.choose(&chosen);
        split.augmentation = None;
        let epochs = (affordable / count).max(1) * config.epochs;
        adaptation.fine_tuned = train(trained, &split, epochs, Rule::Pat, observer)?;
        adaptation.training_shots = (epochs * count) as u64 * shots_a_sample;
    }
    Ok(adaptation)
}

/// Refuses a budget of `shots` below one sample and one shot of each device.
///
/// # Errors
/// [`Error::Usage`] with the least number.
pub(super) fn refuse_too_few(trained: &Trained, shots: u64) -> Result<(), Error> {
    let experiment = &trained.experiment;
    let least = experiment.shots_of(1) + experiment.laboratory.instruments.len() as u64;
    if shots >= least {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "option `shots` {shots}: too few; give at least {least}, for one sample and one shot of each device"
    )))
}

/// Recalibrates the twins with `shots` shots in all, around the drives of at most `shown` training samples.
/// Returns all shots used.
fn calibrate_twins(
    trained: &mut Trained,
    shots: u64,
    shown: usize,
    random: &mut impl Rng,
    observer: &mut dyn Observer,
) -> Result<u64, Error> {
    let steps = trained.recipe.adaptation.recalibration_steps;
    let batch = trained.recipe.training.batch;
    let backend = trained.backend.clone();
    let (network, laboratory, split) = trained.parts();
    let watch = ShotWatch::new(laboratory);
    let samples: Vec<usize> = (0..split.train.len().min(batch).min(shown)).collect();
    let all = shots as usize + samples.len() * network.shots_a_sample();
    let progress = Task::of_shots(observer, "recalibrate the twins", all, &watch)?;
    let before = laboratory.shots();
    let x = to_tensor(&split.train.choose(&samples).features, &backend);
    let trace = network.forward(x, laboratory, Source::Measured, None)?;
    let task = network.task_drives(&trace, laboratory.instruments.len());
    let devices = task.iter().flatten().count().max(1) as u64;
    for (instrument, task) in laboratory.instruments.iter_mut().zip(task) {
        let Some(task) = task else { continue };
        let effort = Budget { shots: (shots / devices).max(1) as usize, steps };
        let memory = ShotMemory {
            work: "recalibration",
            device: &instrument.name,
            interface: instrument.device.interface(),
            shots: effort.shots,
            advice: |most| format!("lower option `shots`: {most} of them fit"),
        };
        memory.check()?;
        recalibrate_about(&task, effort, instrument, random, &backend)?;
    }
    progress.end(&format!("{} shots", laboratory.shots() - before))?;
    Ok(laboratory.shots() - before)
}

/// Trains on `split` by `rule` at the learning rate of the recipe's `[adaptation]`; returns the test score.
fn train(
    trained: &mut Trained,
    split: &Split,
    epochs: usize,
    rule: Rule,
    observer: &mut dyn Observer,
) -> Result<f32, Error> {
    let AdaptConfig { pace, in_silico_pace, .. } = trained.recipe.adaptation;
    let pace = if rule == Rule::InSilico { in_silico_pace } else { pace };
    let training = trained.recipe.training.clone();
    let config = TrainingConfig {
        rule,
        epochs,
        learning_rate: pace * training.learning_rate,
        digital_learning_rate: training.digital_learning_rate.map(|rate| pace * rate),
        schedule: Schedule::Cosine,
        ..training
    };
    let (seed, backend) = (trained.recipe.seed, trained.backend.clone());
    let Experiment { network, laboratory, loss, .. } = &mut trained.experiment;
    let label = format!("fine-tune by {rule}");
    let mut task = Task::of_steps(observer, &label, config.steps(split.train.len()))?;
    let mut follow = |event: &Event| {
        if let Event::Step(StepDone { done, .. }) = event {
            return Ok(task.advance(*done, ""));
        }
        Ok(ControlFlow::Continue(()))
    };
    let ending = Trainer::new(network, laboratory)
        .configure(&config, seed)
        .loss(&**loss)
        .without_tests()
        .observe(&mut follow)
        .train(split)?;
    if ending != Ending::Complete {
        let stopped = Error::Interrupted("stopped; nothing was written".to_owned());
        return Err(task.interrupt(stopped));
    }
    let Experiment { network, laboratory, loss, .. } = &mut trained.experiment;
    let score = evaluate(network, laboratory, &split.test, &**loss, &backend)?.score;
    task.end(&format!("test {score}"))?;
    Ok(score.value())
}
