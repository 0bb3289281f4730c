//! What a data set's columns and classes are called and how they are scaled, so that later samples are read alike.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

use super::classes;
use super::table::Table;
use crate::Error;

/// A training set's features and classes. It is enough to read other samples of the same kind, see
/// [`read_samples`](super::read_samples).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// The features, in the order of the rows of [`Dataset::features`](super::Dataset::features).
    pub features: Vec<Feature>,
    /// Name of each class; the place is the class's number.
    pub classes: Vec<String>,
    /// Name of the label column; none where the samples are no table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// A feature's name and how its values become f32.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    /// Name in the file's header, or of the pixel, band or sample.
    pub name: String,
    /// From the file's unit to the network's.
    #[serde(default)]
    pub scaling: FeatureScaling,
}

/// (value − offset) / unit, taken in f64 before the result becomes f32.
///
/// Most features stay as they are: offset 0, unit 1. A feature is brought to [−1, 1] where f32 would lose its
/// differences: at optical frequencies of 2e14 Hz that lie 1 MHz apart, or at currents of 1e-30 A.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureScaling {
    /// Subtracted, in the file's unit.
    pub offset: f64,
    /// Divided by, in the file's unit; not zero.
    pub unit: f64,
}

impl Default for FeatureScaling {
    fn default() -> Self {
        Self { offset: 0.0, unit: 1.0 }
    }
}

/// Largest ratio of a feature's magnitude to its spread that f32 is trusted with: it leaves 2^16 steps.
const LARGEST_RATIO: f64 = 256.0;
/// Magnitudes that f32 squares without overflow or underflow.
const MAGNITUDES: std::ops::Range<f64> = 1e-15..1e15;

impl FeatureScaling {
    /// The scaling that a feature with the training values `values` (all finite) needs.
    #[must_use]
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        if low > high {
            return Self::default();
        }
        // Halves first: the difference of two values near 1e308 overflows.
        let (middle, half) = (0.5 * low + 0.5 * high, 0.5 * high - 0.5 * low);
        let largest = low.abs().max(high.abs());
        if half == 0.0 {
            // A later value of a constant feature must not be infinite, and stays in the file's unit.
            let fits = largest == 0.0 || MAGNITUDES.contains(&largest);
            return if fits { Self::default() } else { Self { offset: low, unit: largest } };
        }
        let fits = largest <= LARGEST_RATIO * 2.0 * half
            && MAGNITUDES.contains(&largest)
            && MAGNITUDES.contains(&half);
        // The smallest f64 are so coarse that half a difference may not divide it.
        if fits {
            Self::default()
        } else {
            Self { offset: middle, unit: half.max(f64::MIN_POSITIVE) }
        }
    }

    /// The value for the network.
    #[must_use]
    pub fn apply(&self, value: f64) -> f32 {
        // A value far outside the training range clamps at the network's first stage; f32's limit keeps it finite.
        let scaled = if self.offset == 0.0 {
            value / self.unit
        } else {
            let difference = value - self.offset;
            if difference.is_finite() {
                difference / self.unit
            } else {
                value / self.unit - self.offset / self.unit
            }
        };
        scaled.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
    }
}

impl Schema {
    /// Features that are taken as they are.
    pub(super) fn unscaled(names: Vec<String>, classes: Vec<String>) -> Self {
        let features = names
            .into_iter()
            .map(|name| Feature { name, scaling: FeatureScaling::default() })
            .collect();
        Self { features, classes, label: None }
    }

    /// Names of the features.
    pub fn feature_names(&self) -> impl Iterator<Item = &str> {
        self.features.iter().map(|feature| feature.name.as_str())
    }

    /// The number of the class that a file calls `label`; where all classes are numbers, 1.0 is the class 1.
    #[must_use]
    pub fn class_of(&self, label: &str) -> Option<usize> {
        let place = |name: &str| self.classes.iter().position(|class| class == name);
        place(label).or_else(|| {
            let all_numbers = self.classes.iter().all(|class| classes::number(class).is_some());
            let number = classes::number(label).filter(|_| all_numbers)?;
            place(&classes::canonical(number))
        })
    }

