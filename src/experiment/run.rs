//! One run: prepare, calibrate, train, report.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use burn::tensor::Device;
use twinprop_calibration::CalibrationError;
use twinprop_calibration::fidelity::Verdict;
use twinprop_devices::DeviceError;

use super::assemblies::StageAssemblies;
use super::build::Experiment;
use super::calibrate::{Calibrated, calibrate, reload};
use super::calibration_run::{self, CalibrationSummary};
use super::checkpoint::{self, Checkpoint};
use super::feasible;
use super::options::RunOptions;
use super::provenance::Spent;
use super::recipe::Recipe;
use super::run_folder::RunFolder;
use super::summary::Summary;
use super::trained_on::TrainedOn;
use super::twins::load_twins;
use super::verdict::{self, TwinVerdict};
use crate::Error;
use crate::report::{EventFile, TrainingView};
use crate::training::{
    Checkpoints, Ending, EpochMetrics, Refinement, RefinementChoice, RefinementConfig, Start,
    StepDone, Trainer, TrainingEvent, TwinCourse,
};

const EVENTS_ADVICE: &str = "make room there, or leave out --tensorboard";

/// Time from one checkpoint to the next, where it is not counted in steps.
pub const CHECKPOINTS_EVERY: Duration = Duration::from_secs(30);

