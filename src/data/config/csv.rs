//! Tables in a recipe.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A table in a CSV file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsvConfig {
    /// The file; without `test`, `split` divides its samples.
    pub path: PathBuf,
    /// File of test samples with the same columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<PathBuf>,
    /// Name of the column of classes; by default the last column, unless `targets` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Names of the columns of target values, instead of a label: quantities, or 0 and 1 for each of several labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// Columns to ignore; all other columns except label and targets are features.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// Character between columns: `","` (the default), `";"`, `"\t"`, `"|"`; `" "` means any number of spaces.
    #[serde(default = "comma", skip_serializing_if = "is_comma")]
    pub delimiter: char,
    /// Decimal sign: `"."` (the default) or `","`.
    #[serde(default = "point", skip_serializing_if = "is_point")]
    pub decimal: char,
    /// Start of comment lines, which are ignored, such as `"#"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Number of lines to skip above the header, such as an instrument's settings.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skip_lines: usize,
    /// Whether the first line names the columns; otherwise they are named `column 1`, `column 2` and so on.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub header: bool,
    /// Whether `"` encloses text; otherwise it is an ordinary character.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub quotes: bool,
}

impl Default for CsvConfig {
    /// Columns separated by commas below a header, the last one the label; the path is empty.
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            test: None,
            label: None,
            targets: Vec::new(),
            ignore: Vec::new(),
            delimiter: comma(),
            decimal: point(),
            comment: None,
            skip_lines: 0,
            header: true,
            quotes: true,
        }
    }
}

impl CsvConfig {
    /// Layout of the files.
    #[must_use]
    pub fn layout(&self) -> CsvLayout {
        CsvLayout {
            delimiter: self.delimiter,
            decimal: self.decimal,
            comment: self.comment.clone(),
            skip_lines: self.skip_lines,
            header: self.header,
            quotes: self.quotes,
        }
    }
}

/// Layout of a CSV file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsvLayout {
    /// Character between columns: `","` (the default), `";"`, `"\t"`, `"|"`; `" "` means any number of spaces.
    #[serde(default = "comma", skip_serializing_if = "is_comma")]
    pub delimiter: char,
    /// Decimal sign: `"."` (the default) or `","`.
    #[serde(default = "point", skip_serializing_if = "is_point")]
    pub decimal: char,
    /// Start of comment lines, which are ignored, such as `"#"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Number of lines to skip above the header, such as an instrument's settings.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skip_lines: usize,
    /// Whether the first line names the columns; otherwise they are named `column 1`, `column 2` and so on.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub header: bool,
    /// Whether `"` encloses text; otherwise it is an ordinary character.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub quotes: bool,
}

impl Default for CsvLayout {
    /// Columns separated by commas below a header.
    fn default() -> Self {
        CsvConfig::default().layout()
    }
}

fn comma() -> char {
    ','
}

fn is_comma(sign: &char) -> bool {
    *sign == ','
}

fn point() -> char {
    '.'
}

fn is_point(sign: &char) -> bool {
    *sign == '.'
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

fn yes() -> bool {
    true
}

fn is_yes(flag: &bool) -> bool {
    *flag
}
