//! A trained network brought back to a device that is not the one it was trained on: an aged one, or
//! another copy.
//!
//! 1. Its twin is calibrated anew, where the network is, with a part of the shots.
//! 2. The network is trained in silico through that twin, without a shot.
//! 3. The other shots are spent on physics-aware training, which mends what the twin still lacks.

use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};
use twinprop_calibration::bridge::to_tensor;
use twinprop_devices::{random, validate};

use super::trained::Trained;
use crate::data::Split;
use crate::network::Source;
use crate::report::Progress;
use crate::training::{
    Schedule, Trainer, TrainingConfig, TrainingEvent, evaluate, recalibrate_about,
};
use crate::{Error, Rule};

/// How a network is brought back; in a recipe, `[adaptation]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdaptConfig {
    /// Share of the shots that the twins are calibrated with.
    #[serde(deserialize_with = "validate::fraction")]
    pub calibration_share: f64,
    /// Steps of a recalibration.
    #[serde(deserialize_with = "validate::count")]
    pub recalibration_steps: usize,
    /// Passes over the training data in silico.
    #[serde(deserialize_with = "validate::count")]
    pub in_silico_epochs: usize,
    /// Passes over the samples that there are shots for, by physics-aware training.
    #[serde(deserialize_with = "validate::count")]
    pub epochs: usize,
    /// Learning rate in silico, as a share of the first of the training.
    #[serde(deserialize_with = "validate::positive")]
    pub in_silico_pace: f64,
    /// Learning rate on the device, likewise.
    #[serde(deserialize_with = "validate::positive")]
    pub pace: f64,
}

impl Default for AdaptConfig {
    fn default() -> Self {
        Self {
            calibration_share: 0.1,
            recalibration_steps: 3000,
            in_silico_epochs: 80,
            in_silico_pace: 1.0,
            epochs: 4,
            pace: 0.03,
        }
    }
}

/// How far a network came back, and with what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adaptation {
    /// Shots that a test takes.
    pub shots_a_test: u64,
    /// Test accuracy before.
    pub as_it_is: f32,
    /// After its twins were calibrated anew and it was trained through them in silico.
    pub recalibrated: f32,
    /// After physics-aware training on the device.
    pub fine_tuned: f32,
    /// Shots that the twins were calibrated with.
    pub calibration_shots: u64,
    /// Shots of the physics-aware training; those of the tests come on top.
    pub training_shots: u64,
}

impl Adaptation {
    /// Shots spent, those of the tests aside.
    #[must_use]
    pub fn shots(&self) -> u64 {
        self.calibration_shots + self.training_shots
    }
}

/// Brings the network of `trained`, whose twins are loaded, back with at most `shots` shots.
pub(super) fn adapt(
    trained: &mut Trained,
    shots: u64,
    stop: &AtomicBool,
) -> Result<Adaptation, Error> {
    let backend = trained.backend.clone();
    let seed = trained.recipe.seed;
    let training = trained.recipe.training.clone();
    let config = trained.recipe.adaptation.clone();
    let batch = training.batch;
    let (network, laboratory, split) = trained.parts();
    let before = laboratory.shots();
    let as_it_is = evaluate(network, laboratory, &split.test, &backend)?.accuracy;
    let shots_a_sample = (laboratory.shots() - before).div_ceil(split.test.len() as u64);

    let random = &mut random::stream(seed, "adaptation");
    let for_twins = (config.calibration_share * shots as f64) as u64;
    let samples: Vec<usize> = (0..split.train.len().min(batch)).collect();
    let x = to_tensor(&split.train.choose(&samples).features, &backend);
    let start = laboratory.shots();
    let trace = network.forward(x, laboratory, Source::Measured)?;
    let task = network.task_drives(&trace, laboratory.instruments.len());
    let playing = task.iter().flatten().count().max(1) as u64;
    for (instrument, task) in laboratory.instruments.iter_mut().zip(task) {
        let Some(task) = task else { continue };
        let effort = ((for_twins / playing).max(1) as usize, config.recalibration_steps);
        recalibrate_about(&task, effort, instrument, random, &backend)?;
    }
    let calibration_shots = laboratory.shots() - start;

    let train = |split: &Split, epochs: usize, rule: Rule, trained: &mut Trained| {
        let pace = if rule == Rule::Pat { config.pace } else { config.in_silico_pace };
        let config = TrainingConfig {
            rule,
            epochs,
            learning_rate: pace * training.learning_rate,
            digital_learning_rate: training.digital_learning_rate.map(|rate| pace * rate),
            schedule: Schedule::Cosine,
            ..training.clone()
        };
        let (network, laboratory, _) = trained.parts();
        let mut trainer = Trainer {
            network,
            laboratory,
            split,
            config: &config,
            rule,
            refinement: None,
            judges_epochs: false,
            seed,
            backend: &backend,
        };
        let mut progress = Progress::new(&format!("fine-tune by {rule}"), trainer.steps());
        trainer.train(stop, |event| {
            if let TrainingEvent::Steps(done) = event {
                progress.set(done, String::new());
            }
            Ok(())
        })?;
        let judgement =
            evaluate(trainer.network, trainer.laboratory, &split.test, &backend)?.accuracy;
        progress.finish(format!("test accuracy {:.1} %", 100.0 * judgement));
        Ok::<f32, Error>(judgement)
    };
    let split = trained.experiment.split.clone();
    let recalibrated = train(&split, config.in_silico_epochs, Rule::InSilico, trained)?;

    let mut adaptation = Adaptation {
        shots_a_test: shots_a_sample * split.test.len() as u64,
        as_it_is,
        recalibrated,
        fine_tuned: recalibrated,
        calibration_shots,
        training_shots: 0,
    };
    let left = shots.saturating_sub(calibration_shots);
    let affordable = (left / (shots_a_sample * config.epochs as u64)) as usize;
    if affordable > 0 {
        let mut some = split;
        let count = affordable.min(some.train.len());
        let chosen = rand::seq::index::sample(random, some.train.len(), count).into_vec();
        some.train = some.train.choose(&chosen);
        some.augmentation = None;
        let epochs = (affordable / count).max(1) * config.epochs;
        adaptation.fine_tuned = train(&some, epochs, Rule::Pat, trained)?;
        adaptation.training_shots = (epochs * count) as u64 * shots_a_sample;
    }
    Ok(adaptation)
}
