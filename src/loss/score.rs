//! Scores of a network's outputs: accuracy, R² and errors.

use nalgebra::DMatrix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::Targets;

/// How well outputs meet targets.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Score {
    /// Of classes: share of samples with the largest output at their class.
    Accuracy(f32),
    /// Of several labels a sample.
    Labels {
        /// Share of right labels; an output above zero predicts its label.
        accuracy: f32,
        /// Share of samples with all labels right.
        exact: f32,
    },
    /// Of values.
    Values {
        /// R² = 1 − Σ (t − y)² / Σ (t − mean t)², over all samples and targets.
        r2: f32,
        /// Root mean squared error, in the targets' unit.
        rmse: f32,
        /// √(1 − R²): `rmse` in units of the targets' standard deviation.
        nrmse: f32,
    },
}

/// The number of a score by which results are ranked; higher is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Measure {
    /// Share of right answers.
    #[default]
    Accuracy,
    /// R² of values.
    R2,
}

impl Measure {
    /// The measure for `targets`; `is_labels` if values are several labels a sample.
    #[must_use]
    pub fn of(targets: &Targets, is_labels: bool) -> Self {
        match targets {
            Targets::Values(_) if !is_labels => Self::R2,
            _ => Self::Accuracy,
        }
    }

    /// Whether it is the accuracy, the only measure of earlier versions.
    #[must_use]
    pub fn is_accuracy(&self) -> bool {
        *self == Self::Accuracy
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::R2 => "R²",
        }
    }

    /// Formats `value`: `98.1 %`, `99.97 %` or `0.912`; `unknown` if it is not finite, such as R² of one sample or of
    /// true values that are all the same.
    #[must_use]
    pub fn format(self, value: f32) -> String {
        if !value.is_finite() {
            return "unknown".to_owned();
        }
        let digits = self.digits(value);
        match self {
            Self::Accuracy => format!("{:.digits$} %", 100.0 * value),
            Self::R2 => format!("{value:.digits$}"),
        }
    }

    /// Formats a mean and a standard deviation: `98.1 ± 0.4` in percent, or `0.912 ± 0.004`.
    #[must_use]
    pub fn format_mean(self, mean: f32, deviation: f32) -> String {
        let digits = self.digits(mean);
        let shown = self.shown();
        format!("{:.digits$} ± {:.digits$}", shown * mean, shown * deviation)
    }

    /// Number of decimals: more for scores near one, so that good results differ.
    fn digits(self, value: f32) -> usize {
        let left = 1.0 - value;
        let more = if left <= 0.0 || left >= 0.01 {
            0
        } else if left >= 0.001 {
            1
        } else {
            2
        };
        match self {
            Self::Accuracy => 1 + more,
            Self::R2 => 3 + more,
        }
    }

    /// Factor between the value and the number that tables and charts show.
    #[must_use]
    pub fn shown(self) -> f32 {
        match self {
            Self::Accuracy => 100.0,
            Self::R2 => 1.0,
        }
    }

    /// Name and unit, for an axis or the head of a column.
    #[must_use]
    pub fn with_unit(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy (%)",
            Self::R2 => "R²",
        }
    }
}

impl Score {
    /// The score of `outputs` `[outputs × samples]` against `targets`: the accuracy of classes, R² of values.
    #[must_use]
    pub fn of(outputs: &DMatrix<f32>, targets: &Targets) -> Self {
        match targets {
            Targets::Classes(classes) => Self::Accuracy(accuracy(&predictions(outputs), classes)),
            Targets::Values(values) => Self::of_values(outputs, values),
        }
    }

    /// The score of `outputs` `[labels × samples]` against labels; an output above zero predicts its label.
    #[must_use]
    pub fn of_labels(outputs: &DMatrix<f32>, targets: &Targets) -> Self {
        let Targets::Values(values) = targets else { return Self::of(outputs, targets) };
        let is_right = |output: f32, label: f32| (output > 0.0) == (label > 0.5);
        let right = outputs.iter().zip(values).filter(|(y, t)| is_right(**y, **t)).count();
        let samples = outputs.column_iter().zip(values.column_iter());
        let exact = samples.filter(|(y, t)| y.iter().zip(t).all(|(&y, &t)| is_right(y, t))).count();
        Self::Labels {
            accuracy: right as f32 / values.len() as f32,
            exact: exact as f32 / values.ncols() as f32,
        }
    }

