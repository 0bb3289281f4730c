//! A trained network on its device once more.

use std::path::Path;

use super::build::{Experiment, Given};
use super::trained::{Reopening, Trained};
use crate::Error;
use crate::counted::counted;
use crate::data::Feature;
use crate::training::{Evaluation, Observer, TestScore, evaluate};

/// How a trained network does on its device now.
#[derive(Clone, Debug)]
pub struct Reevaluation {
    /// Its answers to the test samples, of targets that are values standardised.
    pub evaluation: Evaluation,
    /// How well they meet the targets, with the errors of values in the targets' unit where they have one in common.
    pub test: TestScore,
    /// Names and scaling of targets that are values.
    pub targets: Vec<Feature>,
    /// What was allowed to differ from what it was trained on, a sentence each.
    pub changed_data: Vec<String>,
}

/// Measures how well the run in `path` does on its test samples: the same fabricated device as the run left it, fresh
/// noise; or on real devices, or with the data and devices that are `given`.
///
/// # Errors
/// As [`Trained::open_given`], and whatever a device answers.
pub fn evaluate_run(
    path: &Path,
    reopening: &Reopening,
    given: Given,
    observer: &mut dyn Observer,
) -> Result<Reevaluation, Error> {
    let mut trained = Trained::open_given(path, reopening, given, observer)?;
    let samples = trained.experiment.split.test.len();
    let task = trained.experiment.begin_shots(observer, "measure the test set", samples)?;
    let Experiment { network, laboratory, split, loss, recordings, .. } = &mut trained.experiment;
    let evaluation = evaluate(network, laboratory, &split.test, &**loss, &trained.backend)?;
    task.end(&format!("{}, {} shots", counted(samples, "sample"), laboratory.shots()))?;
    for recording in recordings {
        recording.finish()?;
    }
    let Experiment { split, trained_on, .. } = trained.experiment;
    let targets = split.schema.targets;
    let test = TestScore::of(evaluation.score, &targets);
    Ok(Reevaluation { evaluation, test, targets, changed_data: trained_on.changed })
}
