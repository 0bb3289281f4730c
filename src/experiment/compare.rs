//! Rules side by side: every rule on every seed, with digital networks beside them.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use serde::Serialize;

use super::baseline::baselines;
use super::recipe::Recipe;
use super::run::{RunOptions, train};
use super::run_folder::RunFolder;
use super::summary::Summary;
use crate::data::Locator;
use crate::report::{Curve, line_chart};
use crate::training::EpochMetrics;
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
/// the options'), a folder a run under one folder, with the results in `compare.json` and the mean
/// learning curves in `accuracy.svg`. Returns the results and that folder.
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
    let mut histories: Vec<Vec<EpochMetrics>> = Vec::new();
    let mut digital: Vec<(&'static str, Vec<f32>)> = Vec::new();
    for seed in first_seed..first_seed + seeds {
        for &rule in rules {
            let options = RunOptions {
                rule: Some(rule),
                seed: Some(seed),
                out: Some(folder.path().join(format!("{rule}-{seed}"))),
                ..options.clone()
            };
            let (summary, run_folder) = train(path, &options, stop)?;
            runs.push(summary);
            histories.push(run_folder.read_metrics()?);
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
    folder.write("accuracy.svg", &learning_curves(rules, seeds, &comparison.runs, &histories))?;
    Ok((comparison, folder.path().to_owned()))
}

/// The mean test accuracy of each rule, epoch by epoch.
fn learning_curves(
    rules: &[Rule],
    seeds: u64,
    runs: &[Summary],
    histories: &[Vec<EpochMetrics>],
) -> String {
    let names: Vec<String> = rules.iter().map(Rule::to_string).collect();
    let curves: Vec<Curve> = rules
        .iter()
        .zip(&names)
        .map(|(&rule, name)| {
            let of_rule: Vec<&Vec<EpochMetrics>> = runs
                .iter()
                .zip(histories)
                .filter(|(run, _)| run.rule == rule)
                .map(|(_, history)| history)
                .collect();
            let epochs = of_rule.iter().map(|history| history.len()).min().unwrap_or(0);
            let mean = |epoch: usize| {
                let sum: f32 = of_rule.iter().map(|history| history[epoch].test_accuracy).sum();
                f64::from(100.0 * sum / of_rule.len() as f32)
            };
            let points = (0..epochs).map(|epoch| ((epoch + 1) as f64, mean(epoch))).collect();
            Curve { name, points }
        })
        .collect();
    line_chart(
        &format!("Test accuracy on the device, mean of {seeds} seeds"),
        "epoch",
        "accuracy (%)",
        Some(0.0..100.0),
        &curves,
    )
}
