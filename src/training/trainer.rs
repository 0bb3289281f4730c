//! The training loop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use burn::tensor::{Device, Tensor};
use nalgebra::DMatrix;
use rand::seq::SliceRandom;
use twinprop_calibration::bridge::to_tensor;
use twinprop_calibration::tensors::total;
use twinprop_devices::random;

use super::events::Sums;
use super::parts::{self, Played};
use super::{
    Awake, EpochMetrics, Optimiser, Refinement, Snapshot, Start, StepDone, TrainingConfig,
    TrainingEvent, TrainingProgress, accuracy, cross_entropy, predictions,
};
use crate::data::{Dataset, Split};
use crate::network::{Laboratory, Moment, Network, Source, Trace};
use crate::rules::{Alignment, Backpropagation, Batch, TrainingRule};
use crate::{Error, Rule};

/// Rows that are run at once where no gradient is wanted.
const EVALUATION_BATCH: usize = 256;

/// How a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// After its last epoch.
    Complete,
    /// It was stopped after so many steps.
    Stopped(u64),
}

/// When checkpoints are made, besides at the start and when the training is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checkpoints {
    /// Never, not even then.
    Never,
    /// Whenever so many steps have been made.
    Steps(u64),
    /// Whenever so much time has passed.
    Every(Duration),
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

impl Judgement {
    /// The samples of `data`, which was judged and has `classes` classes, by true class (rows) and answer
    /// (columns).
    #[must_use]
    pub fn confusion(&self, data: &Dataset, classes: usize) -> Vec<Vec<usize>> {
        let mut counts = vec![vec![0; classes]; classes];
        for (&label, &answer) in data.labels.iter().zip(&self.predicted) {
            counts[label][answer] += 1;
        }
        counts
    }
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
    /// When checkpoints are made.
    pub checkpoints: Checkpoints,
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

    /// Trains from `start`, or from the first step, to the last epoch, or to the step in which `stop` is
    /// set. `observe` hears every step and every epoch, and keeps the checkpoints; a training that is
    /// resumed from one ends as it would have without a break.
    ///
    /// # Errors
    /// [`Error::Device`] where a device fails, [`Error::Diverged`] where the loss is no number,
    /// and whatever `observe` answers.
    pub fn train(
        &mut self,
        start: Option<Start>,
        stop: &AtomicBool,
        mut observe: impl FnMut(TrainingEvent) -> Result<(), Error>,
    ) -> Result<Ending, Error> {
        let is_new = start.is_none();
        let Start { mut progress, mut optimiser } = start.unwrap_or_else(|| Start {
            progress: TrainingProgress::default(),
            optimiser: self.config.optimiser.start(),
        });
        let mut rule = self.config.rules.start(self.rule, self.seed);
        let mut clock = Clock::new(&progress, self.checkpoints);
        let first_rates = self.learning_rates();
        let mut order: Vec<usize> = (0..self.split.train.len()).collect();
        let batches = order.len().div_ceil(self.config.batch) as u64;
        if is_new {
            self.look_at_first(&order, &mut observe)?;
            if self.checkpoints != Checkpoints::Never {
                self.snapshot(&progress, &optimiser, &mut observe)?;
            }
        }
        for epoch in 0..self.config.epochs {
            order.shuffle(&mut random::stream(self.seed, &format!("sample order {epoch}")));
            let before = epoch as u64 * batches;
            if progress.steps >= before + batches {
                continue;
            }
            let mut learning_rate = 0.0;
            let mut last = None;
            let left = order.chunks(self.config.batch).skip((progress.steps - before) as usize);
            for chosen in left {
                let step = progress.steps;
                let factor = self.config.schedule.factor(step as f64 / self.steps() as f64);
                learning_rate = self.config.learning_rate * factor;
                let rates: Vec<f64> = first_rates.iter().map(|rate| rate * factor).collect();
                let moment = Moment { step, batch: chosen.len(), first: 0 };
                self.laboratory.moment = Some(moment);
                let is_last = step + 1 == before + batches;
                let of_epoch = (epoch, is_last);
                let made = self.step(&mut *rule, chosen, of_epoch, &rates, &mut optimiser);
                let Made { sums, trace, alignment } = match made {
                    Ok(made) => made,
                    Err(error) => {
                        // What has been made is kept, if that can be; it is the first error that counts.
                        if self.checkpoints != Checkpoints::Never {
                            let _ = self.snapshot(&progress, &optimiser, &mut observe);
                        }
                        return Err(error);
                    }
                };
                progress.sums.add(&sums);
                if let Some(refinement) = &mut self.refinement {
                    refinement.after_step((step, factor), self.network, &trace, self.laboratory);
                }
                last = Some((trace, alignment));
                progress.steps += 1;
                observe(TrainingEvent::Step(StepDone {
                    done: progress.steps as usize,
                    loss: sums.loss / chosen.len() as f32,
                    laboratory: self.laboratory,
                }))?;
                // The last step of an epoch belongs to its end.
                if is_last {
                    break;
                }
                let stopped = stop.load(Ordering::Relaxed);
                if clock.is_due(&mut progress, stopped) {
                    self.snapshot(&progress, &optimiser, &mut observe)?;
                }
                if stopped {
                    return Ok(Ending::Stopped(progress.steps));
                }
            }
            self.laboratory.moment = None;
            let sums = std::mem::take(&mut progress.sums);
            if !sums.loss.is_finite() {
                return Err(Error::Diverged { epoch: epoch + 1, loss: sums.loss });
            }
            let stopped = stop.load(Ordering::Relaxed);
            let is_due = clock.is_due(&mut progress, stopped);
            if self.judges_epochs {
                let sums = (&sums, order.len());
                let seconds = progress.seconds;
                let metrics = self.judge(epoch + 1, learning_rate, sums, last, seconds)?;
                observe(TrainingEvent::Epoch(&metrics))?;
            }
            if is_due {
                self.snapshot(&progress, &optimiser, &mut observe)?;
            }
            if stopped && epoch + 1 < self.config.epochs {
                return Ok(Ending::Stopped(progress.steps));
            }
        }
        Ok(Ending::Complete)
    }

