//! Divides samples into training and test samples.

use std::path::Path;

use rand::seq::SliceRandom;
use twinprop_devices::random;

use super::{SplitConfig, classes};
use crate::Error;

/// Indices of training and test samples, in the order of the file.
#[derive(Debug)]
pub(super) struct Halves {
    /// Training samples.
    pub train: Vec<usize>,
    /// Test samples.
    pub test: Vec<usize>,
}

/// Samples to divide.
pub(super) struct Divisible<'a> {
    /// Path of the file, for messages.
    pub path: &'a Path,
    /// Number of samples.
    pub samples: usize,
    /// Classes; `None` if the targets are values.
    pub classes: Option<Classes<'a>>,
    /// Value of the dividing column, one per sample.
    pub aside: &'a [String],
}

/// The class of each sample.
#[derive(Clone, Copy)]
pub(super) struct Classes<'a> {
    /// Class number of each sample.
    pub of_samples: &'a [usize],
    /// Name of each class.
    pub names: &'a [String],
}

impl Divisible<'_> {
    /// Divides the samples by `config`; `seed` draws a random split.
    ///
    /// # Errors
    /// [`Error::Data`] if one half would be empty, or, where classes are divided, without samples of a class.
    pub fn divide(&self, config: &SplitConfig, seed: u64) -> Result<Halves, Error> {
        match config {
            SplitConfig::Stratified { test_fraction } => match self.classes {
                Some(classes) => self.stratified(classes, *test_fraction, seed),
                None => self.random(*test_fraction, seed, "stratified"),
            },
            SplitConfig::Random { test_fraction } => self.random(*test_fraction, seed, "random"),
            SplitConfig::Ordered { test_fraction } => {
                let tested = self.tested(self.samples, "samples", *test_fraction, "ordered")?;
                let first = self.samples - tested;
                Ok(Halves { train: (0..first).collect(), test: (first..self.samples).collect() })
            }
            SplitConfig::ByColumn { column, test } => self.by_column(column, test),
        }
    }

    /// Tests the same share of each class.
    fn stratified(
        &self,
        Classes { of_samples, names }: Classes,
        test_fraction: f64,
        seed: u64,
    ) -> Result<Halves, Error> {
        let (mut train, mut test) = (Vec::new(), Vec::new());
        for (class, name) in names.iter().enumerate() {
            let mut members: Vec<usize> =
                (0..of_samples.len()).filter(|&sample| of_samples[sample] == class).collect();
            members.shuffle(&mut random::stream(seed, &format!("split class {class}")));
            // A class of a series may have no window that answers it.
            if members.is_empty() {
                continue;
            }
            let tested = (members.len() as f64 * test_fraction).round() as usize;
            if tested == 0 || tested == members.len() {
                return Err(self.refused(format!(
                    "the class `{name}` has too few samples ({}) to test {test_fraction} of them; add samples, or change data.split.stratified.test_fraction",
                    members.len()
                )));
            }
            train.extend_from_slice(&members[tested..]);
            test.extend_from_slice(&members[..tested]);
        }
        train.sort_unstable();
        test.sort_unstable();
        Ok(Halves { train, test })
    }

    /// Tests a share of all samples.
    fn random(&self, test_fraction: f64, seed: u64, split: &str) -> Result<Halves, Error> {
        let tested = self.tested(self.samples, "samples", test_fraction, split)?;
        let mut places: Vec<usize> = (0..self.samples).collect();
        places.shuffle(&mut random::stream(seed, "split at random"));
        let mut train = places.split_off(tested);
        let mut test = places;
        train.sort_unstable();
        test.sort_unstable();
        Ok(Halves { train, test })
    }

    fn by_column(&self, column: &str, values: &[String]) -> Result<Halves, Error> {
        let (mut train, mut test) = (Vec::new(), Vec::new());
        for (sample, value) in self.aside.iter().enumerate() {
            if values.iter().any(|tested| classes::same(tested, value)) {
                &mut test
            } else {
                &mut train
            }
            .push(sample);
        }
        let absent: Vec<&String> = values
            .iter()
            .filter(|tested| !self.aside.iter().any(|value| classes::same(tested, value)))
            .collect();
        if let (Some(absent), false) = (absent.first(), test.is_empty()) {
            return Err(self.refused(format!(
                "column `{column}`: no sample has the value {absent}; check data.split.by_column.test"
            )));
        }
        if train.is_empty() || test.is_empty() {
            let which = if test.is_empty() { "no sample" } else { "every sample" };
            return Err(self.refused(format!(
                "column `{column}`: {which} has one of the values {}; check data.split.by_column.test",
                values.join(", ")
            )));
        }
        Ok(Halves { train, test })
    }

    /// Number of test samples (or other `things`) among `count`; refuses an empty half.
    pub fn tested(
        &self,
        count: usize,
        things: &str,
        test_fraction: f64,
        split: &str,
    ) -> Result<usize, Error> {
        let tested = (count as f64 * test_fraction).round() as usize;
        if tested == 0 || tested >= count {
            return Err(self.refused(format!(
                "too few {things} ({count}) to test {test_fraction} of them; add some, or change data.split.{split}.test_fraction"
            )));
        }
        Ok(tested)
    }

    fn refused(&self, problem: String) -> Error {
        Error::Data { path: self.path.to_owned(), problem }
    }
}

/// Refuses training samples of a single class; `label` is the name of a table's label column.
pub(super) fn refuse_one_class(
    path: &Path,
    classes: &[String],
    label: Option<&str>,
) -> Result<(), Error> {
    let [only] = classes else {
        return Ok(());
    };
    let problem = match label {
        Some(label) => format!(
            "the label column `{label}` has only one class in the training samples, `{only}`; name another label column in data.source.csv.label, or add samples of another class"
        ),
        None => format!(
            "the training samples have only one class, `{only}`; add samples of another class"
        ),
    };
    Err(Error::Data { path: path.to_owned(), problem })
}