    fn of_values(outputs: &DMatrix<f32>, values: &DMatrix<f32>) -> Self {
        let (mut errors, mut total) = (0.0_f64, 0.0_f64);
        for (outputs, values) in outputs.row_iter().zip(values.row_iter()) {
            let count = values.len() as f64;
            let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
            for (&output, &value) in outputs.iter().zip(values.iter()) {
                errors += (f64::from(value) - f64::from(output)).powi(2);
                total += (f64::from(value) - mean).powi(2);
            }
        }
        let unexplained = errors / total;
        Self::Values {
            r2: (1.0 - unexplained) as f32,
            rmse: (errors / values.len() as f64).sqrt() as f32,
            nrmse: unexplained.sqrt() as f32,
        }
    }

    /// The same for targets that were divided by `unit`: their RMSE is multiplied by it.
    #[must_use]
    pub fn in_unit(self, unit: f32) -> Self {
        match self {
            Self::Values { r2, rmse, nrmse } => Self::Values { r2, rmse: rmse * unit, nrmse },
            other => other,
        }
    }

    /// The measure by which results are ranked.
    #[must_use]
    pub fn measure(self) -> Measure {
        match self {
            Self::Accuracy(_) | Self::Labels { .. } => Measure::Accuracy,
            Self::Values { .. } => Measure::R2,
        }
    }

    /// The value of its [`measure`](Self::measure).
    #[must_use]
    pub fn value(self) -> f32 {
        match self {
            Self::Accuracy(value) | Self::Labels { accuracy: value, .. } => value,
            Self::Values { r2, .. } => r2,
        }
    }

    /// Share of right answers; `None` for values.
    #[must_use]
    pub fn accuracy(self) -> Option<f32> {
        (self.measure() == Measure::Accuracy).then(|| self.value())
    }
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.measure().name(), self.measure().format(self.value()))
    }
}

/// The predicted class of each sample: the index of the largest of its `outputs` `[outputs × samples]`.
#[must_use]
pub fn predictions(outputs: &DMatrix<f32>) -> Vec<usize> {
    let largest = |of_sample: &[f32]| {
        (1..of_sample.len())
            .fold(0, |best, class| if of_sample[class] > of_sample[best] { class } else { best })
    };
    outputs.as_slice().chunks(outputs.nrows().max(1)).map(largest).collect()
}

/// Share of `predicted` that equals `classes`.
fn accuracy(predicted: &[usize], classes: &[usize]) -> f32 {
    let right = predicted.iter().zip(classes).filter(|(left, right)| left == right).count();
    right as f32 / classes.len() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_scored_by_their_variance_and_in_their_unit() {
        let values = DMatrix::from_row_slice(1, 4, &[1.0, 2.0, 3.0, 4.0]);
        let outputs = DMatrix::from_row_slice(1, 4, &[1.5, 2.0, 3.0, 3.5]);
        let Score::Values { r2, rmse, nrmse } = Score::of(&outputs, &values.into()).in_unit(10.0)
        else {
            panic!("values have a score of values");
        };
        // Squared errors 0.5 of a variance of 5.
        assert!((r2 - 0.9).abs() < 1e-6 && (nrmse - 0.1_f32.sqrt()).abs() < 1e-6, "{r2} {nrmse}");
        assert!((rmse - 10.0 * 0.125_f32.sqrt()).abs() < 1e-5, "{rmse}");
    }

    #[test]
    fn good_results_have_more_digits() {
        let accuracy = |value| Measure::Accuracy.format(value);
        assert_eq!(
            [0.981, 0.995, 0.9997, 1.0].map(accuracy),
            ["98.1 %", "99.50 %", "99.970 %", "100.0 %"]
        );
        assert_eq!(Measure::R2.format(0.9996), "0.99960");
        assert_eq!(Measure::Accuracy.format_mean(0.9997, 0.0001), "99.970 ± 0.010");
    }

    #[test]
    fn labels_are_scored_one_by_one_and_by_sample() {
        let labels = DMatrix::from_column_slice(2, 2, &[1.0, 0.0, 1.0, 1.0]);
        let outputs = DMatrix::from_column_slice(2, 2, &[3.0, -1.0, 0.5, -0.5]);
        let found = Score::of_labels(&outputs, &labels.into());
        assert_eq!(found, Score::Labels { accuracy: 0.75, exact: 0.5 });
    }
}
