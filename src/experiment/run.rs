//! One run: prepare, calibrate, train, report.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use twinprop_calibration::Fidelity;
use twinprop_calibration::fidelity::Verdict;
use twinprop_devices::rig::{Description, LinkCounts, Monitor};

use super::build::{Place, prepare};
use super::calibrate::{Calibrated, calibrate, take_exact_twins};
use super::recipe::Recipe;
use super::run_folder::RunFolder;
use super::twins::file_name;
use super::watch::save_reference;
use crate::report::{Progress, RunReport, TwinSection};
use crate::training::{
    EpochMetrics, Refinement, RefinementChoice, RefinementConfig, Trainer, TrainingEvent,
    TwinCourse, evaluate,
};
use crate::{Backend, Error, Rule};

/// What the command line decides about a run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The rule, if not the recipe's.
    pub rule: Option<Rule>,
    /// The seed, if not the recipe's.
    pub seed: Option<u64>,
    /// Where the host computes.
    pub backend: Backend,
    /// The run's folder, if not the next free one under `runs`.
    pub out: Option<PathBuf>,
    /// Where data files are looked for besides.
    pub data_dir: Option<PathBuf>,
    /// Real devices instead of the recipe's, each `TARGET` or `NAME=TARGET`.
    pub devices: Vec<String>,
    /// Where the shots of each device are recorded, if they are.
    pub record: Option<PathBuf>,
    /// Values that replace the recipe's, each `key=value`.
    pub set: Vec<String>,
}

impl RunOptions {
    /// The recipe at `path` as these options have it, its files where they are; before anything is
    /// made or driven.
    ///
    /// # Errors
    /// Whatever is wrong with the recipe or its files, and [`Error::Usage`] where the run's folder
    /// holds results already.
    pub(super) fn recipe(&self, path: &Path) -> Result<Recipe, Error> {
        let mut recipe = Recipe::read(path, &self.set)?;
        recipe.seed = self.seed.unwrap_or(recipe.seed);
        recipe.training.rule = self.rule.unwrap_or(recipe.training.rule);
        recipe.take_rigs(&self.devices)?;
        RunFolder::refuse_taken(self.out.as_deref())?;
        let folder = path.parent().unwrap_or(Path::new("."));
        recipe.data.source.make_absolute(folder, self.data_dir.as_deref())?;
        recipe.calibration.make_absolute()?;
        Ok(recipe)
    }
}

/// What a twin was worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TwinScore {
    /// Coefficient of determination on shots it never saw.
    pub r2: f32,
    /// Normalised root mean square error on them.
    pub nrmse: f32,
    /// Cosine between its gradient and the device's.
    pub gradient_cosine: f32,
}

impl TwinScore {
    fn of(fidelity: &Fidelity) -> Self {
        Self {
            r2: fidelity.readings.r2.value,
            nrmse: fidelity.readings.nrmse.value,
            gradient_cosine: fidelity.gradient.cosine.value,
        }
    }
}

/// A real device and what happened on its link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinkSummary {
    /// Where the device is.
    pub target: String,
    /// What its laboratory calls it.
    pub name: String,
    /// Tells it from others of its kind.
    pub serial_number: String,
    /// Version of its firmware.
    pub firmware: String,
    /// Shots that it measured.
    pub shots: u64,
    /// Why it was dropped from its farm, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Frames, faults and repeats.
    pub counts: LinkCounts,
}

impl LinkSummary {
    fn of(link: &Monitor) -> Self {
        let Description { name, serial_number, firmware, .. } = &link.identity().description;
        Self {
            target: link.target().to_owned(),
            name: name.clone(),
            serial_number: serial_number.clone(),
            firmware: firmware.clone(),
            shots: link.shots(),
            failure: link.failure(),
            counts: link.counts(),
        }
    }
}

