//! One run of a comparison.

use serde::{Deserialize, Serialize};

use super::settings::{ADVICE, overrides};
use super::sweep::SweptValues;
use crate::Error;
use crate::experiment::options::RunOptions;
use crate::experiment::recipe::Column;
use crate::experiment::run::{resume, train};
use crate::experiment::run_folder::RunFolder;
use crate::experiment::summary::Summary;
use crate::training::{EpochMetrics, Observer};

/// Identifies one run of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct CellKey {
    /// Values of the swept keys.
    pub settings: SweptValues,
    /// The rule and its settings.
    pub column: Column,
    /// The seed.
    pub seed: u64,
}

impl CellKey {
    /// Column, seed and swept values, in words.
    pub(super) fn in_words(&self) -> String {
        let Self { settings, column: Column { name, .. }, seed } = self;
        let settings: String =
            settings.iter().map(|(key, value)| format!(", {key} {value}")).collect();
        format!("{name}, seed {seed}{settings}")
    }

    /// Name of the run's folder: swept values, column, seed.
    pub(super) fn folder(&self) -> String {
        let values: String = self
            .settings
            .iter()
            .map(|(key, value)| {
                let key = key.rsplit('.').next().unwrap_or(key);
                format!("{}-", file_name(&format!("{key}={value}")))
            })
            .collect();
        format!("{values}{}-{}", file_name(&self.column.name), self.seed)
    }
}

/// `name` without letters that a file system may refuse.
pub(crate) fn file_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "=.-_".contains(c) { c } else { '_' };
    name.chars().map(plain).collect()
}

/// One run of a comparison.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cell {
    /// Values of the swept keys.
    pub settings: SweptValues,
    /// Name of the column.
    pub column: String,
    /// The seed.
    pub seed: u64,
    /// Name of the run's folder inside the comparison's.
    pub folder: String,
    /// Summary of the run.
    pub summary: Summary,
    /// Metrics of its epochs.
    #[serde(skip)]
    pub history: Vec<EpochMetrics>,
}

/// Trains, resumes or, if it is complete, reads the run `key` of the comparison in `folder`.
pub(super) fn make(
    folder: &RunFolder,
    recipe: &str,
    key: &CellKey,
    options: &RunOptions,
    observer: &mut dyn Observer,
) -> Result<Cell, Error> {
    let CellKey { settings, column: Column { rule, set, .. }, seed } = key;
    let (recipe, name) = (folder.path().join(recipe), key.folder());
    let path = folder.path().join(&name);
    let options = RunOptions {
        rule: Some(*rule),
        seed: Some(*seed),
        out: Some(path.clone()),
        // Digital networks have their own rows.
        set: set
            .iter()
            .cloned()
            .chain(overrides(settings))
            .chain(["accounting.digital_peer=false", "compare=[]"].map(str::to_owned))
            .collect(),
        ..options.clone()
    };
    let run = RunFolder::at(&path);
    let summary = if path.join(RunFolder::SUMMARY).exists() {
        run.read_json(RunFolder::SUMMARY, ADVICE)?
    } else if path.join(RunFolder::BEGUN).exists() {
        resume(&path, &options, observer)?.0
    } else {
        train(&recipe, &options, observer)?.0
    };
    let history = run.read_metrics()?;
    let CellKey { settings, column, seed } = key.clone();
    Ok(Cell { settings, column: column.name, seed, folder: name, summary, history })
}
