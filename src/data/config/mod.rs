//! What a recipe says about its data.

mod arrays;
mod csv;
mod sequence;
mod series;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_calibration::by_name;
use twinprop_devices::validate;

pub use self::arrays::ArraysConfig;
pub use self::csv::{CsvConfig, CsvLayout};
pub use self::sequence::{SequenceConfig, SequenceTarget};
pub use self::series::{ChannelConfig, MackeyGlassConfig, SeriesConfig};

use super::{AugmentConfig, Locator, SoundConfig, ViewConfig};
use crate::Error;

/// `[data]` of a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "WrittenData")]
pub struct DataConfig {
    /// Where the samples come from.
    pub source: SourceConfig,
    /// How they are divided, unless the source says.
    pub split: SplitConfig,
    /// Of images, every how-many-th row and column is kept.
    pub every: usize,
    /// What is made of images; their pixels without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub view: Option<ViewConfig>,
    /// Random changes to the training images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub augment: Option<AugmentConfig>,
}

impl DataConfig {
    /// Of `source`, with the source's usual split and images as they are.
    #[must_use]
    pub fn new(source: SourceConfig) -> Self {
        Self::from(WrittenData { source, split: None, every: 1, view: None, augment: None })
    }

    /// Steps of the rasters of spikes that the features are; `None` for other features.
    #[must_use]
    pub fn raster_steps(&self) -> Option<usize> {
        match (&self.source, &self.view) {
            (SourceConfig::Speech(SpeechConfig { view: SoundConfig::Cochlea(cochlea), .. }), _) => {
                Some(cochlea.steps)
            }
            (_, Some(ViewConfig::Spikes(spikes))) => Some(spikes.steps),
            _ => None,
        }
    }
}

/// `[data]` of a recipe.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DataConfig")]
struct WrittenData {
    /// Where the samples come from.
    source: SourceConfig,
    /// How they are divided, unless the source says: a quarter of each class is tested, or of a sequence its last
    /// quarter, if this is left out.
    split: Option<SplitConfig>,
    /// Of images, every how-many-th row and column is kept.
    #[serde(default = "one", deserialize_with = "validate::count")]
    every: usize,
    /// What is made of images; their pixels without it.
    view: Option<ViewConfig>,
    /// Random changes to the training images.
    augment: Option<AugmentConfig>,
}

impl From<WrittenData> for DataConfig {
    fn from(WrittenData { source, split, every, view, augment }: WrittenData) -> Self {
        let split = split.unwrap_or_else(|| match &source {
            SourceConfig::Sequence(_) => SplitConfig::Ordered { test_fraction: 0.25 },
            _ => SplitConfig::default(),
        });
        Self { source, split, every, view, augment }
    }
}

fn one() -> usize {
    1
}

/// Where samples come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SourceConfig {
    /// Deterding's spoken vowels, shipped with the program: 990 samples, 11 vowels, 15 speakers.
    Vowels,
    /// The UCI handwritten digits, shipped with the program: 1,797 images of 8 × 8.
    Digits,
    /// The progression of diabetes in 442 patients, a value, from ten measurements, shipped with the program.
    Diabetes,
    /// A table with a header, numeric features, and one label column or columns of targets.
    Csv(CsvConfig),
    /// Arrays that NumPy has written.
    Arrays(ArraysConfig),
    /// Windows of a time series.
    Sequence(SequenceConfig),
    /// A folder in MNIST's format.
    Idx(IdxConfig),
    /// A folder of recordings.
    Speech(SpeechConfig),
    /// Samples in memory, given by the program that trains.
    Given,
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
    #[serde(deserialize_with = "by_name::read")]
    pub view: SoundConfig,
}

/// How samples are divided into training and test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SplitConfig {
    /// At random by the recipe's seed, the same share of each class; of all samples where the targets are values.
    Stratified {
        /// Share of each class that is tested.
        #[serde(deserialize_with = "validate::open_fraction")]
        test_fraction: f64,
    },
    /// At random by the recipe's seed, whatever the targets are.
    Random {
        /// Share of the samples that is tested.
        #[serde(deserialize_with = "validate::open_fraction")]
        test_fraction: f64,
    },
    /// The last samples are tested, as of a time series. No window of a sequence has values of both halves.
    Ordered {
        /// Share of the samples, or of a sequence's times, that is tested.
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
        let absolute = |path: &mut PathBuf| locator.make_absolute(path);
        match self {
            Self::Vowels | Self::Digits | Self::Diabetes | Self::Given => Ok(()),
            Self::Csv(config) => {
                absolute(&mut config.path)?;
                config.test.as_mut().map_or(Ok(()), absolute)
            }
            Self::Arrays(config) => config.files_mut().into_iter().try_for_each(absolute),
            Self::Sequence(config) => {
                [&mut config.path, &mut config.test].into_iter().flatten().try_for_each(absolute)
            }
            Self::Idx(config) => absolute(&mut config.folder),
            Self::Speech(config) => absolute(&mut config.folder),
        }
    }
}
