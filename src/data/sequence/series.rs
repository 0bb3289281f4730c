//! A time series: calculated, or from a table, an array, or an archive with an array a column.

use std::path::{Path, PathBuf};

use super::super::arrays::{Array, ArrayLocation, Labels, ends_in, names_in};
use super::super::csv::{self, WantedColumns};
use super::super::names::{SHOWN, listed};
use super::super::{SequenceConfig, SeriesConfig};
use crate::Error;

/// Columns of numbers and of classes over time.
pub(super) struct Series {
    pub path: PathBuf,
    /// Finite numbers, in the order in which they are wanted.
    pub columns: Vec<Column>,
    /// The class at each time.
    pub labels: Option<Labels>,
    /// How many times there are.
    pub times: usize,
    /// Line of each time in a table; empty for arrays.
    pub lines: Vec<usize>,
    pub warnings: Vec<String>,
}

/// A column of numbers.
pub(super) struct Column {
    pub name: String,
    /// In the file's unit, a time after another.
    pub values: Vec<f64>,
}

impl Series {
    /// Reads the columns of `config` at `path`; of new samples (`is_new`), only the inputs must be there.
    pub fn read(path: &Path, config: &SequenceConfig, is_new: bool) -> Result<Self, Error> {
        let answers = config.targets.iter().filter(|name| !config.inputs.contains(name)).cloned();
        let answers: Vec<String> = answers.collect();
        let (needed, optional) = if is_new {
            (config.inputs.clone(), answers)
        } else {
            ([config.inputs.clone(), answers].concat(), Vec::new())
        };
        let wanted = WantedColumns {
            needed: &needed,
            optional: &optional,
            label: config.classes.as_deref(),
            may_lack_labels: is_new,
        };
        if ends_in(path, "npz") {
            Self::of_archive(path, &wanted)
        } else if ends_in(path, "npy") {
            Self::of_array(path, &wanted)
        } else {
            Self::of_table(path, config, &wanted)
        }
    }

    /// The columns of `config` of a calculated series; `seed` draws what is random.
    pub fn calculate(
        series: &SeriesConfig,
        config: &SequenceConfig,
        seed: u64,
    ) -> Result<Self, Error> {
        let path = PathBuf::from(series.name());
        let columns = series.columns(seed)?;
        let names: Vec<String> = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        let values = |name: &str| {
            let column = columns.iter().find(|(column, _)| *column == name);
            column
                .map(|(_, values)| values.clone())
                .ok_or_else(|| no_column(&path, name, &names, "column"))
        };
        let mut calculated =
            Self::empty(&path, columns.first().map_or(0, |(_, values)| values.len()));
        for name in config.inputs.iter().chain(&config.targets) {
            if calculated.column(name).is_none() {
                calculated.columns.push(Column { name: name.clone(), values: values(name)? });
            }
        }
        if let Some(name) = &config.classes {
            calculated.labels = Some(Labels::of_numbers(values(name)?.into_iter(), name.clone()));
        }
        Ok(calculated)
    }

    /// The column `name`, if it is there.
    pub fn column(&self, name: &str) -> Option<&[f64]> {
        let column = self.columns.iter().find(|column| column.name == name)?;
        Some(&column.values)
    }

    fn of_table(
        path: &Path,
        config: &SequenceConfig,
        wanted: &WantedColumns,
    ) -> Result<Self, Error> {
        let table = csv::read_series(path, &config.csv, wanted)?;
        let values = |place: usize| table.rows.iter().map(|row| row[place]).collect();
        let names = table.features.iter().enumerate();
        let columns =
            names.map(|(place, name)| Column { name: name.clone(), values: values(place) });
        let columns: Vec<Column> = columns.collect();
        let labels =
            table.label.map(|name| Labels::of_texts(&table.labels, name, table.lines.clone()));
        Ok(Self {
            path: path.to_owned(),
            columns,
            labels,
            times: table.rows.len(),
            lines: table.lines,
            warnings: table.warnings,
        })
    }

