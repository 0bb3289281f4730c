//! What a recipe says about a table.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A CSV file of the user's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsvConfig {
    /// The file; without `test`, the recipe's split divides it.
    pub path: PathBuf,
    /// A file of test samples with the same columns; then nothing is divided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<PathBuf>,
    /// Name of the label column; the last one if neither it nor `targets` are named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Names of the columns of values that the network answers, in the place of a label: quantities, or 0 and 1 for
    /// each of several labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// Columns that are neither feature nor label nor target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// Character between columns: `","` (the default), `";"`, `"\t"`, `"|"`; `" "` stands for any number of spaces.
    #[serde(default = "comma", skip_serializing_if = "is_comma")]
    pub delimiter: char,
    /// Sign before decimals: `"."` (the default) or `","`.
    #[serde(default = "point", skip_serializing_if = "is_point")]
    pub decimal: char,
    /// What lines begin with that are left out, such as `"#"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Lines above the header that are left out, such as an instrument's settings.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skip_lines: usize,
    /// Whether the first line names the columns; if not, they are `column 1`, `column 2` and so on.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub header: bool,
    /// Whether `"` encloses text; if not, it is a character as others.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub quotes: bool,
}

impl Default for CsvConfig {
    /// Columns divided by commas below a header, the last one the label, of a file not named yet.
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
    /// How its files are laid out.
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

/// How the text of a table is laid out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsvLayout {
    /// Character between columns: `","` (the default), `";"`, `"\t"`, `"|"`; `" "` stands for any number of spaces.
    #[serde(default = "comma", skip_serializing_if = "is_comma")]
    pub delimiter: char,
    /// Sign before decimals: `"."` (the default) or `","`.
    #[serde(default = "point", skip_serializing_if = "is_point")]
    pub decimal: char,
    /// What lines begin with that are left out, such as `"#"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Lines above the header that are left out, such as an instrument's settings.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skip_lines: usize,
    /// Whether the first line names the columns; if not, they are `column 1`, `column 2` and so on.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub header: bool,
    /// Whether `"` encloses text; if not, it is a character as others.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub quotes: bool,
}

impl Default for CsvLayout {
    /// Columns divided by commas below a header.
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