/// How twins are refined while `recipe` is trained, and which of the laboratory's; nothing if none are.
fn refinement_of(
    recipe: &Recipe,
    calibrated: &[Calibrated],
) -> Option<(RefinementConfig, Vec<bool>)> {
    if !recipe.training.rule.refines_twins() {
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

/// Trains the recipe at `path`; `stop`, once set, ends the run after the step, with a checkpoint. Returns
/// the summary and the run's folder.
///
/// # Errors
/// Whatever is wrong with the recipe, the data, the folder or the device; [`Error::Interrupted`] where it
/// was stopped.
pub fn train(
    path: &Path,
    options: &RunOptions,
    stop: &AtomicBool,
) -> Result<(Summary, RunFolder), Error> {
    let start = Instant::now();
    let recipe = options.recipe(path)?;
    feasible::check_rule(&recipe)?;
    let backend = options.backend.device()?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let experiment = options.set_up(&recipe, folder, None, &backend)?;
    let rule = recipe.training.rule;
    let name = path.file_stem().map_or("run".into(), |stem| stem.to_string_lossy());
    let folder =
        RunFolder::create(options.out.as_deref(), &format!("{name}-{rule}-{}", recipe.seed))?;
    experiment.trained_on.write(&folder)?;
    folder.begin(&recipe, path, &options.command)?;
    Run::new(start, recipe, options, backend, folder, experiment).carry_on(None, stop)
}

/// Resumes the run in `path`, which was cut off, at its last checkpoint. On simulated devices it ends as it would
/// have without a break.
///
/// # Errors
/// As [`train`], and [`Error::Usage`] where there is no run, or it is complete.
pub fn resume(
    path: &Path,
    options: &RunOptions,
    stop: &AtomicBool,
) -> Result<(Summary, RunFolder), Error> {
    let start = Instant::now();
    let folder = RunFolder::open_begun(path)?;
    if path.join(RunFolder::SUMMARY).exists() {
        return Err(Error::Usage(format!(
            "{}: this run is complete; see {}",
            path.display(),
            RunFolder::REPORT
        )));
    }
    let mut recipe = Recipe::read(&path.join(RunFolder::RECIPE), &[])?;
    recipe.take_rigs(&options.devices)?;
    feasible::check_rule(&recipe)?;
    feasible::check(&recipe, options)?;
    let checkpoint = Checkpoint::last_of(&folder)?;
    // What a rig has measured is kept; a simulation plays it again, with the noise that it had.
    if checkpoint.is_none() && recipe.devices.values().all(|device| device.rig.is_none()) {
        folder.forget_shots()?;
    }
    let backend = options.backend.device()?;
    let trained_on = TrainedOn::of_run(&folder)?;
    let experiment = options.set_up(&recipe, path, trained_on.as_ref(), &backend)?;
    if let (Some(mut trained_on), false) = (trained_on, experiment.changes.is_empty()) {
        trained_on.allow(&experiment.changes);
        trained_on.write(&folder)?;
    }
    let run = Run::new(start, recipe, options, backend, folder, experiment);
    run.carry_on(checkpoint.as_ref(), stop)
}

/// A run whose experiment is set up.
pub(super) struct Run<'a> {
    pub start: Instant,
    pub recipe: Recipe,
    pub options: &'a RunOptions,
    pub backend: Device,
    pub folder: RunFolder,
    pub experiment: Experiment,
    /// What its twins are worth.
    pub verdicts: Vec<TwinVerdict>,
    /// Where its time went, that of earlier processes included.
    pub spent: Spent,
}

impl<'a> Run<'a> {
    /// Of an experiment that is set up and has played no shot.
    fn new(
        start: Instant,
        recipe: Recipe,
        options: &'a RunOptions,
        backend: Device,
        folder: RunFolder,
        experiment: Experiment,
    ) -> Self {
        let (verdicts, spent) = (Vec::new(), Spent::default());
        Self { start, recipe, options, backend, folder, experiment, verdicts, spent }
    }

    /// Calibrates, trains and reports, from `checkpoint` on if there is one.
    fn carry_on(
        self,
        checkpoint: Option<&Checkpoint>,
        stop: &AtomicBool,
    ) -> Result<(Summary, RunFolder), Error> {
        let folder = RunFolder::at(self.folder.path());
        self.carry_out(checkpoint, stop).map_err(|error| cut_off(&folder, error))
    }

    fn carry_out(
        mut self,
        checkpoint: Option<&Checkpoint>,
        stop: &AtomicBool,
    ) -> Result<(Summary, RunFolder), Error> {
        if self.options.tensorboard {
            // A folder that cannot be written must be known before the first shot.
            let path = self.folder.path().join(EventFile::FOLDER);
            EventFile::create(self.folder.path(), &[])
                .map_err(Error::file(&path, EVENTS_ADVICE))?;
        }
        // A network that a checkpoint restores has its scales already.
        match checkpoint {
            Some(from) => self.spent = from.notes.spent,
            None => {
                let Self { experiment, recipe, backend, .. } = &mut self;
                self.spent.first_shots = experiment.play_first_shots(recipe.seed, backend)?;
            }
        }
        self.spent.opening += self.start.elapsed().as_secs_f64();
        let calibrated = self.calibrate(checkpoint.is_some())?;
        let course = self.train(&calibrated, checkpoint, stop)?;
        self.finish(&calibrated, course)
    }

    /// Makes the twins, or loads them if they were made before.
    fn calibrate(&mut self, before: bool) -> Result<Vec<Calibrated>, Error> {
        let Self { recipe, folder, experiment, backend, start, verdicts, spent, .. } = self;
        if !recipe.training.rule.needs_calibration() {
            return Ok(Vec::new());
        }
        if before {
            let made = reload(experiment, recipe, folder, backend)?;
            *verdicts = calibration_run::verdicts(&made, recipe);
            return Ok(made);
        }
        let since = Instant::now();
        let made = calibrate(experiment, recipe, folder, backend)?;
        let backend = &self.options.backend;
        let summary = CalibrationSummary::of(&made, recipe, folder, backend, *start)?;
        folder.write_json(RunFolder::CALIBRATION, &summary)?;
        *verdicts = calibration_run::verdicts(&made, recipe);
        spent.calibration += since.elapsed().as_secs_f64();
        for verdict in &*verdicts {
            verdict.tell();
        }
        let page = folder.path().join(RunFolder::CALIBRATION_REPORT);
        let met =
            verdict::require(verdicts, recipe.calibration.require, &page.display().to_string());
        if met.is_err() {
            summary.write_report(&made, recipe, folder)?;
        }
        met.map(|()| made)
    }

    /// Trains the network, and keeps checkpoints.
    fn train(
        &mut self,
        calibrated: &[Calibrated],
        checkpoint: Option<&Checkpoint>,
        stop: &AtomicBool,
    ) -> Result<Course, Error> {
        let since = Instant::now();
        let Self { start, recipe, options, backend, folder, experiment, spent, .. } = self;
        let trained_before = spent.training;
        let rule = recipe.training.rule;
        if let Some(twins) = checkpoint.and_then(Checkpoint::twins) {
            load_twins(experiment, recipe, twins, backend)?;
        }
        let mut refinement = refinement_of(recipe, calibrated).map(|(config, learn)| {
            let (network, laboratory) = (&experiment.network, &experiment.laboratory);
            Refinement::new(config, &learn, network, laboratory, recipe.seed, backend)
        });
        let (network, laboratory) = (&mut experiment.network, &mut experiment.laboratory);
        let begin = checkpoint
            .map(|from| {
                let optimiser = recipe.training.optimiser;
                from.restore(network, laboratory, refinement.as_mut(), optimiser, backend)
            })
            .transpose()?;
        let batches = experiment.split.train.len().div_ceil(recipe.training.batch) as u64;
        let steps_before = begin.as_ref().map_or(0, |Start { progress, .. }| progress.steps);
        let mut history = folder.go_back_to((steps_before / batches) as usize)?;
        let mut metrics_file = folder.metrics()?;
        let events_path = folder.path().join(EventFile::FOLDER);
        let mut events = options
            .tensorboard
            .then(|| EventFile::create(folder.path(), &history))
            .transpose()
            .map_err(Error::file(&events_path, EVENTS_ADVICE))?;
        if begin.is_none() && network.bean.is_some() {
            let test = &experiment.split.test;
            let assemblies = StageAssemblies::before(network, laboratory, test, backend)?;
            folder.write_json(RunFolder::ASSEMBLIES, &assemblies)?;
        }
        let (mut twins_at_start, seconds_before) = match checkpoint {
            Some(Checkpoint { notes, .. }) => (notes.twins_at_start.clone(), notes.seconds),
            None => (Vec::new(), 0.0),
        };
        let mut trainer = Trainer {
            network,
            laboratory,
            split: &experiment.split,
            config: &recipe.training,
            rule,
            refinement,
            judges_epochs: true,
            checkpoints: options
                .checkpoint_steps
                .map_or(Checkpoints::Every(CHECKPOINTS_EVERY), Checkpoints::Steps),
            seed: recipe.seed,
            backend,
        };
        let label = format!("train {} by {rule}", folder.begun()?.name());
        let kinds =
            recipe.devices.iter().map(|(name, device)| (name.clone(), device.kind_in_words()));
        let mut view = TrainingView::new(
            (&label, kinds.collect()),
            (trainer.steps(), steps_before as usize),
            options.tui,
            &experiment.links,
        );
        view.twins(&twins_at_start);
        for metrics in &history {
            view.epoch(metrics.epoch * batches as usize, metrics);
        }
        let ending = trainer.train(begin, stop, |event| {
            match event {
                TrainingEvent::Step(StepDone { done, loss, laboratory }) => {
                    view.step((done, loss), laboratory, stop);
                }
                TrainingEvent::Twins(twins) => {
                    view.twins(twins);
                    twins_at_start = twins.to_vec();
                }
                TrainingEvent::Epoch(metrics) => {
                    metrics_file.append(metrics)?;
                    if let Some(events) = &mut events {
                        events.append(metrics).map_err(Error::file(&events_path, EVENTS_ADVICE))?;
                    }
                    view.epoch(metrics.epoch * batches as usize, metrics);
                    history.push(metrics.clone());
                }
                TrainingEvent::Checkpoint(snapshot) => {
                    let seconds = seconds_before + start.elapsed().as_secs_f64();
                    spent.training = trained_before + since.elapsed().as_secs_f64();
                    checkpoint::save(folder, &snapshot, &twins_at_start, (seconds, *spent))?;
                }
            }
            Ok(())
        })?;
        let refinement_seconds = trainer.refinement.take().map(|mut refinement| {
            refinement.adopt(trainer.laboratory);
            refinement.seconds()
        });
        if let Ending::Stopped(done) = ending {
            let (steps, run) = (trainer.steps(), folder.path().display());
            view.finish(format!("stopped after step {done}"));
            return Err(Error::Interrupted(format!(
                "stopped after {done} of {steps} steps; resume with `twinprop train --resume {run}`"
            )));
        }
        let last = history.last().expect("a recipe trains at least one epoch");
        view.finish(format!("test accuracy {:.1} %", 100.0 * last.test_accuracy));
        spent.training = trained_before + since.elapsed().as_secs_f64();
        Ok(Course { history, twins_at_start, refinement_seconds, seconds_before })
    }
}

/// `error` of the run in `folder`, and how to resume the run where that helps: from a checkpoint, or where a
/// rig failed before the first, whose shots are kept.
fn cut_off(folder: &RunFolder, error: Error) -> Error {
    let helps = match &error {
        Error::Device(DeviceError::Rig { .. })
        | Error::Calibration(CalibrationError::Device(DeviceError::Rig { .. })) => true,
        Error::Device(_) | Error::Calibration(CalibrationError::Device(_)) | Error::File { .. } => {
            matches!(Checkpoint::last_of(folder), Ok(Some(_)))
        }
        _ => false,
    };
    if helps {
        Error::Cut { source: Box::new(error), run: folder.path().to_owned() }
    } else {
        error
    }
}

/// How a training went.
pub(super) struct Course {
    pub history: Vec<EpochMetrics>,
    pub twins_at_start: Vec<TwinCourse>,
    pub refinement_seconds: Option<f64>,
    /// Those of earlier processes of the run.
    pub seconds_before: f64,
}
