//! Results of a comparison: `compare.json`.

use serde::{Deserialize, Serialize};

use super::cell::Cell;
use super::plan::Plan;
use super::settings::ADVICE;
use super::statistics::{mean_and_deviation, paired_p_value};
use super::sweep::SweptValues;
use crate::Error;
use crate::experiment::recipe::Column;
use crate::experiment::run_folder::RunFolder;
use crate::experiment::summary::Summary;
use crate::experiment::verdict::TwinVerdict;
use crate::loss::{Measure, unknown};
use crate::training::TestScore;

/// Results of a comparison: `compare.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Comparison {
    /// The plan.
    pub plan: Plan,
    /// One row per column and combination of swept values, then one per digital network.
    pub rows: Vec<ComparisonRow>,
    /// Every run.
    pub cells: Vec<Cell>,
}

/// Results of one column or digital network over the seeds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ComparisonRow {
    /// Values of the swept keys.
    pub settings: SweptValues,
    /// Name of the column or digital network.
    pub name: String,
    /// Test score of each seed.
    #[serde(flatten)]
    pub test: SeedScores,
    /// Mean of the test scores.
    #[serde(deserialize_with = "unknown::number")]
    pub mean: f32,
    /// Sample standard deviation of the test scores.
    #[serde(deserialize_with = "unknown::number")]
    pub standard_deviation: f32,
    /// Two-sided p-value of the difference from the first column (paired t-test over seeds); `None` for the first
    /// column, fewer than two seeds or digital networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// Effort of its runs; `None` for a digital network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort: Option<Effort>,
}

/// The test score of each seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum SeedScores {
    /// Share of right answers.
    #[serde(rename = "test_accuracy")]
    Accuracy(Vec<f32>),
    /// R² of values.
    #[serde(rename = "test_r2", deserialize_with = "unknown::numbers")]
    R2(Vec<f32>),
}

impl SeedScores {
    /// The scores of `tests`, one per seed.
    #[must_use]
    pub fn of(tests: &[TestScore]) -> Self {
        let values = tests.iter().map(|test| test.value()).collect();
        match tests.first().map(|test| test.measure()) {
            Some(Measure::R2) => Self::R2(values),
            _ => Self::Accuracy(values),
        }
    }

    /// Kind of the scores.
    #[must_use]
    pub fn measure(&self) -> Measure {
        match self {
            Self::Accuracy(_) => Measure::Accuracy,
            Self::R2(_) => Measure::R2,
        }
    }

    /// The scores, one per seed.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        match self {
            Self::Accuracy(values) | Self::R2(values) => values,
        }
    }
}

/// Effort and gradient alignment of a column's runs; means over the seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effort {
    /// Shots on all devices, calibration included.
    pub device_shots: f64,
    /// Duration of the run in seconds.
    pub seconds: f64,
    /// Cosine between the rule's last gradient and backpropagation's through the twin; `None` for rules that
    /// backpropagate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alignment: Option<f32>,
}

impl Effort {
    /// The angle of [`alignment`](Self::alignment), in degrees.
    #[must_use]
    pub fn angle(&self) -> Option<f32> {
        self.alignment.map(|cosine| cosine.acos().to_degrees())
    }

    fn of(cells: &[&Cell]) -> Option<Self> {
        let mean = |value: fn(&Summary) -> f64| -> f64 {
            cells.iter().map(|cell| value(&cell.summary)).sum::<f64>() / cells.len() as f64
        };
        let alignments =
            cells.iter().map(|cell| Some(cell.history.last()?.alignment.as_ref()?.cosine));
        let alignments: Option<Vec<f32>> = alignments.collect();
        (!cells.is_empty()).then(|| Self {
            device_shots: mean(|summary| summary.device_shots as f64),
            seconds: mean(|summary| summary.seconds),
            alignment: alignments.map(|all| mean_and_deviation(&all).0),
        })
    }
}

impl ComparisonRow {
    pub(super) fn new(settings: SweptValues, name: String, tests: &[TestScore]) -> Self {
        let test = SeedScores::of(tests);
        let (mean, standard_deviation) = mean_and_deviation(test.values());
        Self { settings, name, test, mean, standard_deviation, p_value: None, effort: None }
    }
}

/// The worst twin of one device over the runs with the same swept values.
#[derive(Clone, Debug, PartialEq)]
pub struct WorstTwin {
    /// Values of the swept keys.
    pub settings: SweptValues,
    /// Verdict on the twin.
    pub verdict: TwinVerdict,
    /// Number of runs that it is the worst of.
    pub runs: usize,
}

impl Comparison {
    /// Kind of the scores.
    #[must_use]
    pub fn measure(&self) -> Measure {
        self.rows.first().map_or(Measure::Accuracy, |row| row.test.measure())
    }

    /// Reads the comparison in `folder`, with the epochs of its runs.
    ///
    /// # Errors
    /// [`Error::File`] if `folder` has no complete comparison, [`Error::Data`] for a damaged file.
    pub fn read(folder: &RunFolder) -> Result<Self, Error> {
        let mut comparison: Self = folder.read_json(RunFolder::COMPARISON, ADVICE)?;
        for cell in &mut comparison.cells {
            cell.history = RunFolder::at(&folder.path().join(&cell.folder)).read_metrics()?;
        }
        Ok(comparison)
    }

    /// The worst twin of each device and combination of swept values.
    #[must_use]
    pub fn verdicts(&self) -> Vec<WorstTwin> {
        let mut found: Vec<WorstTwin> = Vec::new();
        for cell in &self.cells {
            for twin in &cell.summary.twins {
                let same = |one: &&mut WorstTwin| {
                    one.settings == cell.settings && one.verdict.device == twin.device
                };
                match found.iter_mut().find(same) {
                    None => found.push(WorstTwin {
                        settings: cell.settings.clone(),
                        verdict: twin.clone(),
                        runs: 1,
                    }),
                    Some(WorstTwin { verdict: worst, runs, .. }) => {
                        *runs += 1;
                        let is_worse = (twin.grade, worst.gradient_cosine.value)
                            > (worst.grade, twin.gradient_cosine.value);
                        if is_worse {
                            *worst = twin.clone();
                        }
                    }
                }
            }
        }
        found
    }
}

/// Rows of the columns, each tested against the first one at the same swept values.
pub(super) fn rows(plan: &Plan, cells: &[Cell]) -> Vec<ComparisonRow> {
    let mut rows = Vec::new();
    for settings in &plan.settings() {
        let of_column = |column: &Column| -> Vec<&Cell> {
            let is_own = |cell: &&Cell| cell.settings == *settings && cell.column == column.name;
            cells.iter().filter(is_own).collect()
        };
        let tests = |cells: &[&Cell]| -> Vec<TestScore> {
            cells.iter().map(|cell| cell.summary.test).collect()
        };
        let first =
            plan.columns.first().map(|column| tests(&of_column(column))).unwrap_or_default();
        for (place, column) in plan.columns.iter().enumerate() {
            let own = of_column(column);
            let mut row = ComparisonRow::new(settings.clone(), column.name.clone(), &tests(&own));
            row.effort = Effort::of(&own);
            if place > 0 {
                row.p_value = paired_p_value(row.test.values(), SeedScores::of(&first).values());
            }
            rows.push(row);
        }
    }
    rows
}