    /// Says how the twins that are refined do before the first step.
    fn look_at_first(
        &mut self,
        order: &[usize],
        observe: &mut impl FnMut(TrainingEvent) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Some(refinement) = &mut self.refinement else { return Ok(()) };
        let first = self.split.training_batch(&order[..order.len().min(self.config.batch)], 0);
        let x = to_tensor(&first.features, self.backend);
        let trace = self.network.forward(x, self.laboratory, Source::Measured)?;
        let twins = refinement.look(0, self.network, &trace, self.laboratory)?;
        observe(TrainingEvent::Twins(&twins))
    }

    /// Gives `observe` a checkpoint to keep.
    fn snapshot(
        &mut self,
        progress: &TrainingProgress,
        optimiser: &Optimiser,
        observe: &mut impl FnMut(TrainingEvent) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let refinement = self.refinement.as_mut().map(Refinement::state);
        observe(TrainingEvent::Checkpoint(Snapshot {
            progress,
            network: self.network,
            laboratory: self.laboratory,
            optimiser,
            refinement: refinement.as_ref(),
        }))
    }

    /// The line of the metrics after epoch `epoch`, from one, whose last step left `last`.
    fn judge(
        &mut self,
        epoch: usize,
        learning_rate: f64,
        (sums, samples): (&Sums, usize),
        last: Option<(Trace, Option<Alignment>)>,
        seconds: f64,
    ) -> Result<EpochMetrics, Error> {
        let (trace, alignment) = last.unzip();
        let twins = match (&mut self.refinement, trace) {
            (Some(refinement), Some(trace)) => {
                refinement.look(epoch, self.network, &trace, self.laboratory)?
            }
            _ => Vec::new(),
        };
        let test = evaluate(self.network, self.laboratory, &self.split.test, self.backend)?;
        let samples = samples as f32;
        let is_last = epoch == self.config.epochs;
        let confusion = if is_last {
            test.confusion(&self.split.test, self.split.classes.len())
        } else {
            Vec::new()
        };
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
            alignment: alignment.flatten(),
            twins,
            parameters: self.network.parameters().into_iter().map(size).collect(),
            seconds,
            confusion,
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

    /// One step by `rule` on the samples `chosen`, as epoch `epoch` has them, of which it may be the last.
    fn step(
        &mut self,
        rule: &mut dyn TrainingRule,
        chosen: &[usize],
        (epoch, is_last): (usize, bool),
        learning_rates: &[f64],
        optimiser: &mut Optimiser,
    ) -> Result<Made, Error> {
        let _awake = Awake::keep();
        let batch = self.split.training_batch(chosen, epoch);
        // A backend that plays the devices itself keeps none of them waiting.
        let in_parts = self.config.parts > 1 && !self.laboratory.is_in_tensors();
        let (sums, trace, gradients, alignment) = if self.rule == Rule::Pat && in_parts {
            let (network, parts) = (&*self.network, self.config.parts);
            let Played { mut traces, sums, gradients } =
                parts::play(network, self.laboratory, &batch, parts, self.backend)?;
            let trace = match (&self.refinement, traces.len()) {
                (None, _) | (_, 1) => traces.swap_remove(0),
                _ => Trace::joined(&traces),
            };
            (sums, trace, gradients, None)
        } else {
            self.by_rule(rule, &batch, is_last)?
        };
        let gradients = self.config.shrinkage.shrink(self.network, gradients);
        optimiser.step(learning_rates, self.network.parameters_mut(), gradients);
        Ok(Made { sums, trace, alignment })
    }

    /// What the whole of `batch` leaves at once, perhaps the last of an epoch: sums, trace, gradients and
    /// how they lie.
    fn by_rule(
        &mut self,
        rule: &mut dyn TrainingRule,
        batch: &Dataset,
        is_last: bool,
    ) -> Result<(Sums, Trace, Vec<Tensor<2>>, Option<Alignment>), Error> {
        let x = to_tensor(&batch.features, self.backend);
        let trace = if self.rule == Rule::Pat {
            self.network.measure_and_linearise(x, self.laboratory)?
        } else {
            self.network.forward(x, self.laboratory, self.rule.forward())?
        };
        let (loss, cotangent) = cross_entropy(trace.logits(), &batch.labels);
        let step = self.laboratory.moment.map_or(0, |moment| moment.step);
        let made = Batch { labels: &batch.labels, trace: &trace, cotangent: &cotangent, step };
        let gradients = rule.gradients(made, self.network, self.laboratory)?;
        let alignment = if is_last { self.alignment(made, &gradients)? } else { None };
        let size = batch.len() as f32;
        let sums = Sums {
            loss: loss * size,
            right: accuracy(&predictions(trace.logits()), &batch.labels) * size,
            penalty: self.network.penalty(&trace, self.laboratory) * size,
        };
        Ok((sums, trace, gradients, alignment))
    }

    /// How `gradients` lie to those of backpropagation, where they are others and there are twins to say so.
    fn alignment(
        &mut self,
        batch: Batch,
        gradients: &[Tensor<2>],
    ) -> Result<Option<Alignment>, Error> {
        if !(self.rule.departs_from_backpropagation() && self.laboratory.has_twins()) {
            return Ok(None);
        }
        let reference = Backpropagation.gradients(batch, self.network, self.laboratory)?;
        let names: Vec<String> =
            self.network.parameters().into_iter().map(|(name, _)| name).collect();
        Ok(Some(Alignment::between(&names, gradients, &reference)))
    }
}

/// What a step leaves.
struct Made {
    sums: Sums,
    trace: Trace,
    alignment: Option<Alignment>,
}

/// A tensor's name and root mean square.
fn size((name, tensor): (String, &Tensor<2>)) -> (String, f32) {
    let count = tensor.shape().num_elements() as f32;
    (name, (total(tensor.clone().square()).into_scalar::<f32>() / count).sqrt())
}

/// The time that a training has taken, and when its next checkpoint is due.
struct Clock {
    start: Instant,
    /// Seconds before the start.
    before: f64,
    checkpoints: Checkpoints,
    last_steps: u64,
    last_time: Instant,
}

impl Clock {
    fn new(progress: &TrainingProgress, checkpoints: Checkpoints) -> Self {
        let (start, before) = (Instant::now(), progress.seconds);
        Self { start, before, checkpoints, last_steps: progress.steps, last_time: start }
    }

    /// Brings the seconds of `progress` up to date and says whether a checkpoint is due there.
    fn is_due(&mut self, progress: &mut TrainingProgress, stopped: bool) -> bool {
        progress.seconds = self.before + self.start.elapsed().as_secs_f64();
        let is_due = match self.checkpoints {
            Checkpoints::Never => false,
            Checkpoints::Steps(steps) => {
                stopped || progress.steps / steps > self.last_steps / steps
            }
            Checkpoints::Every(time) => stopped || self.last_time.elapsed() >= time,
        };
        if is_due {
            (self.last_steps, self.last_time) = (progress.steps, Instant::now());
        }
        is_due
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
