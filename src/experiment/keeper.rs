//! A run's folder while its network trains: metrics and checkpoints are written as they come.

use std::ops::ControlFlow;
use std::time::Instant;

use super::checkpoint;
use super::provenance::Spent;
use super::run_folder::{MetricsFile, RunFolder};
use crate::Error;
use crate::data::{Split, Targets};
use crate::loss::Score;
use crate::training::{EpochMetrics, Evaluation, Event, Observer, TwinCourse};

/// Writes what a training tells into the run's folder, and remembers what the run's end needs.
pub(super) struct Keeper<'a> {
    pub folder: &'a RunFolder,
    pub metrics: MetricsFile,
    /// The data that it is trained on.
    pub data: &'a Split,
    /// Epochs of the whole training.
    pub epochs: usize,
    /// The epochs so far, those of earlier processes included.
    pub history: Vec<EpochMetrics>,
    /// How the twins that are refined did before the first step.
    pub twins_at_start: Vec<TwinCourse>,
    /// When this process began with the run.
    pub start: Instant,
    /// Seconds that earlier processes spent on the run.
    pub seconds_before: f64,
    /// When this process began to train.
    pub since: Instant,
    /// The times spent before that.
    pub spent_before: Spent,
}

impl Keeper<'_> {
    /// Where the time has gone until now.
    pub fn spent(&self) -> Spent {
        let training = self.spent_before.training + self.since.elapsed().as_secs_f64();
        Spent { training, ..self.spent_before }
    }
}

impl Observer for Keeper<'_> {
    fn observe(&mut self, event: &Event) -> Result<ControlFlow<()>, Error> {
        match event {
            Event::Twins(twins) => self.twins_at_start = twins.to_vec(),
            Event::Tested(evaluation) if self.history.len() + 1 == self.epochs => {
                let Evaluation { score, outputs, .. } = evaluation;
                let Split { schema, test, .. } = self.data;
                // Data of the calling program may have targets without names.
                if let (Score::Values { .. }, Targets::Values(truth)) = (score, &test.targets)
                    && schema.targets.len() == truth.nrows()
                {
                    self.folder.write_test_answers(schema, outputs, truth)?;
                }
            }
            Event::Epoch(metrics) => {
                self.metrics.append(metrics)?;
                self.history.push((*metrics).clone());
            }
            Event::Checkpoint(snapshot) => {
                let seconds = self.seconds_before + self.start.elapsed().as_secs_f64();
                let spent = self.spent();
                self.metrics.sync()?;
                checkpoint::save(self.folder, snapshot, &self.twins_at_start, seconds, spent)?;
            }
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }
}
