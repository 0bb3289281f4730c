//! Reads samples from a file's text by the recipe's options.

use std::path::Path;

use super::super::table::Table;
use super::super::{CsvLayout, classes};
use super::cells;
use super::header::Columns;
use super::lines::{Layout, Line, contents, shortened};

/// A file's text and its layout. Errors are in words, with the line.
pub(super) struct Sheet<'a> {
    pub text: &'a str,
    pub options: &'a CsvLayout,
    pub layout: Layout<'a>,
}

impl<'a> Sheet<'a> {
    pub fn new(text: &'a str, options: &'a CsvLayout) -> Result<Self, String> {
        let CsvLayout { delimiter, decimal, comment, .. } = options;
        if delimiter.is_alphanumeric() || matches!(delimiter, '"' | '\n' | '\r' | '.' | '-' | '+') {
            return Err(format!(
                "data.source.csv.delimiter = {delimiter:?} cannot divide columns; use \",\", \";\", \"\\t\", \"|\" or \" \""
            ));
        }
        if !matches!(decimal, '.' | ',') {
            return Err(format!(
                "data.source.csv.decimal = {decimal:?} is not a decimal sign; use \".\" or \",\""
            ));
        }
        if comment.as_ref().is_some_and(|comment| comment.trim().is_empty()) {
            return Err(
                "data.source.csv.comment is empty; give the start of comment lines, such as \"#\""
                    .to_owned(),
            );
        }
        let comment = comment.as_deref();
        let layout = Layout { delimiter: *delimiter, comment, quotes: options.quotes };
        Ok(Self { text, options, layout })
    }

    /// The lines of the table with line numbers.
    pub fn contents(&self) -> impl Iterator<Item = (usize, &'a str)> {
        contents(self.text, self.options.skip_lines, self.layout.comment)
    }

    /// Reads the table of the columns that `choose` finds in the header.
    pub fn samples(
        &self,
        path: &Path,
        choose: impl FnOnce(&Line) -> Result<Columns, String>,
    ) -> Result<Table, String> {
        let mut lines = self.contents().map(|(number, text)| self.layout.divide(number, text));
        let first = lines.next().ok_or_else(|| {
            let skipped = match self.options.skip_lines {
                0 => String::new(),
                skipped => {
                    format!(" below the {skipped} lines skipped by data.source.csv.skip_lines")
                }
            };
            format!("the file is empty{skipped}")
        })??;
        let (header, first) = if self.options.header {
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
            targets: columns.targets.iter().map(|&column| names[column].clone()).collect(),
            target_rows: Vec::new(),
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
            let cell = |column: usize, remedy: &str| {
                cells::number(&fields[column], self.options.decimal, remedy).map_err(|problem| {
                    format!("line {number}, column `{}`: {problem}", names[column])
                })
            };
            let features = columns.features.iter().map(|&column| cell(column, cells::IGNORE));
            table.rows.push(features.collect::<Result<_, _>>()?);
            if !columns.targets.is_empty() {
                let targets = columns.targets.iter().map(|&column| {
                    let is_wanted = columns.may_lack_labels && fields[column].is_empty();
                    if is_wanted { Ok(f64::NAN) } else { cell(column, cells::REMOVE) }
                });
                table.target_rows.push(targets.collect::<Result<_, _>>()?);
            }
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
            return Err("it has no samples below the header".to_owned());
        }
        if table.labels.iter().all(String::is_empty) {
            (table.label, table.labels) = (None, Vec::new());
        } else if let Some(sample) = table.labels.iter().position(String::is_empty) {
            self.label("", table.lines[sample], table.label.as_deref().unwrap_or_default())?;
        }
        self.settle_targets(&mut table)?;
        if self.options.header {
            columns.refuse_sample_as_header(&header, &table.labels)?;
        }
        table.warnings = cells::overloads(&table);
        Ok(table)
    }

    /// Removes the targets if all are missing (NaN), and refuses samples that lack only some.
    fn settle_targets(&self, table: &mut Table) -> Result<(), String> {
        let mut cells = table.target_rows.iter().flatten();
        if cells.all(|value| value.is_nan()) {
            (table.targets, table.target_rows) = (Vec::new(), Vec::new());
            return Ok(());
        }
        for (row, line) in table.target_rows.iter().zip(&table.lines) {
            if let Some(place) = row.iter().position(|value| value.is_nan()) {
                let name = &table.targets[place];
                return cells::number("", self.options.decimal, cells::REMOVE)
                    .map(drop)
                    .map_err(|problem| format!("line {line}, column `{name}`: {problem}"));
            }
        }
        Ok(())
    }

    fn wrong_count(&self, number: usize, found: usize, expected: usize) -> String {
        let remedy =
            if self.layout.delimiter == ',' && self.options.decimal == '.' && found > expected {
                "; a decimal comma needs quotes if the delimiter is a comma"
            } else {
                ""
            };
        format!(
            "line {number}: {found} values, but the header has {expected} columns{remedy}; correct the line"
        )
    }

    /// The text of a label or name; a number with a decimal comma gets a decimal point.
    fn name(&self, cell: &str) -> String {
        let is_number = self.options.decimal == ',' && cells::number(cell, ',', "").is_ok();
        if is_number { cell.replacen(',', ".", 1) } else { cell.to_owned() }
    }

    fn label(&self, cell: &str, number: usize, name: &str) -> Result<String, String> {
        if cell.is_empty() {
            return Err(format!(
                "line {number}: the label `{name}` is empty; fill it in, or remove the sample"
            ));
        }
        if classes::is_missing(cell) {
            return Err(format!(
                "line {number}, column `{name}`: the label is missing (`{}`); correct it, or remove the sample",
                shortened(cell)
            ));
        }
        Ok(self.name(cell))
    }
}
