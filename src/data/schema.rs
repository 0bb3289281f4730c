//! Names and scaling of a data set's columns and classes, with which later samples are read.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

use super::names::{SHOWN, listed};
use super::scaling::FeatureScaling;
use super::table::Table;
use super::{Dataset, Targets, classes};
use crate::Error;

/// Names and scaling of a training set's features, classes and targets. Other samples of the same kind are read with it;
/// see [`read_samples`](super::read_samples).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// The features, in the order of the rows of [`Dataset::features`](super::Dataset::features).
    pub features: Vec<Feature>,
    /// Name of each class, by class number. Empty if the targets are values.
    pub classes: Vec<String>,
    /// Name of the label column; `None` for samples that are not a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The targets, in the order of the rows of [`Targets::Values`]; empty if they are classes. Their scaling is
    /// [`FeatureScaling::standard`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Feature>,
    /// Whether the features are complex amplitudes: all real parts, then all imaginary parts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_complex: bool,
}

/// Name and scaling of a feature or a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    /// Name in the file's header, or of a pixel, band or sample.
    pub name: String,
    /// Scaling from the file's unit to the network's.
    #[serde(default)]
    pub scaling: FeatureScaling,
}

impl Schema {
    /// A schema without scaling.
    pub(super) fn unscaled(names: Vec<String>, classes: Vec<String>) -> Self {
        let features = names
            .into_iter()
            .map(|name| Feature { name, scaling: FeatureScaling::default() })
            .collect();
        Self { features, classes, label: None, targets: Vec::new(), is_complex: false }
    }

    /// Names of the features.
    pub fn feature_names(&self) -> impl Iterator<Item = &str> {
        self.features.iter().map(|feature| feature.name.as_str())
    }

    /// Names of the targets that are values.
    pub fn target_names(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().map(|target| target.name.as_str())
    }

    /// Converts a network's outputs `[targets × samples]` from standardised units to the file's units.
    ///
    /// # Panics
    /// If there are not as many rows as [`targets`](Self::targets).
    #[must_use]
    pub fn in_file_units(&self, answers: &DMatrix<f32>) -> DMatrix<f64> {
        assert_eq!(answers.nrows(), self.targets.len(), "a row a target");
        DMatrix::from_fn(answers.nrows(), answers.ncols(), |target, sample| {
            self.targets[target].scaling.invert(answers[(target, sample)])
        })
    }

    /// Number of the class `label`; if all classes are numbers, 1.0 is the class 1.
    #[must_use]
    pub fn class_of(&self, label: &str) -> Option<usize> {
        let place = |name: &str| self.classes.iter().position(|class| class == name);
        place(label).or_else(|| {
            let all_numbers = self.classes.iter().all(|class| classes::number(class).is_some());
            let number = classes::number(label).filter(|_| all_numbers)?;
            place(&classes::canonical(number))
        })
    }

    /// Refuses a header with the columns `names` if features are missing.
    pub(super) fn refuse_missing(&self, names: &[String]) -> Result<(), String> {
        let there: HashSet<&str> = names.iter().map(String::as_str).collect();
        let missing: Vec<&str> =
            self.feature_names().filter(|name| !there.contains(name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(format!(
            "there is no {} in the header, which the network needs; its columns are {}",
            listed(&missing, SHOWN),
            listed(names, SHOWN)
        ))
    }

    /// Features of the table, `[features × samples]`; columns are found by name.
    pub(super) fn features_of(&self, table: &Table) -> Result<DMatrix<f32>, Error> {
        let places: HashMap<&str, usize> =
            table.features.iter().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
        self.refuse_missing(&table.features)
            .map_err(|problem| Error::Data { path: table.path.clone(), problem })?;
        let columns: Vec<usize> = self.feature_names().map(|name| places[name]).collect();
        Ok(DMatrix::from_fn(columns.len(), table.rows.len(), |feature, sample| {
            self.features[feature].scaling.apply(table.rows[sample][columns[feature]])
        }))
    }

    /// Features and targets of a table with this schema's columns, in any order.
    ///
    /// # Errors
    /// [`Error::Data`] names columns and classes that the training data do not have.
    pub(super) fn dataset(&self, table: &Table) -> Result<Dataset, Error> {
        let features = self.features_of(table)?;
        let known: HashSet<&str> = self.feature_names().collect();
        let more: Vec<&String> =
            table.features.iter().filter(|name| !known.contains(name.as_str())).collect();
        if !more.is_empty() {
            return Err(Error::Data {
                path: table.path.clone(),
                problem: format!(
                    "the header has {}, but the training data do not; name it in data.source.csv.ignore, or remove it",
                    listed(&more, SHOWN)
                ),
            });
        }
        let targets = match self.targets_of(table) {
            Some(values) => values.into(),
            None => Targets::Classes(self.labels_of(table)?),
        };
        Ok(Dataset { features, targets })
    }

    /// Standardised targets of the table, `[targets × samples]`; `None` without targets.
    pub(super) fn targets_of(&self, table: &Table) -> Option<DMatrix<f32>> {
        if table.targets.is_empty() {
            return None;
        }
        // The table has the schema's targets in the same order.
        Some(DMatrix::from_fn(self.targets.len(), table.target_rows.len(), |target, sample| {
            self.targets[target].scaling.apply(table.target_rows[sample][target])
        }))
    }

    /// Class numbers of the table's labels.
    pub(super) fn labels_of(&self, table: &Table) -> Result<Vec<usize>, Error> {
        let labels = table.labels.iter().map(String::as_str);
        self.numbers_of(labels, &table.path, |sample| table.place(sample))
    }

    /// Class numbers of `labels` from the file `path`; `place` is the start of a message on a sample.
    ///
    /// # Errors
    /// [`Error::Data`] names a class that the training data do not have.
    pub(super) fn numbers_of<'a>(
        &self,
        labels: impl Iterator<Item = &'a str>,
        path: &Path,
        place: impl Fn(usize) -> String,
    ) -> Result<Vec<usize>, Error> {
        let number = |(sample, label): (usize, &str)| {
            self.class_of(label).ok_or_else(|| Error::Data {
                path: path.to_owned(),
                problem: format!(
                    "{}the class `{label}` is not among the training data's classes {}; remove these samples, move some of them to the training data, or predict with option `ignore_labels`",
                    place(sample),
                    listed(&self.classes, SHOWN)
                ),
            })
        };
        labels.enumerate().map(number).collect()
    }
}

/// The scaling of each of `features`.
pub(super) fn scalings(features: &[Feature]) -> Vec<FeatureScaling> {
    features.iter().map(|feature| feature.scaling).collect()
}
