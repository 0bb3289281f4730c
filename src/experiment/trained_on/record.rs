//! The record: `trained_on.json`.

use std::collections::BTreeMap;

use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};
use twinprop_devices::{Interface, PhysicalLayer};

use super::super::recipe::Recipe;
use super::super::run_folder::RunFolder;
use super::digest;
use crate::Error;
use crate::data::{Dataset, Feature, FeatureScaling, ImageSize, Locator, Schema, Split, Targets};
use crate::network::Laboratory;
use crate::training::{Observer, warn};

/// Version of the file that this program writes.
const VERSION: u32 = 1;
const ADVICE: &str = "let it be read, or train the run again";

/// Data and devices of a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainedOn {
    /// Version of the file's format.
    pub version: u32,
    /// The features, in the order in which the network takes them.
    pub features: Vec<TrainedFeature>,
    /// Names of the classes, in the order of the network's outputs.
    pub classes: Vec<String>,
    /// Name of the label column; none where the samples are no table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Names and scaling of targets that are values, in the order of the network's outputs; empty for classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Feature>,
    /// Size of the images that the features are, if they are images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageSize>,
    /// Whether the features are complex amplitudes: all real parts, then all imaginary parts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_complex: bool,
    /// Seed that divided the samples, where the recipe's split is drawn.
    pub seed: u64,
    /// The samples that were learned from.
    pub train: Half,
    /// The samples that the result was judged by.
    pub test: Half,
    /// What each device of the recipe accepts and returns.
    pub devices: BTreeMap<String, Interface>,
    /// What was allowed to differ when the run was resumed or brought back, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
}

/// A feature of the training data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainedFeature {
    /// Its name.
    pub name: String,
    /// From the file's unit to the network's.
    #[serde(default)]
    pub scaling: FeatureScaling,
    /// Smallest training value, scaled: where the encoder's range begins.
    pub minimum: f32,
    /// Largest training value, scaled: where it ends.
    pub maximum: f32,
    /// Hash of its values in all samples; empty where they are computed from recordings.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hash: String,
}

/// The training or the test samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Half {
    /// How many.
    pub samples: usize,
    /// SHA-256 of their features and of their labels or targets, in their order.
    pub hash: String,
}

impl TrainedOn {
    /// Name of the file.
    pub(in crate::experiment) const FILE: &'static str = "trained_on.json";

    /// Of the data of `recipe`, which were loaded as `split` from where `locator` finds them; without the
    /// devices.
    ///
    /// # Errors
    /// [`Error::File`] where recordings cannot be read a second time.
    pub(in crate::experiment) fn of(
        recipe: &Recipe,
        split: &Split,
        locator: &Locator,
    ) -> Result<Self, Error> {
        let (minimum, maximum) = split.train.extremes();
        let files = digest::recordings(&recipe.data.source, locator)?;
        let hashes = match &files {
            Some(_) => vec![String::new(); split.schema.features.len()],
            None => digest::features(split),
        };
        let features = split.schema.features.iter().zip(hashes).enumerate();
        let features = features.map(|(place, (feature, hash))| TrainedFeature {
            name: feature.name.clone(),
            scaling: feature.scaling,
            minimum: minimum[place],
            maximum: maximum[place],
            hash,
        });
        let half = |of: &Dataset| Half {
            samples: of.len(),
            hash: digest::half(of, &split.classes, files.as_deref()),
        };
        Ok(Self {
            version: VERSION,
            features: features.collect(),
            classes: split.classes.clone(),
            label: split.schema.label.clone(),
            targets: split.schema.targets.clone(),
            image: split.image,
            is_complex: split.schema.is_complex,
            seed: recipe.seed,
            train: half(&split.train),
            test: half(&split.test),
            devices: BTreeMap::new(),
            changed: Vec::new(),
        })
    }

