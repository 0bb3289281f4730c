//! New windows, for a network that was trained on windows of a series.

use std::path::Path;

use super::super::{Origins, Samples, Schema, SequenceConfig};
use super::series::Series;
use super::windows::Windows;
use crate::Error;

/// Reads the series at `path`, in any format of a sequence, as the series of the training, `config`, was read.
///
/// Its inputs must be there; its targets, all of them together, or its classes may be there or not. With `labelled`
/// and answers, the samples are the windows with their answers within the series; else they are all windows, also
/// those with answers beyond the end of the series, as in a forecast. `config.path`,
/// `config.series` and `config.test` are not used.
///
/// # Errors
/// [`Error::File`] and [`Error::Data`] where it cannot be read or is shorter than a window, where an input is
/// missing or not finite, and where a class is not among the training data's.
pub fn read_sequence(
    path: &Path,
    config: &SequenceConfig,
    schema: &Schema,
    labelled: bool,
) -> Result<Samples, Error> {
    let mut config = config.clone();
    if !labelled {
        (config.targets, config.classes) = (Vec::new(), None);
    }
    let series = Series::read(path, &config, true)?;
    let has_targets = !config.targets.is_empty()
        && config.targets.iter().all(|target| series.column(target).is_some());
    let is_answered = has_targets || series.labels.is_some();
    let windows = Windows::within(&config, &series, 0..series.times, is_answered);
    if windows.starts.is_empty() {
        let (times, window) = (series.times, config.window);
        let problem = if is_answered && times >= window {
            format!(
                "it has {times} times: no window of {window} has its answer, {} later, within the series; give it a longer series, or set option `ignore_labels`",
                config.ahead
            )
        } else {
            format!(
                "it has {times} times, and the network takes windows of {window}; give it a longer series"
            )
        };
        return Err(Error::Data { path: path.to_owned(), problem });
    }
    if schema.features.len() != config.inputs.len() * config.window {
        return Err(Error::Usage(format!(
            "{}: windows of {} times of {} inputs are no samples of a network of {} features",
            path.display(),
            config.window,
            config.inputs.len(),
            schema.features.len()
        )));
    }
    let labels = match &series.labels {
        Some(labels) => Some(labels.numbers(windows.class_times(), schema, path)?),
        None => None,
    };
    let targets = has_targets.then(|| windows.wanted(&schema.targets));
    let origins = if series.lines.is_empty() {
        Origins::Times(windows.ends().collect())
    } else {
        Origins::Lines(windows.ends().map(|time| series.lines[time]).collect())
    };
    let features = windows.seen(&schema.features);
    Ok(Samples { features, labels, targets, origins, warnings: series.warnings.clone() })
}
