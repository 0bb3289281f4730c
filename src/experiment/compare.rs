//! Rules side by side: every rule on every seed, with digital networks beside them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use super::baseline::baselines;
use super::recipe::Recipe;
use super::run::{RunOptions, Summary, train};
use super::run_folder::RunFolder;
use crate::data::Locator;
use crate::{Error, Rule};

/// A comparison's results.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// A row a rule or digital network.
    pub rows: Vec<ComparisonRow>,
    /// Every run.
    pub runs: Vec<Summary>,
}

/// One rule or digital network over the seeds.
#[derive(Clone, Debug, Serialize)]
pub struct ComparisonRow {
    /// Its name.
    pub name: String,
    /// Test accuracy of each seed.
    pub test_accuracy: Vec<f32>,
    /// Their mean.
    pub mean: f32,
    /// Their standard deviation (of a sample).
    pub standard_deviation: f32,
}

impl ComparisonRow {
    fn new(name: String, test_accuracy: Vec<f32>) -> Self {
        let count = test_accuracy.len() as f32;
        let mean = test_accuracy.iter().sum::<f32>() / count;
        let square: f32 = test_accuracy.iter().map(|value| (value - mean).powi(2)).sum();
        let standard_deviation = if count > 1.0 { (square / (count - 1.0)).sqrt() } else { 0.0 };
        Self { name, test_accuracy, mean, standard_deviation }
    }
}

/// Trains the recipe at `path` by each of `rules` on `seeds` seeds, counting from the recipe's (or
/// the options'), a folder a run under one folder. Returns the results and that folder.
///
/// # Errors
/// As [`train`].
pub fn compare(
    path: &Path,
    rules: &[Rule],
    seeds: u64,
    options: &RunOptions,
    stop: &AtomicBool,
) -> Result<(Comparison, PathBuf), Error> {
    let recipe = Recipe::read(path, &options.set)?;
    let first_seed = options.seed.unwrap_or(recipe.seed);
    let name = path.file_stem().map_or("run".into(), |stem| stem.to_string_lossy());
    let folder = RunFolder::create(options.out.as_deref(), &format!("compare-{name}"))?;
    let backend = options.backend.device()?;
    let parent = path.parent().unwrap_or(Path::new("."));
    let locator = Locator::new(parent, options.data_dir.as_deref());
    let mut runs: Vec<Summary> = Vec::new();
    let mut digital: Vec<(&'static str, Vec<f32>)> = Vec::new();
    for seed in first_seed..first_seed + seeds {
        for &rule in rules {
            let options = RunOptions {
                rule: Some(rule),
                seed: Some(seed),
                out: Some(folder.path().join(format!("{rule}-{seed}"))),
                ..options.clone()
            };
            runs.push(train(path, &options, stop)?.0);
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Usage("the comparison was stopped before its end".to_owned()));
            }
        }
        let split = recipe.data.load(&locator, seed)?;
        for baseline in baselines(&split, seed, &backend) {
            match digital.iter_mut().find(|(name, _)| *name == baseline.name) {
                Some((_, accuracies)) => accuracies.push(baseline.test_accuracy),
                None => digital.push((baseline.name, vec![baseline.test_accuracy])),
            }
        }
    }
    let of_rule = |rule: Rule| {
        runs.iter().filter(|run| run.rule == rule).map(|run| run.test_accuracy).collect()
    };
    let rows = rules
        .iter()
        .map(|&rule| ComparisonRow::new(rule.to_string(), of_rule(rule)))
        .chain(digital.into_iter().map(|(name, all)| ComparisonRow::new(name.to_owned(), all)))
        .collect();
    let comparison = Comparison { rows, runs };
    folder.write_json("compare.json", &comparison)?;
    Ok((comparison, folder.path().to_owned()))
}
