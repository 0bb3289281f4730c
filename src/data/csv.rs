//! Tables of numbers with a header and a label column.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::CsvConfig;
use super::table::Table;
use crate::Error;

/// Reads the file at `path`; `aside` names the column that the split goes by.
pub(super) fn read(path: &Path, config: &CsvConfig, aside: Option<&str>) -> Result<Table, Error> {
    let file = File::open(path).map_err(Error::file(path, "check the path in data.source.csv"))?;
    parse(path, file, config, aside)
}

/// As [`read`], from any bytes; `path` is for messages.
pub(super) fn parse(
    path: &Path,
    bytes: impl Read,
    config: &CsvConfig,
    aside: Option<&str>,
) -> Result<Table, Error> {
    let broken = |problem: String| Error::Data { path: path.to_owned(), problem };
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(bytes);
    let header: Vec<String> = reader
        .headers()
        .map_err(|error| broken(format!("line 1: {error}")))?
        .iter()
        .map(str::to_owned)
        .collect();
    let find = |name: &str| {
        header.iter().position(|column| column == name).ok_or_else(|| {
            broken(format!(
                "line 1: there is no column `{name}`; the header has {}",
                header.join(", ")
            ))
        })
    };
    let label = match &config.label {
        Some(name) => find(name)?,
        None => header.len().saturating_sub(1),
    };
    let aside = aside.map(find).transpose()?;
    let ignored = config.ignore.iter().map(|name| find(name)).collect::<Result<Vec<_>, _>>()?;
    let is_feature =
        |column: &usize| *column != label && Some(*column) != aside && !ignored.contains(column);
    let features: Vec<usize> = (0..header.len()).filter(is_feature).collect();
    if features.is_empty() {
        return Err(broken("line 1: there is no feature column beside the label".to_owned()));
    }

    let mut table = Table {
        path: path.to_owned(),
        features: features.iter().map(|&column| header[column].clone()).collect(),
        rows: Vec::new(),
        labels: Vec::new(),
        aside: Vec::new(),
        image: None,
    };
    for record in reader.records() {
        let record = record.map_err(|error| broken(error.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != header.len() {
            return Err(broken(format!(
                "line {line}: {} values, but the header has {} columns",
                record.len(),
                header.len()
            )));
        }
        let row = features
            .iter()
            .map(|&column| {
                record[column].parse::<f32>().ok().filter(|value| value.is_finite()).ok_or_else(
                    || {
                        broken(format!(
                            "line {line}, column `{}`: expected a finite number, found `{}`; mend the value, or name the column in data.source.csv.ignore",
                            header[column], &record[column]
                        ))
                    },
                )
            })
            .collect::<Result<Vec<f32>, _>>()?;
        if record[label].is_empty() {
            return Err(broken(format!("line {line}: the label `{}` is empty", header[label])));
        }
        table.rows.push(row);
        table.labels.push(record[label].to_owned());
        if let Some(aside) = aside {
            table.aside.push(record[aside].to_owned());
        }
    }
    if table.rows.is_empty() {
        return Err(broken("there are no samples below the header".to_owned()));
    }
    Ok(table)
}
