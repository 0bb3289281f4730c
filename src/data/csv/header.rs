//! Finds the columns of features, label and targets in a header, and checks that it is a header.

use super::super::names::{SHOWN, listed};
use super::super::{CsvConfig, Schema};
use super::lines::Line;

/// Indices of the columns to read.
pub(super) struct Columns {
    pub features: Vec<usize>,
    pub label: Option<usize>,
    /// Columns of target values.
    pub targets: Vec<usize>,
    /// The column that divides the samples, with `split.by_column`.
    pub aside: Option<usize>,
    /// Whether all labels or targets may be empty, as in new samples without known answers.
    pub may_lack_labels: bool,
}

/// Columns of a time series, in the order of the features.
pub(in crate::data) struct WantedColumns<'a> {
    /// Required columns of numbers.
    pub needed: &'a [String],
    /// Optional columns of numbers.
    pub optional: &'a [String],
    /// The column of classes.
    pub label: Option<&'a str>,
    /// Whether the column of classes may be missing or empty.
    pub may_lack_labels: bool,
}

impl Columns {
    /// The columns of samples with labels or targets, as a recipe names them.
    pub fn of_config(
        header: &Line,
        config: &CsvConfig,
        aside: Option<&str>,
    ) -> Result<Self, String> {
        let names = &header.fields;
        let find = |name: &str| find(header, name);
        let label = match &config.label {
            Some(_) if !config.targets.is_empty() => {
                return Err("data.source.csv names both a label and targets; name only the label for classes, or only the targets for values".to_owned());
            }
            Some(name) => Some(find(name)?),
            None if config.targets.is_empty() => Some(names.len().saturating_sub(1)),
            None => None,
        };
        let mut targets = Vec::new();
        for name in &config.targets {
            let place = find(name)?;
            if targets.contains(&place) {
                return Err(format!(
                    "`{name}` is named twice in data.source.csv.targets; name each column once"
                ));
            }
            targets.push(place);
        }
        let aside = aside.map(find).transpose()?;
        let ignored = &config.ignore;
        ignored.iter().try_for_each(|name| find(name).map(drop))?;
        let is_feature = |column: &usize| {
            let is_answer = Some(*column) == label || targets.contains(column);
            !is_answer && Some(*column) != aside && !ignored.contains(&names[*column])
        };
        let features: Vec<usize> = (0..names.len()).filter(is_feature).collect();
        let columns = Self { features, label, targets, aside, may_lack_labels: false };
        columns.refuse_unclear_names(header)?;
        let mut answers = columns.label.iter().chain(&columns.targets);
        if let Some(&place) = answers.find(|&&place| ignored.contains(&names[place])) {
            let (column, key) =
                if label.is_some() { ("label", "label") } else { ("target", "targets") };
            return Err(format!(
                "the {column} column `{}` is named in data.source.csv.ignore; name another in data.source.csv.{key}",
                names[place]
            ));
        }
        if columns.features.is_empty() {
            let beside = match label {
                Some(label) => format!("the label `{}`", names[label]),
                None => format!("the targets {}", listed(&config.targets, SHOWN)),
            };
            return Err(format!(
                "line {}: it has no feature column beside {beside}; add one",
                header.number
            ));
        }
        Ok(columns)
    }

    /// The columns of a time series.
    pub fn of_series(header: &Line, wanted: &WantedColumns) -> Result<Self, String> {
        let place = |wanted: &str| header.fields.iter().position(|name| name == wanted);
        let needed = wanted.needed.iter().map(|name| find(header, name));
        let mut features = needed.collect::<Result<Vec<_>, _>>()?;
        features.extend(wanted.optional.iter().filter_map(|name| place(name)));
        let label = match wanted.label {
            Some(name) if wanted.may_lack_labels => place(name),
            Some(name) => Some(find(header, name)?),
            None => None,
        };
        let columns = Self {
            features,
            label,
            targets: Vec::new(),
            aside: None,
            may_lack_labels: wanted.may_lack_labels,
        };
        columns.refuse_unclear_names(header)?;
        Ok(columns)
    }

