//! Data sets: features a column, labels a number, and the split into training and test.

mod classes;
mod config;
mod csv;
mod idx;
mod image;
mod locate;
mod samples;
mod schema;
mod sound;
mod speech;
mod split;
mod table;
mod wav;

pub use config::{CsvConfig, DataConfig, IdxConfig, SourceConfig, SpeechConfig, SplitConfig};
pub use image::{AugmentConfig, Augmentation, ImageSize};
pub use locate::Locator;
pub use samples::{Origins, Samples, read_images, read_recordings, read_samples};
pub use schema::{Feature, FeatureScaling, Schema};
pub use sound::{LogMelConfig, SoundConfig, WaveformConfig};

use nalgebra::DMatrix;

/// Samples with their labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// `[features × samples]`, in the file's units, or scaled as the [`Schema`] says.
    pub features: DMatrix<f32>,
    /// Class of each sample.
    pub labels: Vec<usize>,
}

/// A data set's two halves, and the names of its classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// What is learned from.
    pub train: Dataset,
    /// What the result is judged by.
    pub test: Dataset,
    /// Name of each class that training has, sorted: numbers as numbers, names by the alphabet.
    pub classes: Vec<String>,
    /// Size of the images that the features are, row by row; none where they are no images.
    pub image: Option<ImageSize>,
    /// How the training samples change from epoch to epoch, if they do.
    pub augmentation: Option<Augmentation>,
    /// Names and scaling of the features; enough to read later samples alike.
    pub schema: Schema,
    /// What is odd about the files, a line each, to be told to the user.
    pub warnings: Vec<String>,
}

impl Split {
    /// The training samples `chosen` as epoch `epoch` has them.
    #[must_use]
    pub fn training_batch(&self, chosen: &[usize], epoch: usize) -> Dataset {
        match self.augmentation.as_ref().filter(|augmentation| augmentation.is_on(epoch)) {
            None => self.train.choose(chosen),
            Some(augmentation) => Dataset {
                features: augmentation.draw(chosen, epoch),
                labels: chosen.iter().map(|&sample| self.train.labels[sample]).collect(),
            },
        }
    }
}

impl Dataset {
    /// Number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The samples `chosen`, in that order.
    #[must_use]
    pub fn choose(&self, chosen: &[usize]) -> Self {
        Self {
            features: self.features.select_columns(chosen),
            labels: chosen.iter().map(|&sample| self.labels[sample]).collect(),
        }
    }

    /// Smallest and largest value of each feature.
    #[must_use]
    pub fn extremes(&self) -> (Vec<f32>, Vec<f32>) {
        let extreme = |start: f32, pick: fn(f32, f32) -> f32| {
            self.features.row_iter().map(|row| row.iter().copied().fold(start, pick)).collect()
        };
        (extreme(f32::INFINITY, f32::min), extreme(f32::NEG_INFINITY, f32::max))
    }
}
