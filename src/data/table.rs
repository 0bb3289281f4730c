//! A table of samples before it is divided, and the tables that ship with the program.

use std::path::{Path, PathBuf};

use super::csv;
use super::{CsvConfig, ImageSize};
use crate::Error;

/// Samples as read: features still by row, labels still by name.
#[derive(Debug)]
pub(super) struct Table {
    /// Where it came from, for messages.
    pub path: PathBuf,
    /// Names of the features.
    pub features: Vec<String>,
    /// One row a sample.
    pub rows: Vec<Vec<f32>>,
    /// Label of each sample.
    pub labels: Vec<String>,
    /// Value of the column that the split goes by, a sample.
    pub aside: Vec<String>,
    /// Size of the images that the features are, if they are images.
    pub image: Option<ImageSize>,
}

/// Deterding's vowels; the speaker is no feature.
pub(super) fn vowels(aside: Option<&str>) -> Result<Table, Error> {
    shipped("vowels.csv", include_str!("sets/vowels.csv"), &["speaker"], aside)
}

/// The UCI handwritten digits.
pub(super) fn digits(aside: Option<&str>) -> Result<Table, Error> {
    let table = shipped("digits.csv", include_str!("sets/digits.csv"), &[], aside)?;
    Ok(Table { image: Some(ImageSize { rows: 8, columns: 8 }), ..table })
}

fn shipped(name: &str, text: &str, ignore: &[&str], aside: Option<&str>) -> Result<Table, Error> {
    let config = CsvConfig {
        path: PathBuf::from(name),
        test: None,
        label: None,
        ignore: ignore
            .iter()
            .filter(|column| Some(**column) != aside)
            .map(|&column| column.to_owned())
            .collect(),
    };
    csv::parse(Path::new(name), text.as_bytes(), &config, aside)
}