    /// Names what a header of the columns `names` lacks.
    pub(super) fn refuse_missing(&self, names: &[String]) -> Result<(), String> {
        let there: HashSet<&str> = names.iter().map(String::as_str).collect();
        let missing: Vec<&str> =
            self.feature_names().filter(|name| !there.contains(name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(format!(
            "the header has no {}, which the training data have; it has {}",
            listed(&missing),
            listed(names)
        ))
    }

    /// The table's samples, `[features × samples]`, its columns found by name.
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

    /// Features and class numbers of a labelled table whose columns are this schema's, in any order.
    ///
    /// # Errors
    /// [`Error::Data`] names columns and classes that the training data do not have.
    pub(super) fn dataset(&self, table: &Table) -> Result<super::Dataset, Error> {
        let features = self.features_of(table)?;
        let known: HashSet<&str> = self.feature_names().collect();
        let more: Vec<&String> =
            table.features.iter().filter(|name| !known.contains(name.as_str())).collect();
        if !more.is_empty() {
            return Err(Error::Data {
                path: table.path.clone(),
                problem: format!(
                    "the header has {}, which the training data do not have; name it in data.source.csv.ignore, or take it out",
                    listed(&more)
                ),
            });
        }
        Ok(super::Dataset { features, targets: self.labels_of(table)?.into() })
    }

    /// Class numbers of the table's labels.
    pub(super) fn labels_of(&self, table: &Table) -> Result<Vec<usize>, Error> {
        let labels = table.labels.iter().map(String::as_str);
        self.numbers_of(labels, &table.path, |sample| table.place(sample))
    }

    /// Class numbers of `labels`, which stand in the file `path`; `place` begins the message on a sample.
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
                    "{}the class `{label}` is not among the training data's, which are {}; take these samples out, train with some of them, or set option `ignore_labels`",
                    place(sample),
                    listed(&self.classes)
                ),
            })
        };
        labels.enumerate().map(number).collect()
    }
}

/// Names in one line, the first twelve of them.
pub(super) fn listed(names: &[impl AsRef<str>]) -> String {
    const SHOWN: usize = 12;
    let mut text: Vec<String> =
        names.iter().take(SHOWN).map(|name| format!("`{}`", name.as_ref())).collect();
    if names.len() > SHOWN {
        text.push(format!("and {} more", names.len() - SHOWN));
    }
    text.join(", ")
}

#[cfg(test)]
mod tests {
    use super::FeatureScaling;

    fn scaled(values: &[f64]) -> Vec<f32> {
        let scaling = FeatureScaling::of(values.iter().copied());
        values.iter().map(|&value| scaling.apply(value)).collect()
    }

    #[test]
    fn ordinary_features_stay_as_they_are() {
        for values in [[0.0, 0.5, 1.0], [-3.0, 2.0, 7e5], [100.0, 101.0, 102.0], [5.0; 3], [0.0; 3]]
        {
            assert_eq!(scaled(&values), values.map(|value| value as f32));
        }
    }

    #[test]
    fn differences_that_f32_would_lose_are_kept() {
        for (offset, step) in [
            (1.93414489032e14, 1e6),
            (-1.93414489032e14, 1e6),
            (1e9, 1.0),
            (0.0, 1e-30),
            (0.0, 1e-300),
            (0.0, 1e300),
            (1e-30, 1e-40),
            (0.0, 8e307),
        ] {
            let values = [offset, offset + step, offset + 2.0 * step];
            let scaled = scaled(&values);
            for (value, expected) in scaled.iter().zip([-1.0, 0.0, 1.0]) {
                assert!((value - expected).abs() < 1e-4, "{offset} {step}: {scaled:?}");
            }
        }
        assert_eq!(scaled(&[-f64::MAX, 0.0, f64::MAX]), [-1.0, 0.0, 1.0]);
        assert_eq!(
            scaled(&[0.0, 0.0, 5e-324]).iter().filter(|value| !value.is_finite()).count(),
            0
        );
        // A constant feature outside f32's range is a finite zero.
        assert_eq!(scaled(&[1e300; 2]), [0.0; 2]);
    }

    #[test]
    fn later_values_scale_as_the_training_values_did_and_stay_finite() {
        let scaling = FeatureScaling::of([2e14, 2e14 + 2e6].into_iter());
        assert_eq!(scaling.apply(2e14 + 3e6), 2.0);
        assert!(scaling.apply(f64::MAX).is_finite() && scaling.apply(f64::MIN).is_finite());
    }
}