    fn of_array(path: &Path, wanted: &WantedColumns) -> Result<Self, Error> {
        let array = Array::read(ArrayLocation { path: path.to_owned(), name: None })?;
        if array.shape.len() > 2 {
            return Err(array.place.broken(&format!(
                "its shape is {:?}; a series is an array of (times) or (times, columns)",
                array.shape
            )));
        }
        let width = array.width();
        let names: Vec<String> = (1..=width).map(|place| format!("column {place}")).collect();
        let values = |place: usize| -> Vec<f64> {
            (0..array.samples()).map(|time| array.numbers.get(time * width + place)).collect()
        };
        let mut found = Self::empty(path, array.samples());
        for name in chosen(path, wanted, &names, "column")? {
            let place = names.iter().position(|column| column == name).unwrap_or_default();
            found.columns.push(Column { name: name.clone(), values: values(place) });
        }
        if let Some(label) = wanted.label
            && let Some(place) = position(path, wanted, label, &names, "column")?
        {
            let labels = Labels::of_numbers(values(place).into_iter(), label.to_owned());
            found.labels = Some(labels);
        }
        Ok(found)
    }

    fn of_archive(path: &Path, wanted: &WantedColumns) -> Result<Self, Error> {
        let names = names_in(path)?;
        let place =
            |name: &str| ArrayLocation { path: path.to_owned(), name: Some(name.to_owned()) };
        let mut found = Self::empty(path, 0);
        let mut first: Option<(String, usize)> = None;
        let mut note_times = |place: &ArrayLocation, times: usize| {
            let (name, expected) = first.get_or_insert_with(|| (place.called(), times));
            if *expected == times {
                return Ok(times);
            }
            Err(place.broken(&format!(
                "it has {times} times, and `{name}` has {expected}; all arrays of a series must be as long"
            )))
        };
        for name in chosen(path, wanted, &names, "array")? {
            let array = Array::read(place(name))?;
            if array.width() != 1 {
                return Err(array.place.broken(&format!(
                    "its shape is {:?}; each column of a series is an array of (times)",
                    array.shape
                )));
            }
            found.times = note_times(&array.place, array.samples())?;
            let values = array.numbers.into_doubles();
            found.columns.push(Column { name: name.clone(), values });
        }
        if let Some(label) = wanted.label
            && position(path, wanted, label, &names, "array")?.is_some()
        {
            let labels = Labels::read(&place(label))?;
            note_times(&place(label), labels.of_samples.len())?;
            found.labels = Some(labels);
        }
        Ok(found)
    }

    fn empty(path: &Path, times: usize) -> Self {
        let (columns, lines, warnings) = (Vec::new(), Vec::new(), Vec::new());
        Self { path: path.to_owned(), columns, labels: None, times, lines, warnings }
    }
}

/// The wanted columns among `names`, which are called `noun` in messages.
fn chosen<'a>(
    path: &Path,
    wanted: &'a WantedColumns,
    names: &[String],
    noun: &str,
) -> Result<Vec<&'a String>, Error> {
    if let Some(absent) = wanted.needed.iter().find(|name| !names.contains(name)) {
        return Err(no_column(path, absent, names, noun));
    }
    let optional = wanted.optional.iter().filter(|name| names.contains(name));
    Ok(wanted.needed.iter().chain(optional).collect())
}

/// The place of the column of classes among `names`; `None` if it is missing and may be.
fn position(
    path: &Path,
    wanted: &WantedColumns,
    label: &str,
    names: &[String],
    noun: &str,
) -> Result<Option<usize>, Error> {
    let place = names.iter().position(|name| name == label);
    if place.is_none() && !wanted.may_lack_labels {
        return Err(no_column(path, label, names, noun));
    }
    Ok(place)
}

fn no_column(path: &Path, name: &str, names: &[String], noun: &str) -> Error {
    let problem = format!("it has no {noun} `{name}`; it has {}", listed(names, SHOWN));
    Error::Data { path: path.to_owned(), problem }
}
