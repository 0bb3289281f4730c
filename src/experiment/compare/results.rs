//! A comparison's results: `compare.json`.

use serde::{Deserialize, Serialize};

use super::cell::Cell;
use super::plan::Plan;
use super::settings::ADVICE;
use super::statistics::{mean_and_deviation, paired_p_value};
use super::sweep::Settings;
use crate::experiment::run_folder::RunFolder;
use crate::experiment::summary::Summary;
use crate::experiment::verdict::TwinVerdict;
use crate::loss::Measure;
use crate::training::TestScore;
use crate::{Error, Rule};

/// A comparison's results: `compare.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Comparison {
    /// What was compared.
    pub plan: Plan,
    /// A row a rule and combination of swept values, then the digital networks.
    pub rows: Vec<ComparisonRow>,
    /// Every run.
    pub cells: Vec<Cell>,
}

/// One rule or digital network over the seeds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ComparisonRow {
    /// Values of the swept keys.
    pub settings: Settings,
    /// Its name.
    pub name: String,
    /// Test score of each seed.
    #[serde(flatten)]
    pub test: SeedScores,
    /// Their mean.
    pub mean: f32,
    /// Their standard deviation (of a sample).
    pub standard_deviation: f32,
    /// Probability of such a difference from the first rule if there were none (paired t-test,
    /// two-sided), where that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// What its runs took, where it is a rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort: Option<Effort>,
}

/// The test score of each seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SeedScores {
    /// Share of right answers.
    #[serde(rename = "test_accuracy")]
    Accuracy(Vec<f32>),
    /// R² of values.
    #[serde(rename = "test_r2")]
    R2(Vec<f32>),
}

impl SeedScores {
    /// Of `tests`, one a seed.
    #[must_use]
    pub fn of(tests: &[TestScore]) -> Self {
        let values = tests.iter().map(|test| test.value()).collect();
        match tests.first().map(|test| test.measure()) {
            Some(Measure::R2) => Self::R2(values),
            _ => Self::Accuracy(values),
        }
    }

    /// What they are.
    #[must_use]
    pub fn measure(&self) -> Measure {
        match self {
            Self::Accuracy(_) => Measure::Accuracy,
            Self::R2(_) => Measure::R2,
        }
    }

    /// The numbers.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        match self {
            Self::Accuracy(values) | Self::R2(values) => values,
        }
    }
}

/// What the runs of a rule took, and how its gradient lay; means over the seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effort {
    /// Shots played on all devices, calibration included.
    pub device_shots: f64,
    /// Seconds of training.
    pub seconds: f64,
    /// Cosine of the angle between its last gradient and that of backpropagation through the twin, where it
    /// is another one.
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
    pub(super) fn new(settings: Settings, name: String, tests: &[TestScore]) -> Self {
        let test = SeedScores::of(tests);
        let (mean, standard_deviation) = mean_and_deviation(test.values());
        Self { settings, name, test, mean, standard_deviation, p_value: None, effort: None }
    }
}

impl Comparison {
    /// What its scores are.
    #[must_use]
    pub fn measure(&self) -> Measure {
        self.rows.first().map_or(Measure::Accuracy, |row| row.test.measure())
    }

    /// The comparison in `folder`, with the epochs of its runs.
    ///
    /// # Errors
    /// [`Error::File`] where there is none that has ended, [`Error::Data`] for a damaged file.
    pub fn read(folder: &RunFolder) -> Result<Self, Error> {
        let mut comparison: Self = folder.read_json(RunFolder::COMPARISON, ADVICE)?;
        for cell in &mut comparison.cells {
            cell.history = RunFolder::at(&folder.path().join(&cell.folder)).read_metrics()?;
        }
        Ok(comparison)
    }

    /// What the twins were worth in the runs that use them: a verdict a device and combination of swept
    /// values, the worst of the runs', with how many runs there were.
    #[must_use]
    pub fn verdicts(&self) -> Vec<(Settings, TwinVerdict, usize)> {
        let mut found: Vec<(Settings, TwinVerdict, usize)> = Vec::new();
        for cell in &self.cells {
            for twin in &cell.summary.twins {
                let same = |one: &&mut (Settings, TwinVerdict, usize)| {
                    one.0 == cell.settings && one.1.device == twin.device
                };
                match found.iter_mut().find(same) {
                    None => found.push((cell.settings.clone(), twin.clone(), 1)),
                    Some((_, worst, runs)) => {
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

/// The rows of the rules, each tested against the first rule on the same values.
pub(super) fn rows(plan: &Plan, cells: &[Cell]) -> Vec<ComparisonRow> {
    let mut rows = Vec::new();
    for settings in &plan.settings() {
        let of_rule = |rule: Rule| -> Vec<&Cell> {
            let own = cells.iter().filter(|cell| cell.settings == *settings && cell.rule == rule);
            own.collect()
        };
        let tests = |cells: &[&Cell]| -> Vec<TestScore> {
            cells.iter().map(|cell| cell.summary.test).collect()
        };
        let first = plan.rules.first().map(|&rule| tests(&of_rule(rule))).unwrap_or_default();
        for (place, &rule) in plan.rules.iter().enumerate() {
            let own = of_rule(rule);
            let mut row = ComparisonRow::new(settings.clone(), rule.to_string(), &tests(&own));
            row.effort = Effort::of(&own);
            if place > 0 {
                row.p_value = paired_p_value(row.test.values(), SeedScores::of(&first).values());
            }
            rows.push(row);
        }
    }
    rows
}