/// `summary.json`: a run in numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The recipe's file name.
    pub recipe: String,
    /// The rule.
    pub rule: Rule,
    /// The seed.
    pub seed: u64,
    /// The backend.
    pub backend: Backend,
    /// Accuracy on the test data after the last epoch, measured on the device.
    pub test_accuracy: f32,
    /// The best of any epoch.
    pub best_test_accuracy: f32,
    /// Epochs trained.
    pub epochs: usize,
    /// Whether the run was stopped before its last epoch.
    pub interrupted: bool,
    /// Seconds from the first to the last.
    pub seconds: f64,
    /// Shots played on all devices, calibration included.
    pub device_shots: u64,
    /// Time that those shots take on the devices, in seconds.
    pub device_seconds: f64,
    /// Values clamped in front of the devices.
    pub clamped: u64,
    /// The links of the real devices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<LinkSummary>,
    /// How the twins that are refined did before the first step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub twins_at_start: Vec<TwinCourse>,
    /// Seconds that the twins' lessons took beside the training, where they were refined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refinement_seconds: Option<f64>,
    /// The twin (of the first device), where the rule uses a fitted one.
    pub twin: Option<TwinScore>,
}

/// The last epoch in words, for the progress bar.
fn state_of(history: &[EpochMetrics]) -> String {
    history.last().map_or_else(
        String::new,
        |EpochMetrics { epoch, train_loss, test_accuracy, twins, .. }| {
            let twins: String = twins.iter().map(state_of_twin).collect();
            format!(
                "epoch {epoch}: loss {train_loss:.3}, test accuracy {:.1} %{twins}",
                100.0 * test_accuracy
            )
        },
    )
}

/// A refined twin in words, behind the epoch's.
fn state_of_twin(twin: &TwinCourse) -> String {
    let TwinCourse { device, gradient_cosine, recalibration_shots, .. } = twin;
    let cosine = format!(", {device}'s twin {:.2}", gradient_cosine.value);
    match recalibration_shots {
        0 => cosine,
        shots => format!("{cosine}, calibrated anew with {shots} shots"),
    }
}

/// How twins are refined while `recipe` is trained, and which of the laboratory's; nothing if none are.
fn refinement_of(
    recipe: &Recipe,
    calibrated: &[Calibrated],
) -> Option<(RefinementConfig, Vec<bool>)> {
    if recipe.training.rule != Rule::Pat {
        return None;
    }
    let needs_it = |twin: &Calibrated| {
        let drifts = recipe.devices[&twin.device].imperfections.drift.is_some();
        drifts || twin.summary.fidelity.verdict() != Verdict::Fit
    };
    let (config, learn): (_, Vec<bool>) = match &recipe.training.refinement {
        RefinementChoice::Off => return None,
        RefinementChoice::On(config) => (config.clone(), vec![true; calibrated.len()]),
        RefinementChoice::Auto => {
            (RefinementConfig::default(), calibrated.iter().map(needs_it).collect())
        }
    };
    learn.contains(&true).then_some((config, learn))
}

