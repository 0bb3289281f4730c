//! New samples for a trained network, read as those of its training were.

use std::path::Path;

use nalgebra::DMatrix;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::PredictOptions;
use crate::Error;
use crate::data::{
    CsvConfig, Samples, Schema, SequenceConfig, SourceConfig, read_arrays, read_images,
    read_recordings, read_samples, read_sequence,
};
use crate::experiment::recipe::{Recipe, as_option, set_value};
use crate::experiment::trained::Reopening;
use crate::experiment::trained_on::{TrainedFeature, TrainedOn, listed};
use crate::network::Source;

/// Which of a recipe's values may be set: how a file is laid out.
const LAYOUT: &str = "data.source.csv.";
/// The same of a time series, which may be set by either.
const SERIES_LAYOUT: &str = "data.source.sequence.csv.";

/// How a table is laid out: as in `config`, with the changes `set`.
fn with_layout<T: Serialize + DeserializeOwned>(config: &T, set: &[String]) -> Result<T, Error> {
    let refuse = |options: &str, why: &str| Error::Usage(format!("{options}: {why}"));
    let mut table =
        toml::Table::try_from(config).map_err(|error| Error::Usage(error.to_string()))?;
    for setting in set {
        let trimmed = setting.trim_start();
        let key = trimmed.strip_prefix(LAYOUT).or_else(|| trimmed.strip_prefix(SERIES_LAYOUT));
        let Some(key) = key else {
            return Err(refuse(
                &as_option(setting),
                "the network is as it was trained; only how a table is laid out can be set, by data.source.csv.KEY",
            ));
        };
        set_value(&mut table, key).map_err(|problem| refuse(&as_option(setting), &problem))?;
    }
    let options: Vec<String> = set.iter().map(|setting| as_option(setting)).collect();
    let config = toml::Value::Table(table).try_into();
    config.map_err(|error: toml::de::Error| refuse(&options.join(" "), error.message()))
}

/// Refuses what the source of the answers does not go with.
pub(super) fn check_source(
    recipe: &Recipe,
    run: &Path,
    options: &PredictOptions,
) -> Result<(), Error> {
    if options.source == Source::Measured {
        return Ok(());
    }
    let Reopening { devices, record, .. } = &options.reopening;
    let rule = recipe.training.rule;
    let why = if !rule.needs_calibration() {
        format!(
            "{}: it was trained by {rule}, which keeps no twins; measure instead, or train it by pat",
            run.display()
        )
    } else if !devices.is_empty() || record.is_some() {
        "option `source` predicted: no device is asked; leave out option `devices` and option `record`".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::Usage(why))
}

/// Reads the samples in `data` as those of the training on `known` were read.
pub(super) fn read(
    data: &Path,
    recipe: &Recipe,
    known: &TrainedOn,
    options: &PredictOptions,
) -> Result<Samples, Error> {
    let schema = &known.schema();
    let (every, labelled) = (recipe.data.every, !options.ignore_labels);
    let is_sound = has_extension(data, "wav") || data.is_dir();
    let is_array = has_extension(data, "npy") || has_extension(data, "npz");
    let mut config = match &recipe.data.source {
        SourceConfig::Sequence(config) => {
            let csv = with_layout(&config.csv, &options.set)?;
            let config = SequenceConfig { csv, ..config.clone() };
            return read_sequence(data, &config, schema, labelled).map_err(with_set);
        }
        SourceConfig::Csv(config) => with_layout(config, &options.set)?,
        _ => with_layout(&CsvConfig::default(), &options.set)?,
    };
    match (&recipe.data.source, known.image) {
        (SourceConfig::Idx(_), Some(size)) if !has_extension(data, "csv") => {
            let mut samples = read_images(data, every, size, schema, labelled)?;
            if let Some(view) = &recipe.data.view {
                samples.features = view.features(&samples.features, size, recipe.seed);
            }
            return Ok(samples);
        }
        (SourceConfig::Speech(config), _) if is_sound => {
            return read_recordings(data, config, schema, labelled);
        }
        (SourceConfig::Arrays(config), image) if is_array => {
            // Of a view, arrays have the features themselves.
            let image = image.filter(|_| recipe.data.view.is_none());
            return read_arrays(data, config, every, image, schema, labelled);
        }
        _ => {}
    }
    if is_sound || is_array {
        let what = if is_sound {
            "WAV files are for a training on recordings"
        } else {
            "NumPy's files are for a training on arrays or on a time series"
        };
        let first = schema.features.first().map_or("", |feature| feature.name.as_str());
        return Err(Error::Usage(format!(
            "{}: new samples for this run are read from a CSV file with a column for each of its {} features, `{first}` and so on; {what}",
            data.display(),
            schema.features.len()
        )));
    }
    let samples = if labelled {
        read_samples(data, &config, schema)
    } else {
        config.label = None;
        config.ignore.extend(schema.target_names().map(str::to_owned));
        let schema = Schema { label: None, targets: Vec::new(), ..schema.clone() };
        read_samples(data, &config, &schema)
    };
    samples.map_err(with_set)
}

/// An error that names a key of a recipe, with how the key is set where there is no recipe.
fn with_set(error: Error) -> Error {
    match error {
        Error::Data { path, problem }
            if problem.contains(LAYOUT) || problem.contains(SERIES_LAYOUT) =>
        {
            Error::Data {
                path,
                problem: format!(
                    "{problem}. Keys are set by option `set` here, such as option `set` data.source.csv.delimiter=';' and option `set` data.source.csv.decimal=."
                ),
            }
        }
        error => error,
    }
}

fn has_extension(path: &Path, name: &str) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(name))
}

/// What is to be told of features outside the range that the training had: the encoder clamps them.
pub(super) fn outside(features: &DMatrix<f32>, known: &TrainedOn, data: &Path) -> Vec<String> {
    let is_outside = |feature: usize, value: f32| {
        let TrainedFeature { minimum, maximum, .. } = known.features[feature];
        value < minimum || value > maximum
    };
    let samples = features.column_iter();
    let count = samples
        .filter(|sample| sample.iter().enumerate().any(|(place, &value)| is_outside(place, value)))
        .count();
    let columns = (0..features.nrows())
        .filter(|&place| features.row(place).iter().any(|&value| is_outside(place, value)));
    let names: Vec<&str> = columns.map(|place| known.features[place].name.as_str()).collect();
    if count == 0 {
        return Vec::new();
    }
    vec![format!(
        "{}: {count} of {} samples have values outside the range of the training, in {}; the network takes the nearest end of the range for them",
        data.display(),
        features.ncols(),
        listed(&names)
    )]
}
