//! A table of samples before it is divided.

use std::path::PathBuf;

use super::ImageSize;

/// Samples as read: features still by row, labels still by name.
#[derive(Debug)]
pub(super) struct Table {
    /// Where it came from, for messages.
    pub path: PathBuf,
    /// Names of the features.
    pub features: Vec<String>,
    /// One row a sample.
    pub rows: Vec<Vec<f64>>,
    /// Name of the label column, if the samples are a table with one.
    pub label: Option<String>,
    /// Label of each sample; empty where there are none.
    pub labels: Vec<String>,
    /// Names of the targets that are values.
    pub targets: Vec<String>,
    /// Their values in the file's units, one row a sample; empty where there are none.
    pub target_rows: Vec<Vec<f64>>,
    /// Value of the column that the split goes by, a sample.
    pub aside: Vec<String>,
    /// Size of the images that the features are, if they are images.
    pub image: Option<ImageSize>,
    /// Line of each sample in the file; empty where the samples are no table.
    pub lines: Vec<usize>,
    /// What is odd, to be told to the user.
    pub warnings: Vec<String>,
    /// Whether the rows were f32 already, so that no feature is scaled.
    pub in_f32: bool,
}

impl Table {
    /// The samples `chosen`, in that order.
    pub fn choose(&self, chosen: &[usize]) -> Self {
        fn of<T: Clone>(all: &[T], chosen: &[usize]) -> Vec<T> {
            chosen.iter().filter_map(|&sample| all.get(sample).cloned()).collect()
        }
        Self {
            path: self.path.clone(),
            features: self.features.clone(),
            rows: of(&self.rows, chosen),
            label: self.label.clone(),
            labels: of(&self.labels, chosen),
            targets: self.targets.clone(),
            target_rows: of(&self.target_rows, chosen),
            aside: of(&self.aside, chosen),
            image: self.image,
            lines: of(&self.lines, chosen),
            warnings: Vec::new(),
            in_f32: self.in_f32,
        }
    }

    /// The beginning of a message on a sample: its line, if it has one.
    pub fn place(&self, sample: usize) -> String {
        self.lines.get(sample).map_or_else(String::new, |line| format!("line {line}: "))
    }
}