/// Trains the recipe at `path`; `stop`, once set, ends the run after the epoch. Returns the summary
/// and the run's folder.
///
/// # Errors
/// Whatever is wrong with the recipe, the data, the folder or the device.
pub fn train(
    path: &Path,
    options: &RunOptions,
    stop: &AtomicBool,
) -> Result<(Summary, RunFolder), Error> {
    let start = Instant::now();
    let recipe = options.recipe(path)?;
    let rule = recipe.training.rule;
    let backend = options.backend.device()?;
    let recipe_folder = path.parent().unwrap_or(Path::new("."));
    let place = Place {
        data_dir: options.data_dir.as_deref(),
        record: options.record.as_deref(),
        ..Place::new(recipe_folder, &backend)
    };
    let mut experiment = prepare(&recipe, &place)?;

    if !rule.needs_calibration() {
        take_exact_twins(&mut experiment)?;
    }

    let name = path.file_stem().map_or("run".into(), |stem| stem.to_string_lossy());
    let folder =
        RunFolder::create(options.out.as_deref(), &format!("{name}-{rule}-{}", recipe.seed))?;
    folder.write(RunFolder::RECIPE, &recipe.to_toml())?;

    let calibrated = if rule.needs_calibration() {
        calibrate(&mut experiment, &recipe, &folder, &backend)?
    } else {
        Vec::new()
    };

    let mut metrics_file = folder.metrics()?;
    let mut history: Vec<EpochMetrics> = Vec::new();
    let refinement = refinement_of(&recipe, &calibrated);
    let refinement = refinement.map(|(config, learn)| {
        let (network, laboratory) = (&experiment.network, &experiment.laboratory);
        Refinement::new(config, &learn, network, laboratory, recipe.seed, &backend)
    });
    let mut trainer = Trainer {
        network: &mut experiment.network,
        laboratory: &mut experiment.laboratory,
        split: &experiment.split,
        config: &recipe.training,
        rule,
        refinement,
        judges_epochs: true,
        seed: recipe.seed,
        backend: &backend,
    };
    let mut twins_at_start = Vec::new();
    let mut progress = Progress::new(&format!("train {name} by {rule}"), trainer.steps());
    trainer.train(stop, |event| {
        match event {
            TrainingEvent::Steps(done) => progress.set(done, state_of(&history)),
            TrainingEvent::Twins(twins) => {
                twins_at_start = twins.to_vec();
            }
            TrainingEvent::Epoch(metrics) => {
                metrics_file.append(metrics)?;
                history.push(metrics.clone());
            }
        }
        Ok(())
    })?;
    let refinement_seconds = trainer.refinement.take().map(|mut refinement| {
        refinement.adopt(trainer.laboratory);
        refinement.seconds()
    });
    let last = history.last().expect("a recipe trains at least one epoch");
    progress.finish(format!("test accuracy {:.1} %", 100.0 * last.test_accuracy));
    folder.save_network(&experiment.network)?;
    if refinement_seconds.is_some() {
        for instrument in &experiment.laboratory.instruments {
            instrument.twin().save(folder.path(), &file_name(&instrument.name))?;
        }
    }
    let judgement = evaluate(
        &experiment.network,
        &mut experiment.laboratory,
        &experiment.split.test,
        &backend,
    )?;

    save_reference(
        &experiment.network,
        &mut experiment.laboratory,
        &experiment.split,
        &recipe.calibration.watch,
        recipe.seed,
        &folder,
        &backend,
    )?;
    folder.save_usages(&experiment.laboratory)?;

    for recording in &experiment.recordings {
        recording.finish()?;
    }
    let summary = Summary {
        recipe: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        rule,
        seed: recipe.seed,
        backend: options.backend,
        test_accuracy: last.test_accuracy,
        best_test_accuracy: history.iter().map(|m| m.test_accuracy).fold(0.0, f32::max),
        epochs: history.len(),
        interrupted: stop.load(Ordering::Relaxed),
        seconds: start.elapsed().as_secs_f64(),
        device_shots: experiment.laboratory.shots(),
        device_seconds: experiment.laboratory.device_seconds(),
        clamped: experiment.laboratory.clamped(),
        links: experiment.links.iter().map(LinkSummary::of).collect(),
        twins_at_start,
        refinement_seconds,
        twin: calibrated.first().map(|twin| TwinScore::of(&twin.summary.fidelity)),
    };
    folder.write_json(RunFolder::SUMMARY, &summary)?;
    let twins: Vec<TwinSection> = calibrated.iter().map(|twin| twin.section()).collect();
    let report = RunReport {
        title: &name,
        summary: &summary,
        history: &history,
        twins: &twins,
        classes: &experiment.split.classes,
        labels: &experiment.split.test.labels,
        predicted: &judgement.predicted,
        recipe: &recipe.to_toml(),
    };
    folder.write(RunFolder::REPORT, &report.to_html())?;
    Ok((summary, folder))
}
