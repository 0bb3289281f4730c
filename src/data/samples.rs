//! New samples for a network that was trained on others of their kind.

use std::path::Path;

use nalgebra::DMatrix;

use super::idx::NewImages;
use super::{CsvConfig, ImageSize, Schema, SpeechConfig, csv, idx, speech};
use crate::Error;

/// New samples, ready for a network that was trained on the same features.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    /// `[features × samples]`, scaled as the training data were.
    pub features: DMatrix<f32>,
    /// Class number of each sample; none where they have no labels.
    pub labels: Option<Vec<usize>>,
    /// Targets, `[targets × samples]`, standardised as those of the training were; none where the file has none.
    pub targets: Option<DMatrix<f32>>,
    /// Where each sample comes from.
    pub origins: Origins,
    /// What is odd about the files, to be told to the user.
    pub warnings: Vec<String>,
}

/// Where each of some samples comes from, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Line in a table, from one.
    Lines(Vec<usize>),
    /// Name of the recording.
    Files(Vec<String>),
    /// Place in a file of images, from one.
    Images,
    /// Place on the first axis of an array, from zero.
    Samples,
    /// The last time of each window of a series, from zero.
    Times(Vec<usize>),
}

impl Origins {
    /// What they are called: `line`, `file`, `image`, `sample` or `time`.
    #[must_use]
    pub fn heading(&self) -> &'static str {
        match self {
            Self::Lines(_) => "line",
            Self::Files(_) => "file",
            Self::Images => "image",
            Self::Samples => "sample",
            Self::Times(_) => "time",
        }
    }

    /// That of the sample `sample`, counted from zero; empty beyond the last.
    #[must_use]
    pub fn of(&self, sample: usize) -> String {
        match self {
            Self::Lines(places) | Self::Times(places) => {
                places.get(sample).map(ToString::to_string).unwrap_or_default()
            }
            Self::Files(files) => files.get(sample).cloned().unwrap_or_default(),
            Self::Images => (sample + 1).to_string(),
            Self::Samples => sample.to_string(),
        }
    }
}

/// Reads the CSV file at `path` with the training data's feature names, scaling and classes.
///
/// Columns are found by name, in any order, and columns that training has not are left alone. The label column
/// (`options.label`, or that of the schema) may be there or not, and so may the target columns, all of them together;
/// `options.path`, `options.test` and `options.targets` are not used.
///
/// # Errors
/// [`Error::Data`] says what is wrong where in the file: a feature or one of several targets is missing, a cell is no
/// finite number, a label is no class of the training data.
pub fn read_samples(path: &Path, options: &CsvConfig, schema: &Schema) -> Result<Samples, Error> {
    let table = csv::read_new(path, options, schema)?;
    let features = schema.features_of(&table)?;
    let labels = match table.label {
        Some(_) => Some(schema.labels_of(&table)?),
        None => None,
    };
    let targets = schema.targets_of(&table);
    let origins = Origins::Lines(table.lines);
    Ok(Samples { features, labels, targets, origins, warnings: table.warnings })
}

/// Reads the recording or the folder of recordings at `path` as those of the training were read. With `labelled`,
/// labels are taken where every name is `LABEL_SPEAKER_TAKE.wav`.
///
/// # Errors
/// [`Error::Data`] says which recording cannot be read, or has a label that is no class of the training data.
pub fn read_recordings(
    path: &Path,
    options: &SpeechConfig,
    schema: &Schema,
    labelled: bool,
) -> Result<Samples, Error> {
    let (table, files) = speech::read_new(path, options)?;
    let features = schema.features_of(&table)?;
    let has_labels = labelled && !table.labels.is_empty();
    let labels = has_labels.then(|| schema.labels_of(&table)).transpose()?;
    let (origins, warnings) = (Origins::Files(files), table.warnings);
    Ok(Samples { features, labels, targets: None, origins, warnings })
}

/// Reads the file of images at `path`, in MNIST's format, gzipped or not, of which every `every`-th row and column
/// makes an image of `size`. With `labelled`, labels are taken from the file of labels beside it, whose name has
/// `labels` and `idx1` for `images` and `idx3`, if it is there.
///
/// # Errors
/// [`Error::Data`] where it cannot be read, where its images have another size, and where a label is no class of
/// the training data.
pub fn read_images(
    path: &Path,
    every: usize,
    size: ImageSize,
    schema: &Schema,
    labelled: bool,
) -> Result<Samples, Error> {
    let NewImages { images, labels } = idx::read_new(path, labelled)?;
    let broken = |problem: String| Error::Data { path: path.to_owned(), problem };
    let seen = images.size.subsampled(every);
    if seen != size {
        let in_words = |size: ImageSize| format!("{} × {}", size.rows, size.columns);
        let kept = match every {
            1 => String::new(),
            _ => format!(" (of which data.every = {every} leaves {})", in_words(seen)),
        };
        return Err(broken(format!(
            "its images have {} pixels{kept}; the network takes {}",
            in_words(images.size),
            in_words(size)
        )));
    }
    let names = labels.map(|labels| labels.iter().map(ToString::to_string).collect::<Vec<_>>());
    let numbers = |names: Vec<String>| {
        let place = |image: usize| format!("image {}: ", image + 1);
        schema.numbers_of(names.iter().map(String::as_str), path, place)
    };
    let labels = names.map(numbers).transpose()?;
    let features = images.features(every);
    let (origins, warnings) = (Origins::Images, Vec::new());
    Ok(Samples { features, labels, targets: None, origins, warnings })
}
