//! Readers of new samples for a trained network.

use std::path::Path;

use nalgebra::DMatrix;

use super::idx::NewImages;
use super::{CsvConfig, ImageSize, Schema, SpeechConfig, csv, idx, speech};
use crate::Error;

/// New samples with the features of a trained network.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    /// `[features × samples]`, scaled as the training data.
    pub features: DMatrix<f32>,
    /// Class number of each sample; `None` without labels.
    pub labels: Option<Vec<usize>>,
    /// Targets, `[targets × samples]`, standardised as in the training; `None` without targets.
    pub targets: Option<DMatrix<f32>>,
    /// Origin of each sample.
    pub origins: Origins,
    /// Warnings about the files.
    pub warnings: Vec<String>,
}

/// Origin of each sample, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origins {
    /// Lines of a table, from 1.
    Lines(Vec<usize>),
    /// Names of recordings.
    Files(Vec<String>),
    /// Numbers in a file of images, from 1.
    Images,
    /// Indices on the first axis of an array, from 0.
    Samples,
    /// Index of the last time of each window of a series, from 0.
    Times(Vec<usize>),
}

impl Origins {
    /// Name of the origins: `line`, `file`, `image`, `sample` or `time`.
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

    /// Origin of the sample `sample`, counted from 0; empty beyond the last.
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
/// Columns are found by name, in any order; columns that the training data do not have are ignored. The label column
/// (`options.label` or the schema's) is optional, and so are the target columns, all together. `options.path`,
/// `options.test` and `options.targets` are not used.
///
/// # Errors
/// [`Error::Data`] with the place in the file if a feature or some of the targets are missing, a cell is not a finite
/// number, or a label is not a class of the training data.
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

/// Reads the recording or the folder of recordings at `path` with the `options` of the training. With `labelled`, reads
/// the labels if every file name is `LABEL_SPEAKER_TAKE.wav`.
///
/// # Errors
/// [`Error::Data`] names a recording that cannot be read, or a label that is not a class of the training data.
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

/// Reads the images in the file `path` in MNIST's format, gzipped or not. Every `every`-th row and column is kept, which
/// must give the size `size`. With `labelled`, reads the labels from the file beside it with `labels` and `idx1` in its
/// name instead of `images` and `idx3`, if it exists.
///
/// # Errors
/// [`Error::Data`] if it cannot be read, the images have another size, or a label is not a class of the training
/// data.
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
            _ => format!(" (data.every = {every} leaves {})", in_words(seen)),
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
