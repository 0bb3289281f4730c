//! The training loop: epochs, steps, tests and checkpoints.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use rand::seq::SliceRandom;
use twinprop_calibration::bridge::{to_matrix, to_tensor};
use twinprop_calibration::tensors::total;
use twinprop_devices::random;

use super::clock::Clock;
use super::progress::Sums;
use super::{
    Awake, Checkpoints, EpochMetrics, Event, Observer, Snapshot, StepDone, TestScore, Trainer,
    TrainingProgress, evaluate,
};
use crate::Error;
use crate::data::{Split, Targets};
use crate::network::{BatchPosition, Source, Trace};
use crate::rules::{Alignment, Batch, StepOutput};

/// How a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// After its last epoch.
    Complete,
    /// An observer stopped it after so many steps.
    Stopped(u64),
}

impl Trainer<'_> {
    /// Trains on `data` from the first step to the last, or until an observer breaks.
    ///
    /// # Errors
    /// [`Error::Device`] where a device fails, [`Error::Diverged`] where the loss is not finite, [`Error::Usage`]
    /// where rule, loss and targets do not fit or samples are missing, and the errors of observers.
    pub fn train(&mut self, data: &Split) -> Result<Ending, Error> {
        self.start(data)?;
        let progress = TrainingProgress::default();
        self.report_twins_at_start(data)?;
        if self.checkpoints != Checkpoints::Never {
            self.snapshot(&progress)?;
        }
        self.train_from(data, progress)
    }

    /// Resumes from a checkpoint at `progress` with restored network, optimiser, devices and twins: the training ends
    /// as without a break.
    ///
    /// # Errors
    /// As [`train`](Self::train).
    pub fn resume(&mut self, data: &Split, progress: TrainingProgress) -> Result<Ending, Error> {
        self.start(data)?;
        self.train_from(data, progress)
    }

    /// Checks that rule and loss fit `data`, and forgets an earlier stop.
    fn start(&mut self, data: &Split) -> Result<(), Error> {
        self.is_stopping = false;
        let Split { train, test, .. } = data;
        let is_empty = |half: &str| Err(Error::Usage(format!("there are no {half} samples")));
        if train.is_empty() {
            return is_empty("training");
        }
        if test.is_empty() && self.tests_epochs {
            return is_empty("test");
        }
        let rule = self.rule.check(self.network, &train.targets);
        let loss = |targets| self.loss.check(targets);
        rule.and_then(|()| loss(&train.targets))
            .and_then(|()| loss(&test.targets))
            .map_err(Error::Usage)
    }

    /// Tells all observers.
    fn tell(&mut self, event: &Event) -> Result<(), Error> {
        self.is_stopping |= self.observers.observe(event)?.is_break();
        Ok(())
    }

    /// Trains from `progress` to the last step, or until an observer breaks.
    fn train_from(
        &mut self,
        data: &Split,
        mut progress: TrainingProgress,
    ) -> Result<Ending, Error> {
        let mut clock = Clock::new(&progress, self.checkpoints);
        let first_rates = self.learning_rates();
        let mut order: Vec<usize> = (0..data.train.len()).collect();
        let batches = order.len().div_ceil(self.batch) as u64;
        let steps = self.steps(data) as f64;
        for epoch in 0..self.epochs {
            order.shuffle(&mut random::stream(self.seed, &format!("sample order {epoch}")));
            let before = epoch as u64 * batches;
            if progress.steps >= before + batches {
                continue;
            }
            let mut learning_rate = 0.0;
            let mut last = None;
            let remaining = order.chunks(self.batch).skip((progress.steps - before) as usize);
            for chosen in remaining {
                let step = progress.steps;
                let factor = self.schedule.factor(step as f64 / steps);
                learning_rate = self.learning_rate * factor;
                let rates: Vec<f64> = first_rates.iter().map(|rate| rate * factor).collect();
                let is_last = step + 1 == before + batches;
                let samples_before =
                    (epoch * order.len()) as u64 + (step - before) * self.batch as u64;
                let position = BatchPosition { step, samples_before };
                let result = match self.step(data, chosen, epoch, position, is_last, &rates) {
                    Ok(result) => result,
                    Err(error) => {
                        // Saves the work if possible; the first error is reported.
                        if self.checkpoints != Checkpoints::Never {
                            let _ = self.snapshot(&progress);
                        }
                        return Err(error);
                    }
                };
                let StepResult { sums, trace, alignment } = result;
                progress.sums.add(&sums);
                if let (Some(refinement), Some(trace)) = (&mut self.refinement, &trace) {
                    refinement.after_step(step, factor, self.network, trace, self.laboratory);
                }
                last = Some((trace, alignment));
                progress.steps += 1;
                let (done, loss) = (progress.steps as usize, sums.loss / chosen.len() as f32);
                let event = StepDone { done, loss, laboratory: self.laboratory };
                self.is_stopping |= self.observers.observe(&Event::Step(event))?.is_break();
                // After the last step, the end of the epoch does the rest.
                if is_last {
                    break;
                }
                if clock.is_due(&mut progress, self.is_stopping) {
                    self.snapshot(&progress)?;
                }
                if self.is_stopping {
                    return Ok(Ending::Stopped(progress.steps));
                }
            }
            let sums = std::mem::take(&mut progress.sums);
            if !sums.loss.is_finite() {
                return Err(Error::Diverged { epoch: epoch + 1, loss: sums.loss });
            }
            let is_due = clock.is_due(&mut progress, self.is_stopping);
            if self.tests_epochs {
                let (trace, alignment) = last.unwrap_or_default();
                let metrics = EpochMetrics {
                    learning_rate,
                    alignment,
                    seconds: progress.seconds,
                    ..self.test(data, epoch + 1, &sums, trace.as_ref())?
                };
                self.tell(&Event::Epoch(&metrics))?;
            }
            if is_due || self.is_stopping {
                self.snapshot(&progress)?;
            }
            if self.is_stopping && epoch + 1 < self.epochs {
                return Ok(Ending::Stopped(progress.steps));
            }
        }
        Ok(Ending::Complete)
    }

    /// Reports the refined twins' fidelity before the first step.
    fn report_twins_at_start(&mut self, data: &Split) -> Result<(), Error> {
        let Some(refinement) = &mut self.refinement else { return Ok(()) };
        let samples: Vec<usize> = (0..data.train.len().min(self.batch)).collect();
        let first = data.training_batch(&samples, 0);
        let x = to_tensor(&first.features, &self.backend);
        let trace = self.network.forward(x, self.laboratory, Source::Measured, None)?;
        let twins = refinement.check_twins(0, self.network, &trace, self.laboratory)?;
        self.tell(&Event::Twins(&twins))
    }

    /// Gives the observers a checkpoint.
    fn snapshot(&mut self, progress: &TrainingProgress) -> Result<(), Error> {
        let refinement = self.refinement.as_mut().map(|refinement| refinement.state());
        let snapshot = Snapshot {
            progress,
            network: self.network,
            laboratory: self.laboratory,
            optimiser: &*self.optimiser,
            refinement: refinement.as_ref(),
        };
        self.is_stopping |= self.observers.observe(&Event::Checkpoint(snapshot))?.is_break();
        Ok(())
    }

    /// Tests twins and network after epoch `epoch`, from one; `trace` is the trace of its last step.
    fn test(
        &mut self,
        data: &Split,
        epoch: usize,
        sums: &Sums,
        trace: Option<&Trace>,
    ) -> Result<EpochMetrics, Error> {
        let twins = match (&mut self.refinement, trace) {
            (Some(refinement), Some(trace)) => {
                refinement.check_twins(epoch, self.network, trace, self.laboratory)?
            }
            _ => Vec::new(),
        };
        let (network, laboratory) = (&*self.network, &mut *self.laboratory);
        let test = evaluate(network, laboratory, &data.test, &*self.loss, &self.backend)?;
        self.tell(&Event::Tested(&test))?;
        let samples = data.train.len() as f32;
        let is_last = epoch == self.epochs;
        let confusion = match data.test.targets {
            Targets::Classes(_) if is_last => test.confusion(&data.test, data.classes.len()),
            _ => Vec::new(),
        };
        Ok(EpochMetrics {
            epoch,
            learning_rate: 0.0,
            train_loss: sums.loss / samples,
            train_accuracy: test.score.accuracy().map(|_| sums.right / samples),
            range_penalty: sums.penalty / samples,
            test_loss: test.loss,
            test: TestScore::of(test.score, &data.schema.targets),
            device_shots: self.laboratory.shots(),
            clamped: self.laboratory.clamped(),
            alignment: None,
            twins,
            parameters: self.root_mean_squares(),
            seconds: 0.0,
            confusion,
        })
    }

    /// Root mean square of each trainable tensor, by name.
    fn root_mean_squares(&self) -> BTreeMap<String, f32> {
        let parameters = self.network.parameters().into_iter();
        parameters.map(|(name, tensor)| (name, root_mean_square(tensor))).collect()
    }

    /// First learning rate of each trainable tensor.
    fn learning_rates(&self) -> Vec<f64> {
        let digital = self.digital_learning_rate.unwrap_or(self.learning_rate);
        let stages = self.network.stages.iter();
        stages
            .flat_map(|stage| {
                let rate = if stage.physical().is_some() { self.learning_rate } else { digital };
                std::iter::repeat_n(rate, stage.parameters().len())
            })
            .collect()
    }

    /// Makes one step on the samples `chosen` of `data` at `position` in epoch `epoch`; computes the alignment if it
    /// `is_last` in its epoch.
    fn step(
        &mut self,
        data: &Split,
        chosen: &[usize],
        epoch: usize,
        position: BatchPosition,
        is_last: bool,
        learning_rates: &[f64],
    ) -> Result<StepResult, Error> {
        let _awake = Awake::keep();
        let samples = data.training_batch(chosen, epoch);
        let inputs = to_tensor(&samples.features, &self.backend);
        let batch = Batch { inputs: &inputs, targets: &samples.targets, position };
        let StepOutput { loss, penalty, outputs, gradients, mut traces } =
            self.rule.step(&batch, self.network, self.laboratory, &*self.loss)?;
        // No NaN may reach the parameters.
        self.laboratory.check_twins()?;
        if !loss.is_finite() {
            return Err(Error::Diverged { epoch: epoch + 1, loss });
        }
        if !are_finite(&gradients) {
            return Err(Error::DivergedGradient { epoch: epoch + 1 });
        }
        let trace = match traces.len() {
            0 => None,
            1 => Some(traces.swap_remove(0)),
            _ => self.refinement.is_some().then(|| Trace::joined(&traces)),
        };
        let alignment = match &trace {
            Some(trace) if is_last => self.alignment(&batch, trace, &gradients),
            _ => None,
        };
        let size = samples.len() as f32;
        let score = self.loss.score(&to_matrix(outputs), &samples.targets);
        let sums = Sums {
            loss: loss * size,
            right: score.accuracy().map_or(0.0, |accuracy| accuracy * size),
            penalty: penalty * size,
        };
        let gradients = self.shrinkage.shrink(self.network, gradients);
        self.optimiser.step(learning_rates, self.network.parameters_mut(), gradients);
        Ok(StepResult { sums, trace, alignment })
    }

    /// Alignment of `gradients` with backpropagation's; `None` for backpropagation itself, or without twins.
    fn alignment(
        &self,
        batch: &Batch,
        trace: &Trace,
        gradients: &[Tensor<2>],
    ) -> Option<Alignment> {
        if self.rule.is_backpropagation() || !self.laboratory.has_twins() {
            return None;
        }
        let (_, cotangent) = self.loss.at(trace.output(), batch.targets);
        let reference = self.network.backward(trace, cotangent, self.laboratory);
        let names: Vec<String> =
            self.network.parameters().into_iter().map(|(name, _)| name).collect();
        Some(Alignment::between(&names, gradients, &reference))
    }
}

/// Results of a step.
struct StepResult {
    sums: Sums,
    trace: Option<Trace>,
    alignment: Option<Alignment>,
}

/// Whether all values of `tensors` are finite; one number comes back from the backend.
fn are_finite(tensors: &[Tensor<2>]) -> bool {
    if tensors.is_empty() {
        return true;
    }
    let sums = tensors.iter().map(|tensor| total(tensor.clone())).collect();
    Tensor::cat(sums, 0).sum().into_scalar::<f32>().is_finite()
}

fn root_mean_square(tensor: &Tensor<2>) -> f32 {
    let count = tensor.shape().num_elements() as f32;
    (total(tensor.clone().square()).into_scalar::<f32>() / count).sqrt()
}
