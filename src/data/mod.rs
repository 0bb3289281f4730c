//! Data sets in memory and readers of files: features and targets of samples, divided into training and test.

mod arrays;
mod calculated;
mod classes;
mod cochlea;
mod config;
mod csv;
mod fourier;
mod gammatone;
mod halves;
mod idx;
mod image;
mod image_size;
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
mod spikes;
mod split;
mod table;
mod targets;
mod unscaled;
mod view;
mod wav;

pub use arrays::read_arrays;
pub use cochlea::{CochleaCoding, CochleaConfig, IntegrateAndFireConfig, LevelCrossingConfig};
pub use config::{
    ArraysConfig, ChannelConfig, CsvConfig, CsvLayout, DataConfig, IdxConfig, MackeyGlassConfig,
    SequenceConfig, SequenceTarget, SeriesConfig, SourceConfig, SpeechConfig, SplitConfig,
};
pub use fourier::FourierConfig;
pub use image::{AugmentConfig, Augmentation};
pub use image_size::ImageSize;
pub use locate::Locator;
pub use numbers::Numbers;
pub use samples::{Origins, Samples, read_images, read_recordings, read_samples};
pub use scaling::FeatureScaling;
pub use schema::{Feature, Schema};
pub use sequence::read_sequence;
pub use sound::{LogMelConfig, SoundConfig, WaveformConfig};
pub use spikes::{LatencyConfig, PixelCoding, RateConfig, SpikesConfig};
pub use targets::Targets;
pub use unscaled::{Unscaled, UnscaledTargets};
pub use view::ViewConfig;

pub(crate) use names::listed;
pub(crate) use speech::recordings;

use nalgebra::DMatrix;
use rand::seq::SliceRandom;
use twinprop_devices::random;

/// Samples with their targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// `[features × samples]`, in the file's units or scaled by the [`Schema`].
    pub features: DMatrix<f32>,
    /// Targets of the network: classes, or values standardised by the [`Schema`].
    pub targets: Targets,
}

/// A data set divided into training and test samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// Training samples.
    pub train: Dataset,
    /// Test samples.
    pub test: Dataset,
    /// Names of the classes of the training samples: numbers in numeric order, names in alphabetical order. Empty if the
    /// targets are values.
    pub classes: Vec<String>,
    /// Image size, if the features are the pixels of images, row by row, or what a [`ViewConfig`] makes of them.
    pub image: Option<ImageSize>,
    /// Optional random changes of the training images.
    pub augmentation: Option<Augmentation>,
    /// Names and scaling of the features and of targets that are values; later samples are read with it.
    pub schema: Schema,
    /// Warnings about the files, one line each.
    pub warnings: Vec<String>,
}

impl Split {
    /// Most samples of [`first_samples`](Self::first_samples).
    const FIRST_SAMPLES: usize = 256;

    /// Up to 256 training samples, drawn by `seed`, to initialise a network: they set its scales and show the drives that
    /// it uses.
    #[must_use]
    pub fn first_samples(&self, seed: u64) -> Dataset {
        let mut samples: Vec<usize> = (0..self.train.len()).collect();
        samples.shuffle(&mut random::stream(seed, "initial samples"));
        samples.truncate(Self::FIRST_SAMPLES);
        self.train.choose(&samples)
    }

    /// Makes a data set from training and test samples in memory. Classes are named by their numbers,
    /// features `feature 1`, `feature 2` and so on, targets likewise; values are taken as they are.
    #[must_use]
    pub fn new(train: Dataset, test: Dataset) -> Self {
        let named = |kind: &str, count: usize| {
            let name = |place| format!("{kind} {place}");
            let unscaled = |name| Feature { name, scaling: FeatureScaling::default() };
            (1..=count).map(name).map(unscaled).collect()
        };
        let features = named("feature", train.features.nrows());
        let targets = match &train.targets {
            Targets::Values(values) => named("target", values.nrows()),
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
            schema: Schema { features, targets, ..Schema::default() },
            warnings: Vec::new(),
        }
    }

    /// Number of outputs of a network for these data: one per class or per target value.
    #[must_use]
    pub fn outputs(&self) -> usize {
        match &self.train.targets {
            Targets::Classes(_) => self.classes.len(),
            Targets::Values(values) => values.nrows(),
        }
    }

    /// The training samples `chosen`, with the random changes of `epoch`.
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
    /// Makes samples from `features` `[features × samples]` and one target each.
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

    /// Whether there are no samples.
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
        let width = self.features.nrows();
        let all = |value: f32| vec![value; width];
        let (mut smallest, mut largest) = (all(f32::INFINITY), all(f32::NEG_INFINITY));
        // Sample by sample, as they lie in memory.
        for sample in self.features.as_slice().chunks_exact(width.max(1)) {
            let extremes = smallest.iter_mut().zip(&mut largest);
            for ((smallest, largest), &value) in extremes.zip(sample) {
                *smallest = smallest.min(value);
                *largest = largest.max(value);
            }
        }
        (smallest, largest)
    }
}
