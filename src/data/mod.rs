//! Data sets in memory and readers of files: features and targets of each sample, divided into training and test.

mod arrays;
mod calculated;
mod classes;
mod config;
mod csv;
mod halves;
mod idx;
mod image;
mod load;
mod locate;
mod names;
mod numbers;
mod samples;
mod scaling;
mod schema;
mod sequence;
mod shipped;
mod sound;
mod speech;
mod split;
mod table;
mod targets;
mod wav;

pub use arrays::read_arrays;
pub use config::{
    ArraysConfig, ChannelConfig, CsvConfig, CsvLayout, DataConfig, IdxConfig, MackeyGlassConfig,
    SequenceConfig, SequenceTarget, SeriesConfig, SourceConfig, SpeechConfig, SplitConfig,
};
pub use image::{AugmentConfig, Augmentation, ImageSize};
pub use locate::Locator;
pub use samples::{Origins, Samples, read_images, read_recordings, read_samples};
pub use scaling::FeatureScaling;
pub use schema::{Feature, Schema};
pub use sequence::read_sequence;
pub use sound::{LogMelConfig, SoundConfig, WaveformConfig};
pub use targets::Targets;

pub(crate) use names::listed;
pub(crate) use speech::recordings;

use nalgebra::DMatrix;
use rand::seq::SliceRandom;
use twinprop_devices::random;

/// Samples with their targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// `[features × samples]`, in the file's units, or scaled as the [`Schema`] says.
    pub features: DMatrix<f32>,
    /// What the network should answer: classes, or values that are standardised as the [`Schema`] says.
    pub targets: Targets,
}

/// A data set's two halves, and the names of its classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// What is learned from.
    pub train: Dataset,
    /// What the result is judged by.
    pub test: Dataset,
    /// Name of each class that training has, sorted: numbers as numbers, names by the alphabet. Empty where the
    /// targets are values.
    pub classes: Vec<String>,
    /// Size of the images that the features are, row by row; none where they are no images.
    pub image: Option<ImageSize>,
    /// How the training samples change from epoch to epoch, if they do.
    pub augmentation: Option<Augmentation>,
    /// Names and scaling of the features and of targets that are values; enough to read later samples alike.
    pub schema: Schema,
    /// What is odd about the files, a line each, to be told to the user.
    pub warnings: Vec<String>,
}

impl Split {
    /// Most samples of [`first_samples`](Self::first_samples).
    const FIRST_SAMPLES: usize = 256;

    /// Up to 256 training samples, drawn from `seed`, by which a network is initialised: its scales adapt to the values
    /// that arrive, and what it asks of the devices becomes known.
    #[must_use]
    pub fn first_samples(&self, seed: u64) -> Dataset {
        let mut samples: Vec<usize> = (0..self.train.len()).collect();
        samples.shuffle(&mut random::stream(seed, "initial samples"));
        samples.truncate(Self::FIRST_SAMPLES);
        self.train.choose(&samples)
    }

    /// Data in memory: samples to learn from, and samples to be judged by. Classes are named by their numbers, targets
    /// `target 1`, `target 2` and so on; values are taken as they are.
    #[must_use]
    pub fn new(train: Dataset, test: Dataset) -> Self {
        let targets = match &train.targets {
            Targets::Values(values) => (1..=values.nrows())
                .map(|place| Feature {
                    name: format!("target {place}"),
                    scaling: FeatureScaling::default(),
                })
                .collect(),
            Targets::Classes(_) => Vec::new(),
        };
        let numbers = train.targets.classes().iter().chain(test.targets.classes());
        let count = numbers.max().map_or(0, |largest| largest + 1);
        Self {
            train,
            test,
            classes: (0..count).map(|class| class.to_string()).collect(),
            image: None,
            augmentation: None,
            schema: Schema { targets, ..Schema::default() },
            warnings: Vec::new(),
        }
    }

    /// Outputs of a network for these data: one a class, or one a target value.
    #[must_use]
    pub fn outputs(&self) -> usize {
        match &self.train.targets {
            Targets::Classes(_) => self.classes.len(),
            Targets::Values(values) => values.nrows(),
        }
    }

    /// The training samples `chosen` as epoch `epoch` has them.
    #[must_use]
    pub fn training_batch(&self, chosen: &[usize], epoch: usize) -> Dataset {
        match self.augmentation.as_ref().filter(|augmentation| augmentation.is_on(epoch)) {
            None => self.train.choose(chosen),
            Some(augmentation) => Dataset {
                features: augmentation.draw(chosen, epoch),
                targets: self.train.targets.choose(chosen),
            },
        }
    }
}

impl Dataset {
    /// Samples in memory: `features` `[features × samples]` and a target for each.
    ///
    /// # Panics
    /// If there are not as many targets as samples.
    #[must_use]
    pub fn new(features: DMatrix<f32>, targets: impl Into<Targets>) -> Self {
        let targets = targets.into();
        assert_eq!(features.ncols(), targets.len(), "each sample has a target");
        Self { features, targets }
    }

    /// Number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there is no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// The samples `chosen`, in that order.
    #[must_use]
    pub fn choose(&self, chosen: &[usize]) -> Self {
        Self {
            features: self.features.select_columns(chosen),
            targets: self.targets.choose(chosen),
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
