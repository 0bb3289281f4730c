//! Reader of tables with a header, features, and a label column or target columns.

mod cells;
mod header;
mod lines;
mod misread;
mod sheet;
mod text;

use std::path::Path;

use self::header::Columns;
pub(super) use self::header::WantedColumns;
use self::lines::Line;
use self::misread::table;
use self::sheet::Sheet;
use super::names::{SHOWN, listed};
use super::table::Table;
use super::{CsvConfig, CsvLayout, Schema};
use crate::Error;

/// Reads the file at `path`; `aside` names the column that divides the samples, if any.
pub(super) fn read(path: &Path, config: &CsvConfig, aside: Option<&str>) -> Result<Table, Error> {
    parse(path, bytes_of(path)?, config, aside)
}

/// Reads new samples for `schema`, with or without its label or target columns; other columns are ignored.
pub(super) fn read_new(path: &Path, config: &CsvConfig, schema: &Schema) -> Result<Table, Error> {
    let broken = |problem: String| Error::Data { path: path.to_owned(), problem };
    let text = text::decode(bytes_of(path)?).map_err(broken)?;
    let label = config.label.as_deref().or(schema.label.as_deref());
    let mut unused = Vec::new();
    let choose = |header: &Line| {
        let columns = Columns::of_schema(header, schema, label)?;
        unused = columns.unused(header, &config.ignore);
        Ok(columns)
    };
    let layout = config.layout();
    let mut found =
        Sheet::new(&text, &layout).and_then(|sheet| table(&sheet, path, choose)).map_err(broken)?;
    if !unused.is_empty() {
        let unused = listed(&unused, SHOWN);
        let note = format!(
            "{}: columns that the training data do not have are ignored: {unused}",
            path.display()
        );
        found.warnings.insert(0, note);
    }
    Ok(found)
}

/// As [`read`], from `bytes`; `path` is for messages.
pub(super) fn parse(
    path: &Path,
    bytes: Vec<u8>,
    config: &CsvConfig,
    aside: Option<&str>,
) -> Result<Table, Error> {
    let broken = |problem: String| Error::Data { path: path.to_owned(), problem };
    let text = text::decode(bytes).map_err(broken)?;
    Sheet::new(&text, &config.layout())
        .and_then(|sheet| table(&sheet, path, |header| Columns::of_config(header, config, aside)))
        .map_err(broken)
}

/// Reads the `wanted` columns of the time series at `path`; other columns are ignored.
pub(super) fn read_series(
    path: &Path,
    layout: &CsvLayout,
    wanted: &WantedColumns,
) -> Result<Table, Error> {
    let columns = |header: &Line| Columns::of_series(header, wanted);
    text::decode(bytes_of(path)?)
        .and_then(|text| Sheet::new(&text, layout).and_then(|sheet| table(&sheet, path, columns)))
        .map_err(|problem| Error::Data { path: path.to_owned(), problem: of_sequence(&problem) })
}

/// `problem` with the recipe keys of a time series instead of a table's.
fn of_sequence(problem: &str) -> String {
    problem
        .replace(", and data.source.csv.ignore = [\"row\"]", "")
        .replace(cells::IGNORE, cells::REMOVE)
        .replace("data.source.csv.", "data.source.sequence.csv.")
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(Error::file(path, "check the path in data.source"))
}
