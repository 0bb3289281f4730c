//! The training loop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use burn::tensor::Device;
use nalgebra::DMatrix;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use twinprop_calibration::bridge::to_tensor;
use twinprop_devices::{random, validate};

use super::{
    Adam, Refinement, RefinementChoice, Schedule, TwinCourse, accuracy, cross_entropy, predictions,
};
use crate::data::{Dataset, Split};
use crate::network::{Laboratory, Network, Source, Trace};
use crate::{Error, Rule};

/// Rows that are run at once where no gradient is wanted.
const EVALUATION_BATCH: usize = 256;

/// How a network is trained; in a recipe, `[training]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// The rule, unless the command line names another.
    pub rule: Rule,
    /// Passes over the training data.
    #[serde(deserialize_with = "validate::count")]
    pub epochs: usize,
    /// Samples a step.
    #[serde(deserialize_with = "validate::count")]
    pub batch: usize,
    /// Adam's first learning rate, for parameters normalised to [−1, 1].
    #[serde(deserialize_with = "validate::positive")]
    pub learning_rate: f64,
    /// That of digital stages' parameters (scales, offsets, the readout's temperature), where it is
    /// another one.
    #[serde(
        deserialize_with = "validate::optional_positive",
        skip_serializing_if = "Option::is_none"
    )]
    pub digital_learning_rate: Option<f64>,
    /// How the learning rate changes over the training.
    pub schedule: Schedule,
    /// Strength of the penalty on drives and parameters out of range.
    #[serde(deserialize_with = "validate::non_negative")]
    pub range_penalty: f64,
    /// Whether and how twins go on learning while a network is trained by `pat`.
    pub refinement: RefinementChoice,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            rule: Rule::Pat,
            epochs: 60,
            batch: 32,
            learning_rate: 0.02,
            digital_learning_rate: None,
            schedule: Schedule::Cosine,
            range_penalty: 1.0,
            refinement: RefinementChoice::Auto,
        }
    }
}

/// One line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// The epoch, from one.
    pub epoch: usize,
    /// Adam's learning rate in the last step.
    pub learning_rate: f64,
    /// Mean cross-entropy of the batches, as the rule sees them.
    pub train_loss: f32,
    /// Accuracy of the batches, as the rule sees them.
    pub train_accuracy: f32,
    /// Mean range penalty of the batches.
    pub range_penalty: f32,
    /// Cross-entropy of the test data, measured on the device.
    pub test_loss: f32,
    /// Accuracy on the test data, measured on the device.
    pub test_accuracy: f32,
    /// Shots played so far, calibration included.
    pub device_shots: u64,
    /// Values clamped so far.
    pub clamped: u64,
    /// How the twins that are refined do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub twins: Vec<TwinCourse>,
    /// Seconds since the training began.
    pub seconds: f64,
}

/// What a training has to tell.
#[derive(Clone, Copy, Debug)]
pub enum TrainingEvent<'a> {
    /// So many steps are done.
    Steps(usize),
    /// The twins that are refined do so before the first step.
    Twins(&'a [TwinCourse]),
    /// An epoch is over.
    Epoch(&'a EpochMetrics),
}

/// A network's answers to a data set, measured on the device.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// Mean cross-entropy.
    pub loss: f32,
    /// Share of right answers.
    pub accuracy: f32,
    /// Most probable class of each sample.
    pub predicted: Vec<usize>,
}

/// A network in training.
pub struct Trainer<'a> {
    /// The network.
    pub network: &'a mut Network,
    /// Its devices and their twins.
    pub laboratory: &'a mut Laboratory,
    /// The data.
    pub split: &'a Split,
    /// The settings.
    pub config: &'a TrainingConfig,
    /// The rule.
    pub rule: Rule,
    /// What refines the twins, if they are.
    pub refinement: Option<Refinement<'a>>,
    /// Whether the network is tested after every epoch, and its epochs told of.
    pub judges_epochs: bool,
    /// Seed of the order of the samples.
    pub seed: u64,
    /// Where the host computes.
    pub backend: &'a Device,
}

