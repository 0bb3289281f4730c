//! What a recipe says about its data.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::validate;

use super::{AugmentConfig, Locator, SoundConfig};
use crate::Error;

/// `[data]` of a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Where the samples come from.
    pub source: SourceConfig,
    /// How they are divided, unless the source says.
    #[serde(default)]
    pub split: SplitConfig,
    /// Of images, every how-many-th row and column is kept.
    #[serde(default = "one", deserialize_with = "validate::count")]
    pub every: usize,
    /// Random changes to the training images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augment: Option<AugmentConfig>,
}

impl DataConfig {
    /// Of `source`, with the usual split and images as they are.
    #[must_use]
    pub fn new(source: SourceConfig) -> Self {
        Self { source, split: SplitConfig::default(), every: 1, augment: None }
    }
}

fn one() -> usize {
    1
}

/// Where samples come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceConfig {
    /// Deterding's spoken vowels, shipped with the program: 990 samples, 11 vowels, 15 speakers.
    Vowels,
    /// The UCI handwritten digits, shipped with the program: 1,797 images of 8 × 8.
    Digits,
    /// A table with a header, numeric features and one label column.
    Csv(CsvConfig),
    /// A folder in MNIST's format.
    Idx(IdxConfig),
    /// A folder of recordings.
    Speech(SpeechConfig),
    /// Samples in memory, given by the program that trains.
    Given,
}

/// A CSV file of the user's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsvConfig {
    /// The file; without `test`, the recipe's split divides it.
    pub path: PathBuf,
    /// A file of test samples with the same columns; then nothing is divided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<PathBuf>,
    /// Name of the label column; the last one if not named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Columns that are neither feature nor label.
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

/// A folder with MNIST's four files, gzip or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdxConfig {
    /// The folder, such as `mnist` or `fashion-mnist`.
    pub folder: PathBuf,
}

/// A folder of WAV files named `LABEL_SPEAKER_TAKE.wav`, such as the Free Spoken Digit Dataset's; the channels of
/// each are averaged. They are divided at random, or by the columns `speaker` or `take`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpeechConfig {
    /// The folder, such as `fsdd`.
    pub folder: PathBuf,
    /// What is made of each.
    pub view: SoundConfig,
}

/// How samples are divided into training and test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SplitConfig {
    /// At random by the recipe's seed, the same share of each class.
    Stratified {
        /// Share of each class that is tested.
        #[serde(deserialize_with = "validate::open_fraction")]
        test_fraction: f64,
    },
    /// By the value of a column, which is no feature then.
    ByColumn {
        /// The column.
        column: String,
        /// Its values in the test samples.
        test: Vec<String>,
    },
}

impl Default for SplitConfig {
    fn default() -> Self {
        Self::Stratified { test_fraction: 0.25 }
    }
}

impl SourceConfig {
    /// Replaces the user's paths by where they were found, so that a run's recipe can be read from
    /// anywhere.
    ///
    /// # Errors
    /// [`Error::Data`] where a file is not found.
    pub fn make_absolute(
        &mut self,
        recipe_folder: &Path,
        data_dir: Option<&Path>,
    ) -> Result<(), Error> {
        let locator = Locator::new(recipe_folder, data_dir);
        let absolute = |path: &mut PathBuf| -> Result<(), Error> {
            let found = locator.find(path)?;
            *path = found
                .canonicalize()
                .map_err(Error::file(&found, "check that the folders above it can be read"))?;
            Ok(())
        };
        match self {
            Self::Vowels | Self::Digits | Self::Given => Ok(()),
            Self::Csv(config) => {
                absolute(&mut config.path)?;
                config.test.as_mut().map_or(Ok(()), absolute)
            }
            Self::Idx(config) => absolute(&mut config.folder),
            Self::Speech(config) => absolute(&mut config.folder),
        }
    }
}
