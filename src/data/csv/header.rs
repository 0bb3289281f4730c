//! Which columns of a header are features and label, and whether it is a header at all.

use super::super::Schema;
use super::super::schema::listed;
use super::lines::Line;
use crate::data::CsvConfig;

/// Places of the columns that are read.
pub(super) struct Columns {
    pub features: Vec<usize>,
    pub label: Option<usize>,
    /// The column that the split goes by.
    pub aside: Option<usize>,
    /// Whether all labels may be empty, as in a file of samples whose classes are wanted.
    pub may_lack_labels: bool,
}

impl Columns {
    /// The columns of labelled samples, as a recipe names them.
    pub fn of_config(
        header: &Line,
        config: &CsvConfig,
        aside: Option<&str>,
    ) -> Result<Self, String> {
        let names = &header.fields;
        let find = |name: &str| find(header, name);
        let label = match &config.label {
            Some(name) => find(name)?,
            None => names.len().saturating_sub(1),
        };
        let aside = aside.map(find).transpose()?;
        let ignored = &config.ignore;
        ignored.iter().try_for_each(|name| find(name).map(drop))?;
        let is_feature = |column: &usize| {
            *column != label && Some(*column) != aside && !ignored.contains(&names[*column])
        };
        let features: Vec<usize> = (0..names.len()).filter(is_feature).collect();
        let columns = Self { features, label: Some(label), aside, may_lack_labels: false };
        columns.refuse_unclear_names(header)?;
        if ignored.contains(&names[label]) {
            return Err(format!(
                "the label column `{}` is named in data.source.csv.ignore; name another in data.source.csv.label",
                names[label]
            ));
        }
        if columns.features.is_empty() {
            return Err(format!(
                "line {}: there is no feature column beside the label `{}`",
                header.number, names[label]
            ));
        }
        Ok(columns)
    }

    /// The columns that have a name of `schema`'s, and `label` if it is there.
    pub fn of_schema(header: &Line, schema: &Schema, label: Option<&str>) -> Result<Self, String> {
        schema
            .refuse_missing(&header.fields)
            .map_err(|problem| format!("line {}: {problem}", header.number))?;
        let known: std::collections::HashSet<&str> = schema.feature_names().collect();
        let features = (0..header.fields.len())
            .filter(|&column| known.contains(header.fields[column].as_str()));
        let label = label.and_then(|label| header.fields.iter().position(|name| name == label));
        let columns = Self {
            features: features.filter(|&place| Some(place) != label).collect(),
            label,
            aside: None,
            may_lack_labels: true,
        };
        columns.refuse_unclear_names(header)?;
        Ok(columns)
    }

    /// Names of the columns that are not read, those `ignored` left out.
    pub fn unused(&self, header: &Line, ignored: &[String]) -> Vec<String> {
        let used = |place: usize| self.features.contains(&place) || self.label == Some(place);
        let names = header.fields.iter().enumerate();
        names
            .filter(|&(place, name)| !used(place) && !ignored.contains(name))
            .map(|(_, name)| name.clone())
            .collect()
    }

    /// Names that are read have one meaning: none is empty or given twice.
    fn refuse_unclear_names(&self, header: &Line) -> Result<(), String> {
        let names = &header.fields;
        let number = header.number;
        let used = self.features.iter().chain(&self.label).chain(&self.aside);
        let mut first = std::collections::HashMap::new();
        for (column, name) in names.iter().enumerate() {
            first.entry(name.as_str()).or_insert(column);
        }
        for &column in used {
            let name = names[column].as_str();
            if name.is_empty() {
                return Err(format!(
                    "line {number}: column {} of {} has no name; give it one, or leave it out by data.source.csv.ignore = [\"\"]",
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
                    "line {number}: columns {a} and {b} are both named `{name}`; give each a name of its own in the file"
                ));
            }
        }
        Ok(())
    }

    fn has_numbers_for_names(&self, header: &Line) -> bool {
        self.features.iter().all(|&column| is_number(&header.fields[column]))
    }

    /// A header of numbers is a sample, unless its label's name shows that it is not: spectra have their
    /// wavelengths for names.
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
        "line {number}: this seems to be a sample and not the header, as its fields are numbers; write a line of names above it, or data.source.csv.header = false (the columns are then `column 1`, `column 2` and so on)"
    )
}

fn find(header: &Line, name: &str) -> Result<usize, String> {
    header.fields.iter().position(|column| column == name).ok_or_else(|| {
        let numbers = header.fields.iter().filter(|field| is_number(field)).count();
        if 2 * numbers > header.fields.len() {
            return format!("{}; there is no column `{name}`", no_header(header.number));
        }
        format!(
            "line {}: there is no column `{name}`; the header has {}",
            header.number,
            listed(&header.fields)
        )
    })
}
