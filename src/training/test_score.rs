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
                test_r2: known(r2),
                test_rmse: Some(rmse),
                test_nrmse: known(nrmse),
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

    /// The value of its [`measure`](Self::measure): NaN if R² is unknown, 0 without a test.
    #[must_use]
    pub fn value(self) -> f32 {
        match self.measure() {
            Measure::R2 => self.test_r2.unwrap_or(f32::NAN),
            Measure::Accuracy => self.test_accuracy.unwrap_or(0.0),
        }
    }
}

/// `None` if R² or NRMSE is unknown: of one sample, or of true values that are all the same.
fn known(value: f32) -> Option<f32> {
    value.is_finite().then_some(value)
}

impl fmt::Display for TestScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "test {} {}", self.measure().name(), self.measure().format(self.value()))
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::DMatrix;

    use super::*;
    use crate::training::EpochMetrics;

    #[test]
    fn metrics_of_an_unknown_score_are_read_as_written() {
        let one = |value: f32| DMatrix::from_element(1, 1, value);
        let test = TestScore::of(Score::of(&one(0.5), &one(1.0).into()), &[]);
        assert_eq!((test.measure(), test.test_r2), (Measure::R2, None));
        assert!(test.value().is_nan() && test.to_string() == "test R² unknown", "{test}");
        let metrics = EpochMetrics {
            epoch: 1,
            learning_rate: 0.1,
            train_loss: 0.5,
            train_accuracy: None,
            range_penalty: 0.0,
            test_loss: f32::INFINITY,
            test,
            device_shots: 0,
            clamped: 0,
            alignment: None,
            twins: Vec::new(),
            parameters: std::collections::BTreeMap::new(),
            seconds: 1.0,
            confusion: Vec::new(),
        };
        let text = serde_json::to_string(&metrics).expect("it is written");
        let read: EpochMetrics = serde_json::from_str(&text).expect("it is read");
        assert!(read.test_loss.is_nan() && read.test == test, "{text}");
    }
}
