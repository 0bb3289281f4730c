//! Windows of a time series as samples.

mod new;
mod series;
mod windows;

use std::path::Path;

pub use self::new::read_sequence;

use self::series::Series;
use self::windows::Windows;
use super::halves::{Classes, Divisible, Halves, refuse_one_class};
use super::split::constant_target;
use super::{
    Dataset, Locator, Schema, SequenceConfig, SequenceTarget, Split, SplitConfig, Targets,
};
use crate::Error;

/// Reads or calculates the series of a recipe, and divides its windows as `split` says, unless a test series is named;
/// `seed` draws what is random: a split, and the noise of a series that is calculated.
pub(super) fn read(
    config: &SequenceConfig,
    locator: &Locator,
    split: &SplitConfig,
    seed: u64,
) -> Result<Split, Error> {
    check(config)?;
    let series = match (&config.path, &config.series) {
        (Some(path), None) => Series::read(&locator.find(path)?, config, false)?,
        (None, Some(series)) => Series::calculate(series, config, seed)?,
        _ => {
            return Err(Error::Usage(
                "data.source.sequence: name either a file (path) or a series that is calculated (series)".to_owned(),
            ));
        }
    };
    let test_series = match &config.test {
        Some(test) => Some(Series::read(&locator.find(test)?, config, false)?),
        None => None,
    };
    let all = || Windows::within(config, &series, 0..series.times, true);
    let mut warnings = series.warnings.clone();
    let (train, test) = match (&test_series, split) {
        (Some(test), _) => {
            warnings.extend(test.warnings.iter().cloned());
            (all(), Windows::within(config, test, 0..test.times, true))
        }
        (None, SplitConfig::Ordered { test_fraction }) => {
            let divisible =
                Divisible { path: &series.path, samples: series.times, classes: None, aside: &[] };
            let tested = divisible.tested(series.times, "times", *test_fraction, "ordered")?;
            let first = series.times - tested;
            (
                Windows::within(config, &series, 0..first, true),
                Windows::within(config, &series, first..series.times, true),
            )
        }
        (None, _) => {
            let all = all();
            refuse_no_window(&all, series.times)?;
            let Halves { train, test } = divide(&all, split, seed)?;
            if all.overlap() {
                warnings.push(format!(
                    "{}: windows overlap (data.source.sequence.stride is below window), so that a split at random has the same values in training and test; leave out data.split to test the last ones",
                    series.path.display()
                ));
            }
            (all.choose(&train), all.choose(&test))
        }
    };
    for half in [&train, &test] {
        refuse_no_window(half, half.series.times)?;
    }
    let schema = schema_of(&train)?;
    for name in train.constant_targets() {
        warnings.push(constant_target(&series.path, name));
    }
    Ok(Split {
        train: dataset(&train, &schema)?,
        test: dataset(&test, &schema)?,
        classes: schema.classes.clone(),
        image: None,
        augmentation: None,
        schema,
        warnings,
    })
}

/// Refuses options that contradict each other.
fn check(config: &SequenceConfig) -> Result<(), Error> {
    let refused =
        |problem: &str| Err(Error::Data { path: config.called(), problem: problem.to_owned() });
    if config.inputs.is_empty() {
        return refused("data.source.sequence.inputs names no column; name what the network sees");
    }
    if config.targets.is_empty() != config.classes.is_some() {
        return refused(
            "name what is answered: values by data.source.sequence.targets, or a class by data.source.sequence.classes, and not both",
        );
    }
    if config.classes.is_some() && config.target == SequenceTarget::Window {
        return refused(
            "data.source.sequence.classes goes with target = \"end\": a network answers one class a window",
        );
    }
    for (key, names) in [("inputs", &config.inputs), ("targets", &config.targets)] {
        let mut seen = std::collections::HashSet::new();
        if let Some(twice) = names.iter().find(|name| !seen.insert(*name)) {
            return refused(&format!(
                "`{twice}` is twice in data.source.sequence.{key}; name each column once"
            ));
        }
    }
    if config.classes.as_ref().is_some_and(|classes| config.inputs.contains(classes)) {
        return refused(
            "data.source.sequence.classes is an input as well; the answer would be seen",
        );
    }
    Ok(())
}

fn refuse_no_window(windows: &Windows, times: usize) -> Result<(), Error> {
    if !windows.starts.is_empty() {
        return Ok(());
    }
    let SequenceConfig { window, ahead, .. } = windows.config;
    Err(Error::Data {
        path: windows.series.path.clone(),
        problem: format!(
            "it has {times} times, of which a half leaves no window of {window} with an answer {ahead} later; add some, or change data.source.sequence.window, ahead or data.split"
        ),
    })
}

/// Divides `all` windows at random.
fn divide(all: &Windows, split: &SplitConfig, seed: u64) -> Result<Halves, Error> {
    let of_samples: Option<Vec<usize>> = all
        .series
        .labels
        .as_ref()
        .map(|labels| all.class_times().map(|time| labels.of_samples[time]).collect());
    let names = all.series.labels.as_ref().map(|labels| labels.names.as_slice());
    let classes = of_samples.as_deref().zip(names);
    let divisible = Divisible {
        path: &all.series.path,
        samples: all.starts.len(),
        classes: classes.map(|(of_samples, names)| Classes { of_samples, names }),
        aside: &[],
    };
    divisible.divide(split, seed)
}

/// Names, classes and scaling of the training windows `train`.
fn schema_of(train: &Windows) -> Result<Schema, Error> {
    let mut schema = Schema { features: train.features(), ..Schema::default() };
    match &train.series.labels {
        Some(labels) => {
            schema.classes = labels.occurring(train.class_times());
            refuse_one_class(&train.series.path, &schema.classes, None)?;
        }
        None => schema.targets = train.targets(),
    }
    Ok(schema)
}

fn dataset(windows: &Windows, schema: &Schema) -> Result<Dataset, Error> {
    Ok(Dataset { features: windows.seen(&schema.features), targets: answers(windows, schema)? })
}

fn answers(windows: &Windows, schema: &Schema) -> Result<Targets, Error> {
    let Series { labels, path, .. } = windows.series;
    Ok(match labels {
        Some(labels) => {
            let path: &Path = path;
            Targets::Classes(labels.numbers(windows.class_times(), schema, path)?)
        }
        None => Targets::Values(windows.wanted(&schema.targets)),
    })
}
