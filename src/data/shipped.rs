//! The tables that ship with the program.

use std::path::{Path, PathBuf};

use super::table::Table;
use super::{CsvConfig, ImageSize, csv};
use crate::Error;

/// Deterding's vowels; the speaker is no feature.
pub(super) fn vowels(aside: Option<&str>) -> Result<Table, Error> {
    shipped("vowels.csv", include_str!("sets/vowels.csv"), &["speaker"], aside)
}

/// The UCI handwritten digits.
pub(super) fn digits(aside: Option<&str>) -> Result<Table, Error> {
    let table = shipped("digits.csv", include_str!("sets/digits.csv"), &[], aside)?;
    Ok(Table { image: Some(ImageSize { rows: 8, columns: 8 }), ..table })
}

/// The progression of diabetes in a year.
pub(super) fn diabetes(aside: Option<&str>) -> Result<Table, Error> {
    let targets = vec!["progression".to_owned()];
    let config = CsvConfig { targets, ..CsvConfig::default() };
    parse("diabetes.csv", include_str!("sets/diabetes.csv"), config, aside)
}

fn shipped(name: &str, text: &str, ignore: &[&str], aside: Option<&str>) -> Result<Table, Error> {
    let ignore = ignore.iter().filter(|column| Some(**column) != aside);
    let ignore = ignore.map(|&column| column.to_owned()).collect();
    parse(name, text, CsvConfig { ignore, ..CsvConfig::default() }, aside)
}

fn parse(name: &str, text: &str, config: CsvConfig, aside: Option<&str>) -> Result<Table, Error> {
    let config = CsvConfig { path: PathBuf::from(name), ..config };
    csv::parse(Path::new(name), text.as_bytes().to_vec(), &config, aside)
}