    /// Adds the devices of `laboratory`.
    pub(in crate::experiment) fn note_devices(&mut self, laboratory: &Laboratory) {
        let instruments = laboratory.instruments.iter();
        let interfaces = instruments.map(|one| (one.name.clone(), one.device.interface().clone()));
        self.devices = interfaces.collect();
    }

    /// Takes the encoder's constants of `before`: the network keeps using them.
    pub(in crate::experiment) fn keep_encoder_of(&mut self, before: &Self) {
        for (feature, before) in self.features.iter_mut().zip(&before.features) {
            (feature.minimum, feature.maximum) = (before.minimum, before.maximum);
        }
    }

    /// What the run in `folder` was trained on; nothing of a run of an earlier version, which is told.
    ///
    /// # Errors
    /// [`Error::Data`] for a damaged file and for one of a later version, [`Error::File`] for one that cannot
    /// be read.
    pub fn of_run(folder: &RunFolder, observer: &mut dyn Observer) -> Result<Option<Self>, Error> {
        let path = folder.path().join(Self::FILE);
        if !path.exists() {
            let warning = format!(
                "{} does not say what it was trained on, as an earlier version wrote it: data and devices are taken as they are now",
                folder.path().display()
            );
            warn(observer, &[warning])?;
            return Ok(None);
        }
        let value: serde_json::Value = folder.read_json(Self::FILE, ADVICE)?;
        let version = value.get("version").and_then(serde_json::Value::as_u64);
        let problem = match version {
            Some(version) if version > u64::from(VERSION) => {
                format!(
                    "its version is {version} and this program reads {VERSION}; update twinprop"
                )
            }
            _ => match serde_json::from_value(value) {
                Ok(known) => return Ok(Some(known)),
                Err(error) => error.to_string(),
            },
        };
        Err(Error::Data { path, problem })
    }

    /// Writes it to `folder`.
    ///
    /// # Errors
    /// As [`RunFolder::write`].
    pub(in crate::experiment) fn write(&self, folder: &RunFolder) -> Result<(), Error> {
        folder.write_json(Self::FILE, self)
    }

    /// Notes that `changes` were allowed.
    pub(in crate::experiment) fn allow(&mut self, changes: &[String]) {
        for change in changes {
            if !self.changed.contains(change) {
                self.changed.push(change.clone());
            }
        }
    }

    /// Names, scaling, classes and targets, by which new samples are read.
    #[must_use]
    pub fn schema(&self) -> Schema {
        let features = self.features.iter();
        let features = features
            .map(|feature| Feature { name: feature.name.clone(), scaling: feature.scaling });
        Schema {
            features: features.collect(),
            classes: self.classes.clone(),
            label: self.label.clone(),
            targets: self.targets.clone(),
            is_complex: self.is_complex,
        }
    }

    /// A stand-in for the data, from which a network is built: two training samples that span every feature's range,
    /// with the classes or targets.
    #[must_use]
    pub(in crate::experiment) fn stand_in(&self) -> Split {
        let ends = DMatrix::from_fn(self.features.len(), 2, |feature, end| {
            let TrainedFeature { minimum, maximum, .. } = self.features[feature];
            if end == 0 { minimum } else { maximum }
        });
        let nothing = DMatrix::zeros(self.features.len(), 0);
        let targets = |samples: usize| -> Targets {
            match self.targets.len() {
                0 => vec![0; samples].into(),
                count => DMatrix::zeros(count, samples).into(),
            }
        };
        Split {
            train: Dataset { features: ends, targets: targets(2) },
            test: Dataset { features: nothing, targets: targets(0) },
            classes: self.classes.clone(),
            image: self.image,
            augmentation: None,
            schema: self.schema(),
            warnings: Vec::new(),
        }
    }

    /// Whether `other` was trained on the same samples.
    pub(in crate::experiment) fn has_the_data_of(&self, other: &Self) -> bool {
        (&self.train, &self.test) == (&other.train, &other.test)
            && (&self.features, &self.classes) == (&other.features, &other.classes)
            && self.targets == other.targets
    }
}
