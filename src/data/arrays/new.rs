//! Reads new samples in arrays for a network that was trained on arrays.

use std::path::{Path, PathBuf};

use super::super::schema::scalings;
use super::super::{ArraysConfig, FeatureScaling, ImageSize, Origins, Samples, Schema};
use super::array::Array;
use super::labels::Labels;
use super::place::{ArrayLocation, ends_in, names_in};
use crate::Error;

/// Reads the NPY file or the NPZ archive at `path` with the `options` of the training.
///
/// An NPY file has the features, shape `(samples, …)`. In an archive, the arrays have the names in `options` (or of the
/// files there, without ending); a single array may have any name. Targets and classes are optional, and read if
/// `labelled`. Every `every`-th row and column of images is kept, which must give the size `image`.
///
/// # Errors
/// [`Error::File`] and [`Error::Data`] if it cannot be read, a sample does not have the values that the network takes, a
/// value is not finite, or a class is not among the training data's.
pub fn read_arrays(
    path: &Path,
    options: &ArraysConfig,
    every: usize,
    image: Option<ImageSize>,
    schema: &Schema,
    labelled: bool,
) -> Result<Samples, Error> {
    let is_archive = ends_in(path, "npz");
    let names = if is_archive { names_in(path)? } else { Vec::new() };
    let place = |name: String| ArrayLocation { path: path.to_owned(), name: Some(name) };
    let called = |array: &Path| match options.file {
        Some(_) => array.to_string_lossy().into_owned(),
        None => array.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
    };
    let features = match (is_archive, names.as_slice()) {
        (false, _) => ArrayLocation { path: path.to_owned(), name: None },
        (true, [only]) => place(only.clone()),
        (true, _) => place(called(&options.features)),
    };
    let answer = |array: &Option<PathBuf>| {
        let name = called(array.as_deref().filter(|_| labelled)?);
        names.contains(&name).then(|| place(name))
    };
    let array = Array::read(features)?;
    let samples = array.samples();
    let count = |found: usize, name: &str| {
        match found == samples {
        true => Ok(()),
        false => Err(array.place.broken(&format!(
            "it has {samples} samples, but `{name}` has {found}; the first axis of both must have the same length"
        ))),
    }
    };
    let labels = match answer(&options.classes) {
        None => None,
        Some(place) => {
            let labels = Labels::read(&place)?;
            count(labels.of_samples.len(), &place.called())?;
            Some(labels.numbers(0..samples, schema, path)?)
        }
    };
    let targets = match answer(&options.targets) {
        None => None,
        Some(place) => {
            let targets = Array::read(place)?;
            count(targets.samples(), &targets.place.called())?;
            if targets.width() != schema.targets.len() {
                return Err(targets.place.broken(&format!(
                    "its samples have {} values, but the network has {} targets",
                    targets.width(),
                    schema.targets.len()
                )));
            }
            Some(targets.numbers.scaled(&scalings(&schema.targets)))
        }
    };
    let kept = kept_values(&array, every, image, schema)?;
    let mut of_values = vec![FeatureScaling::default(); array.width()];
    for (&value, scaling) in kept.iter().zip(scalings(&schema.features)) {
        of_values[value] = scaling;
    }
    let all = array.numbers.scaled(&of_values);
    let features = if kept.len() == all.nrows() { all } else { all.select_rows(&kept) };
    Ok(Samples { features, labels, targets, origins: Origins::Samples, warnings: Vec::new() })
}

/// The values of a sample that the network takes.
fn kept_values(
    array: &Array,
    every: usize,
    image: Option<ImageSize>,
    schema: &Schema,
) -> Result<Vec<usize>, Error> {
    let size = array.image().filter(|_| image.is_some());
    if size.map(|size| size.subsampled(every)) == image
        && let Some(size) = size
    {
        let pixels = size.pixels_left(every);
        return Ok(pixels.map(|(row, column)| row * size.columns + column).collect());
    }
    let taken = match image {
        None if array.width() == schema.features.len() => return Ok((0..array.width()).collect()),
        None => format!("{} values", schema.features.len()),
        Some(ImageSize { rows, columns }) if every == 1 => format!("({rows}, {columns})"),
        Some(ImageSize { rows, columns }) => {
            format!("({rows}, {columns}) after data.every = {every}")
        }
    };
    Err(array.place.broken(&format!(
        "its shape is {:?} (first axis: samples), but the network takes samples of {taken}",
        array.shape
    )))
}