impl Trainer<'_> {
    /// Steps from the first to the last.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.config.epochs * self.split.train.len().div_ceil(self.config.batch)
    }

    /// Trains to the last epoch, or to the epoch in which `stop` is set. `observe` hears every step
    /// and every epoch.
    ///
    /// # Errors
    /// [`Error::Device`] where a device fails, [`Error::Diverged`] where the loss is no number,
    /// and whatever `observe` answers.
    pub fn train(
        &mut self,
        stop: &AtomicBool,
        mut observe: impl FnMut(TrainingEvent) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let start = Instant::now();
        let first_rates = self.learning_rates();
        let mut optimiser = Adam::default();
        let mut order: Vec<usize> = (0..self.split.train.len()).collect();
        let batches = order.len().div_ceil(self.config.batch);
        let steps = self.steps() as f64;
        if let Some(refinement) = &mut self.refinement {
            let first = self.split.training_batch(&order[..order.len().min(self.config.batch)], 0);
            let x = to_tensor(&first.features, self.backend);
            let trace = self.network.forward(x, self.laboratory, Source::Measured)?;
            let twins = refinement.look(0, self.network, &trace, self.laboratory)?;
            observe(TrainingEvent::Twins(&twins))?;
        }
        for epoch in 0..self.config.epochs {
            order.shuffle(&mut random::stream(self.seed, &format!("sample order {epoch}")));
            let mut sums = Step::default();
            let mut learning_rate = 0.0;
            let mut last = None;
            for (batch, chosen) in order.chunks(self.config.batch).enumerate() {
                let done = (epoch * batches + batch) as f64 / steps;
                let factor = self.config.schedule.factor(done);
                learning_rate = self.config.learning_rate * factor;
                let rates: Vec<f64> = first_rates.iter().map(|rate| rate * factor).collect();
                self.laboratory.training_step = Some((epoch * batches + batch) as u64);
                let (sum, trace) = self.step(chosen, epoch, &rates, &mut optimiser)?;
                sums.add(&sum);
                if let Some(refinement) = &mut self.refinement {
                    let step = (epoch * batches + batch) as u64;
                    refinement.after_step((step, factor), self.network, &trace, self.laboratory);
                }
                last = Some(trace);
                observe(TrainingEvent::Steps(epoch * batches + batch + 1))?;
            }
            self.laboratory.training_step = None;
            if !sums.loss.is_finite() {
                return Err(Error::Diverged { epoch: epoch + 1, loss: sums.loss });
            }
            if self.judges_epochs {
                let (samples, seconds) = (order.len(), start.elapsed().as_secs_f64());
                let sums = (&sums, samples);
                let metrics = self.judge(epoch + 1, learning_rate, sums, last.as_ref(), seconds)?;
                observe(TrainingEvent::Epoch(&metrics))?;
            }
            if stop.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(())
    }

    /// The line of the metrics after epoch `epoch`, from one, whose last step left `trace`.
    fn judge(
        &mut self,
        epoch: usize,
        learning_rate: f64,
        (sums, samples): (&Step, usize),
        trace: Option<&Trace>,
        seconds: f64,
    ) -> Result<EpochMetrics, Error> {
        let twins = match (&mut self.refinement, trace) {
            (Some(refinement), Some(trace)) => {
                refinement.look(epoch, self.network, trace, self.laboratory)?
            }
            _ => Vec::new(),
        };
        let test = evaluate(self.network, self.laboratory, &self.split.test, self.backend)?;
        let samples = samples as f32;
        Ok(EpochMetrics {
            epoch,
            learning_rate,
            train_loss: sums.loss / samples,
            train_accuracy: sums.right / samples,
            range_penalty: sums.penalty / samples,
            test_loss: test.loss,
            test_accuracy: test.accuracy,
            device_shots: self.laboratory.shots(),
            clamped: self.laboratory.clamped(),
            twins,
            seconds,
        })
    }

    /// First learning rate of each trainable tensor.
    fn learning_rates(&self) -> Vec<f64> {
        let digital = self.config.digital_learning_rate.unwrap_or(self.config.learning_rate);
        let stages = self.network.stages.iter();
        stages
            .flat_map(|stage| {
                let rate =
                    if stage.instrument().is_some() { self.config.learning_rate } else { digital };
                std::iter::repeat_n(rate, stage.parameters().len())
            })
            .collect()
    }

    /// One step on the samples `chosen`, as epoch `epoch` has them.
    fn step(
        &mut self,
        chosen: &[usize],
        epoch: usize,
        learning_rates: &[f64],
        optimiser: &mut Adam,
    ) -> Result<(Step, Trace), Error> {
        let batch = self.split.training_batch(chosen, epoch);
        let x = to_tensor(&batch.features, self.backend);
        let trace = self.network.forward(x, self.laboratory, self.rule.forward())?;
        let (loss, cotangent) = cross_entropy(trace.logits(), &batch.labels);
        let gradients = self.network.backward(&trace, cotangent, self.laboratory);
        let size = chosen.len() as f32;
        let step = Step {
            loss: loss * size,
            right: accuracy(&predictions(trace.logits()), &batch.labels) * size,
            penalty: self.network.range_penalty(&trace) * size,
        };
        optimiser.step(learning_rates, self.network.parameters_mut(), gradients);
        Ok((step, trace))
    }
}

/// Sums over samples.
#[derive(Default)]
struct Step {
    loss: f32,
    right: f32,
    penalty: f32,
}

impl Step {
    fn add(&mut self, other: &Self) {
        self.loss += other.loss;
        self.right += other.right;
        self.penalty += other.penalty;
    }
}

/// Measures a network's answers to `data` on its devices.
///
/// # Errors
/// Whatever a device answers.
pub fn evaluate(
    network: &Network,
    laboratory: &mut Laboratory,
    data: &Dataset,
    backend: &Device,
) -> Result<Judgement, Error> {
    let mut predicted = Vec::with_capacity(data.len());
    let mut loss = 0.0;
    let order: Vec<usize> = (0..data.len()).collect();
    for chosen in order.chunks(EVALUATION_BATCH) {
        let batch = data.choose(chosen);
        let features: &DMatrix<f32> = &batch.features;
        let trace = network.forward(to_tensor(features, backend), laboratory, Source::Measured)?;
        loss += cross_entropy(trace.logits(), &batch.labels).0 * chosen.len() as f32;
        predicted.extend(predictions(trace.logits()));
    }
    let accuracy = accuracy(&predicted, &data.labels);
    Ok(Judgement { loss: loss / data.len() as f32, accuracy, predicted })
}