    /// The columns of `schema`, and the optional label or targets.
    pub fn of_schema(header: &Line, schema: &Schema, label: Option<&str>) -> Result<Self, String> {
        schema
            .refuse_missing(&header.fields)
            .map_err(|problem| format!("line {}: {problem}", header.number))?;
        let known: std::collections::HashSet<&str> = schema.feature_names().collect();
        let features = (0..header.fields.len())
            .filter(|&column| known.contains(header.fields[column].as_str()));
        let place = |wanted: &str| header.fields.iter().position(|name| name == wanted);
        let label = label.and_then(place);
        let targets: Vec<usize> = schema.target_names().filter_map(place).collect();
        if !targets.is_empty() && targets.len() < schema.targets.len() {
            let absent: Vec<&str> =
                schema.target_names().filter(|name| place(name).is_none()).collect();
            return Err(format!(
                "line {}: the header has the target `{}`, but not {}; add the others, or set option `ignore_labels`",
                header.number,
                header.fields[targets[0]],
                listed(&absent, SHOWN)
            ));
        }
        let columns = Self {
            features: features.filter(|&place| Some(place) != label).collect(),
            label,
            targets,
            aside: None,
            may_lack_labels: true,
        };
        columns.refuse_unclear_names(header)?;
        Ok(columns)
    }

    /// Names of the columns that are neither read nor `ignored`.
    pub fn unused(&self, header: &Line, ignored: &[String]) -> Vec<String> {
        let used = |place: usize| {
            self.features.contains(&place)
                || self.label == Some(place)
                || self.targets.contains(&place)
        };
        let names = header.fields.iter().enumerate();
        names
            .filter(|&(place, name)| !used(place) && !ignored.contains(name))
            .map(|(_, name)| name.clone())
            .collect()
    }

    /// Refuses columns to read with an empty or repeated name.
    fn refuse_unclear_names(&self, header: &Line) -> Result<(), String> {
        let names = &header.fields;
        let number = header.number;
        let used = self.features.iter().chain(&self.label).chain(&self.targets).chain(&self.aside);
        let mut first = std::collections::HashMap::new();
        for (column, name) in names.iter().enumerate() {
            first.entry(name.as_str()).or_insert(column);
        }
        for &column in used {
            let name = names[column].as_str();
            if name.is_empty() {
                return Err(format!(
                    "line {number}: column {} of {} has no name; give it one, or ignore it with data.source.csv.ignore = [\"\"]",
                    column + 1,
                    names.len()
                ));
            }
            let twin = (0..names.len()).find(|&other| other != column && names[other] == name);
            if let Some(twin) = twin.filter(|_| first.len() < names.len()) {
                if self.has_numbers_for_names(header) {
                    return Err(no_header(number));
                }
                let (a, b) = (column.min(twin) + 1, column.max(twin) + 1);
                return Err(format!(
                    "line {number}: columns {a} and {b} are both named `{name}`; rename one of them in the file"
                ));
            }
        }
        Ok(())
    }

    fn has_numbers_for_names(&self, header: &Line) -> bool {
        self.features.iter().all(|&column| is_number(&header.fields[column]))
    }

    /// Refuses a header of numbers, which is probably a sample, unless its label has a name: features of spectra are
    /// named by their wavelengths.
    pub fn refuse_sample_as_header(&self, header: &Line, labels: &[String]) -> Result<(), String> {
        let Some(label) = self.label.map(|label| &header.fields[label]) else {
            return Ok(());
        };
        let is_sample =
            self.has_numbers_for_names(header) && (is_number(label) || labels.contains(label));
        if is_sample { Err(no_header(header.number)) } else { Ok(()) }
    }
}

pub(super) fn is_number(field: &str) -> bool {
    field.parse::<f64>().is_ok()
}

fn no_header(number: usize) -> String {
    format!(
        "line {number}: this is probably a sample, not the header, since its fields are numbers; write a line of names above it, or data.source.csv.header = false (the columns are then named `column 1`, `column 2` and so on)"
    )
}

fn find(header: &Line, name: &str) -> Result<usize, String> {
    header.fields.iter().position(|column| column == name).ok_or_else(|| {
        let numbers = header.fields.iter().filter(|field| is_number(field)).count();
        if 2 * numbers > header.fields.len() {
            return format!("{}; it has no column `{name}`", no_header(header.number));
        }
        format!(
            "line {}: there is no column `{name}`; the header has {}",
            header.number,
            listed(&header.fields, SHOWN)
        )
    })
}
