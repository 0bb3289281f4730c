//! The score of test data in results.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::data::Feature;
use crate::loss::{Measure, Score};

/// How well a network does on the test data, measured on its devices: `test_accuracy`, or `test_r2` and the errors of
/// values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TestScore {
    /// Share of right answers: samples, or labels where a sample has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_accuracy: Option<f32>,
    /// Share of samples with all labels right, where a sample has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_exact: Option<f32>,
    /// R² of values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_r2: Option<f32>,
    /// Root mean squared error of values, in the targets' common unit, or else in units of their standard deviations
    /// over the training samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_rmse: Option<f32>,
    /// The error in units of the test targets' standard deviation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_nrmse: Option<f32>,
}

impl TestScore {
    /// `score` of standardised `targets`, with the errors in their unit where they have one in common.
    #[must_use]
    pub fn of(score: Score, targets: &[Feature]) -> Self {
        let mut units = targets.iter().map(|target| target.scaling.unit);
        let common = units.next().filter(|unit| units.all(|other| other == *unit));
        match common.map_or(score, |unit| score.in_unit(unit as f32)) {
            Score::Accuracy(accuracy) => Self { test_accuracy: Some(accuracy), ..Self::default() },
            Score::Labels { accuracy, exact } => {
                Self { test_accuracy: Some(accuracy), test_exact: Some(exact), ..Self::default() }
            }
            Score::Values { r2, rmse, nrmse } => Self {
                test_r2: Some(r2),
                test_rmse: Some(rmse),
                test_nrmse: Some(nrmse),
                ..Self::default()
            },
        }
    }

    /// The measure by which results are ranked.
    #[must_use]
    pub fn measure(self) -> Measure {
        // R² is unknown, and `null` in a file, if the true values are all the same; the RMSE is known.
        if self.test_r2.is_some() || self.test_rmse.is_some() {
            Measure::R2
        } else {
            Measure::Accuracy
        }
    }

    /// The value of its [`measure`](Self::measure); 0 without a test.
    #[must_use]
    pub fn value(self) -> f32 {
        self.test_r2.or(self.test_accuracy).unwrap_or(0.0)
    }
}

impl fmt::Display for TestScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "test {} {}", self.measure().name(), self.measure().format(self.value()))
    }
}
