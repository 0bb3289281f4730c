//! One run of a comparison.

use serde::{Deserialize, Serialize};

use super::settings::{ADVICE, overrides};
use super::sweep::SweptValues;
use crate::experiment::options::RunOptions;
use crate::experiment::run::{resume, train};
use crate::experiment::run_folder::RunFolder;
use crate::experiment::summary::Summary;
use crate::training::{EpochMetrics, Observer};
use crate::{Error, Rule};

/// Identifies one run of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct CellKey {
    /// Values of the swept keys.
    pub settings: SweptValues,
    /// The rule.
    pub rule: Rule,
    /// The seed.
    pub seed: u64,
}

impl CellKey {
    /// Rule, seed and swept values, in words.
    pub(super) fn in_words(&self) -> String {
        let Self { settings, rule, seed } = self;
        let settings: String =
            settings.iter().map(|(key, value)| format!(", {key} {value}")).collect();
        format!("{rule}, seed {seed}{settings}")
    }

    /// Name of the run's folder: swept values, rule, seed.
    pub(super) fn folder(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "=.-_".contains(c) { c } else { '_' };
        let values: String = self
            .settings
            .iter()
            .map(|(key, value)| {
                let key = key.rsplit('.').next().unwrap_or(key);
                format!("{key}={value}-").chars().map(plain).collect::<String>()
            })
            .collect();
        format!("{values}{}-{}", self.rule, self.seed)
    }
}

/// One run of a comparison.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cell {
    /// Values of the swept keys.
    pub settings: SweptValues,
    /// The rule.
    pub rule: Rule,
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
    let CellKey { settings, rule, seed } = key;
    let (recipe, name) = (folder.path().join(recipe), key.folder());
    let path = folder.path().join(&name);
    let options = RunOptions {
        rule: Some(*rule),
        seed: Some(*seed),
        out: Some(path.clone()),
        // Digital networks have their own rows.
        set: overrides(settings)
            .into_iter()
            .chain(["accounting.digital_peer=false".to_owned()])
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
    let CellKey { settings, rule, seed } = key.clone();
    Ok(Cell { settings, rule, seed, folder: name, summary, history })
}
