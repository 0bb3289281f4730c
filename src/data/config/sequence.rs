//! What a recipe says about a time series.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::validate;

use super::csv::CsvLayout;
use super::series::SeriesConfig;

/// Windows of a time series. The features of a sample are the inputs' values in a window, input by input, each in
/// the order of time: `u(t), …, u(t + window − 1), v(t), …, v(t + window − 1)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SequenceConfig {
    /// The file of the series: CSV with a line a time, NPY of `(times)` or `(times, columns)`, or NPZ with an array a
    /// column. The columns of an NPY file are `column 1`, `column 2` and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// In the place of a file, a series that is calculated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<SeriesConfig>,
    /// The file of a series of test samples with the same columns; then nothing is divided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<PathBuf>,
    /// Names of the columns that the network sees.
    pub inputs: Vec<String>,
    /// Names of the columns of values that it answers; an input may be one of them, as in a prediction.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// In the place of targets, the column of a class at each time, such as a symbol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<String>,
    /// Times in a window.
    #[serde(deserialize_with = "validate::count")]
    pub window: usize,
    /// Times from a window's beginning to that of the next.
    #[serde(default = "one", deserialize_with = "validate::count")]
    pub stride: usize,
    /// Which times of a window are answered.
    #[serde(default)]
    pub target: SequenceTarget,
    /// How many times later the answered values are; below zero, how many earlier.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ahead: i64,
    /// How a CSV file is laid out.
    #[serde(default, skip_serializing_if = "is_default")]
    pub csv: CsvLayout,
}

impl SequenceConfig {
    /// What the series is called in messages: its file, or the name of what is calculated.
    pub(in crate::data) fn called(&self) -> PathBuf {
        match (&self.path, &self.series) {
            (Some(path), _) => path.clone(),
            (None, Some(series)) => PathBuf::from(series.name()),
            (None, None) => PathBuf::from("data.source.sequence"),
        }
    }
}

/// Which times of a window are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SequenceTarget {
    /// The last one: a value a target.
    #[default]
    End,
    /// All of them: a waveform a target, `d(t), …, d(t + window − 1), e(t), …`.
    Window,
}

fn one() -> usize {
    1
}

fn is_zero(ahead: &i64) -> bool {
    *ahead == 0
}

fn is_default(layout: &CsvLayout) -> bool {
    *layout == CsvLayout::default()
}
