//! A table of samples before it is divided.

use std::path::PathBuf;

use super::ImageSize;

/// Samples from a file: features by row, labels by name.
#[derive(Debug)]
pub(super) struct Table {
    /// Path of the file, for messages.
    pub path: PathBuf,
    /// Names of the features.
    pub features: Vec<String>,
    /// Features, one row per sample.
    pub rows: Vec<Vec<f64>>,
    /// Name of the label column; `None` without one.
    pub label: Option<String>,
    /// Label of each sample; empty without labels.
    pub labels: Vec<String>,
    /// Names of the targets that are values.
    pub targets: Vec<String>,
    /// Targets in the file's units, one row per sample; empty without targets.
    pub target_rows: Vec<Vec<f64>>,
    /// Value of the column that divides the samples, one per sample.
    pub aside: Vec<String>,
    /// Image size, if the features are images.
    pub image: Option<ImageSize>,
    /// Line of each sample in the file; empty if the file is not a table.
    pub lines: Vec<usize>,
    /// Warnings about the file.
    pub warnings: Vec<String>,
    /// Whether the features were computed in f32, and need no scaling.
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

    /// Start of a message on a sample: its line, or nothing.
    pub fn place(&self, sample: usize) -> String {
        self.lines.get(sample).map_or_else(String::new, |line| format!("line {line}: "))
    }
}
