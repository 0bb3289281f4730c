//! Tables of numbers with a header and a label column.

mod cells;
mod header;
mod lines;
mod text;

use std::path::Path;

use self::header::Columns;
use self::lines::{Layout, Line, contents, shortened};
use super::schema::listed;
use super::table::Table;
use super::{CsvConfig, Schema, classes};
use crate::Error;

/// Reads the file at `path`; `aside` names the column that the split goes by.
pub(super) fn read(path: &Path, config: &CsvConfig, aside: Option<&str>) -> Result<Table, Error> {
    parse(path, bytes_of(path)?, config, aside)
}

/// Reads new samples of a training set, with or without its label column; other columns are left alone.
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
    let mut table =
        Sheet::new(&text, config).and_then(|sheet| sheet.table(path, choose)).map_err(broken)?;
    if !unused.is_empty() {
        let unused = listed(&unused);
        let note =
            format!("{}: columns that training has not are not used: {unused}", path.display());
        table.warnings.insert(0, note);
    }
    Ok(table)
}

/// As [`read`], from any bytes; `path` is for messages.
pub(super) fn parse(
    path: &Path,
    bytes: Vec<u8>,
    config: &CsvConfig,
    aside: Option<&str>,
) -> Result<Table, Error> {
    let broken = |problem: String| Error::Data { path: path.to_owned(), problem };
    let text = text::decode(bytes).map_err(broken)?;
    Sheet::new(&text, config)
        .and_then(|sheet| sheet.table(path, |header| Columns::of_config(header, config, aside)))
        .map_err(broken)
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(Error::file(path, "check the path in data.source.csv"))
}

/// A file's text with how it is read. Its errors are in words, with the line.
struct Sheet<'a> {
    text: &'a str,
    config: &'a CsvConfig,
    layout: Layout<'a>,
}

impl<'a> Sheet<'a> {
    fn new(text: &'a str, config: &'a CsvConfig) -> Result<Self, String> {
        let CsvConfig { delimiter, decimal, comment, .. } = config;
        if delimiter.is_alphanumeric() || matches!(delimiter, '"' | '\n' | '\r' | '.' | '-' | '+') {
            return Err(format!(
                "data.source.csv.delimiter = {delimiter:?} cannot divide columns; common ones are \",\", \";\", \"\\t\", \"|\" and \" \""
            ));
        }
        if !matches!(decimal, '.' | ',') {
            return Err(format!("data.source.csv.decimal = {decimal:?} is not \".\" or \",\""));
        }
        if comment.as_ref().is_some_and(|comment| comment.trim().is_empty()) {
            return Err("data.source.csv.comment is empty; name what comment lines begin with, such as \"#\"".to_owned());
        }
        let comment = comment.as_deref();
        let layout = Layout { delimiter: *delimiter, comment, quotes: config.quotes };
        Ok(Self { text, config, layout })
    }

    fn contents(&self) -> impl Iterator<Item = (usize, &'a str)> {
        contents(self.text, self.config.skip_lines, self.layout.comment)
    }

    /// The table of the columns that `choose` finds in the header.
    fn table(
        &self,
        path: &Path,
        choose: impl FnOnce(&Line) -> Result<Columns, String>,
    ) -> Result<Table, String> {
        // A wrong header or delimiter makes every cell look wrong: it is looked for first.
        self.samples(path, choose).map_err(|problem| self.misread(&problem).unwrap_or(problem))
    }

    fn samples(
        &self,
        path: &Path,
        choose: impl FnOnce(&Line) -> Result<Columns, String>,
    ) -> Result<Table, String> {
        let mut lines = self.contents().map(|(number, text)| self.layout.divide(number, text));
        let first = lines.next().ok_or_else(|| {
            let skipped = match self.config.skip_lines {
                0 => String::new(),
                skipped => {
                    format!(" below the {skipped} lines that data.source.csv.skip_lines leaves out")
                }
            };
            format!("the file is empty{skipped}")
        })??;
        let (header, first) = if self.config.header {
            (first, None)
        } else {
            let fields = (1..=first.fields.len()).map(|place| format!("column {place}")).collect();
            (Line { number: first.number, text: first.text, fields }, Some(first))
        };
        let columns = choose(&header)?;
        let names = &header.fields;
        let mut table = Table {
            path: path.to_owned(),
            features: columns.features.iter().map(|&column| names[column].clone()).collect(),
            rows: Vec::new(),
            label: columns.label.map(|column| names[column].clone()),
            labels: Vec::new(),
            aside: Vec::new(),
            image: None,
            lines: Vec::new(),
            warnings: Vec::new(),
            in_f32: false,
        };
        for line in first.map(Ok).into_iter().chain(lines) {
            let Line { number, fields, .. } = line?;
            if fields.len() != names.len() {
                return Err(self.wrong_count(number, fields.len(), names.len()));
            }
            let cell = |column: usize| {
                cells::number(&fields[column], self.config.decimal).map_err(|problem| {
                    format!("line {number}, column `{}`: {problem}", names[column])
                })
            };
            table.rows.push(
                columns.features.iter().map(|&column| cell(column)).collect::<Result<_, _>>()?,
            );
            if let Some(label) = columns.label {
                let cell = &fields[label];
                table.labels.push(if cell.is_empty() && columns.may_lack_labels {
                    String::new()
                } else {
                    self.label(cell, number, &names[label])?
                });
            }
            table.aside.extend(columns.aside.map(|aside| self.name(&fields[aside])));
            table.lines.push(number);
        }
        if table.rows.is_empty() {
            return Err("there are no samples below the header".to_owned());
        }
        if table.labels.iter().all(String::is_empty) {
            (table.label, table.labels) = (None, Vec::new());
        } else if let Some(sample) = table.labels.iter().position(String::is_empty) {
            self.label("", table.lines[sample], table.label.as_deref().unwrap_or_default())?;
        }
        if self.config.header {
            columns.refuse_sample_as_header(&header, &table.labels)?;
        }
        table.warnings = cells::overloads(&table);
        Ok(table)
    }

    fn wrong_count(&self, number: usize, found: usize, expected: usize) -> String {
        let remedy =
            if self.layout.delimiter == ',' && self.config.decimal == '.' && found > expected {
                "; a decimal comma cannot stand without quotes where a comma divides the columns"
            } else {
                ""
            };
        format!(
            "line {number}: {found} values, but the header has {expected} columns{remedy}; correct the line"
        )
    }

    /// A cell that is no feature: a number with a decimal comma as others write it.
    fn name(&self, cell: &str) -> String {
        let is_number = self.config.decimal == ',' && cells::number(cell, ',').is_ok();
        if is_number { cell.replacen(',', ".", 1) } else { cell.to_owned() }
    }

    fn label(&self, cell: &str, number: usize, name: &str) -> Result<String, String> {
        if cell.is_empty() {
            return Err(format!(
                "line {number}: the label `{name}` is empty; fill it in, or take the sample out"
            ));
        }
        if classes::is_missing(cell) {
            return Err(format!(
                "line {number}, column `{name}`: the label `{}` says that there is none; correct it, or take the sample out",
                shortened(cell)
            ));
        }
        Ok(self.name(cell))
    }

    /// What is wrong where the file as a whole is read by the wrong options: a delimiter, lines above the header.
    fn misread(&self, problem: &str) -> Option<String> {
        header::misread(self, problem)
    }
}
