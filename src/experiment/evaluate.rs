//! A trained network on its device once more.

use std::path::Path;

use super::build::Experiment;
use super::trained::{Reopening, Trained};
use crate::Error;
use crate::training::{Evaluation, Observer, evaluate};

/// How a trained network does on its device now.
#[derive(Clone, Debug)]
pub struct Reevaluation {
    /// Its answers to the test samples.
    pub evaluation: Evaluation,
    /// What was allowed to differ from what it was trained on, a sentence each.
    pub changed_data: Vec<String>,
}

/// Measures the test accuracy of the run in `path`: the same fabricated device as the run left it, fresh
/// noise; or on real devices.
///
/// # Errors
/// As [`Trained::open`], and whatever a device answers.
pub fn evaluate_run(
    path: &Path,
    reopening: &Reopening,
    observer: &mut dyn Observer,
) -> Result<Reevaluation, Error> {
    let mut trained = Trained::open(path, reopening, observer)?;
    let samples = trained.experiment.split.test.len();
    let task = trained.experiment.begin_shots(observer, "measure the test set", samples)?;
    let Experiment { network, laboratory, split, loss, recordings, .. } = &mut trained.experiment;
    let evaluation = evaluate(network, laboratory, &split.test, &**loss, &trained.backend)?;
    task.end(&format!("{samples} samples, {} shots", laboratory.shots()))?;
    for recording in recordings {
        recording.finish()?;
    }
    let changed_data = trained.experiment.trained_on.changed;
    Ok(Reevaluation { evaluation, changed_data })
}
