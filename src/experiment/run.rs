//! One run: prepares, calibrates, trains and reports.

use std::path::Path;
use std::time::Instant;

use burn::tensor::Device;
use twinprop_calibration::CalibrationError;
use twinprop_calibration::fidelity::Verdict;
use twinprop_devices::DeviceError;
use twinprop_devices::PhysicalLayer;

use super::assemblies::StageAssemblies;
use super::build::{Experiment, Given};
use super::calibrate::{calibrate, reload};
use super::calibrated::{self, Calibrated, CalibrationSummary};
use super::checkpoint::Checkpoint;
use super::feasible;
use super::keeper::Keeper;
use super::live::LiveRun;
use super::memory::ShotMemory;
use super::options::{CHECKPOINTS_EVERY, RunOptions};
use super::provenance::Spent;
use super::recipe::{DeviceEntry, Recipe, Requirement};
use super::run_folder::RunFolder;
use super::summary::Summary;
use super::trained_on::TrainedOn;
use super::twins::load_twins;
use super::verdict::{self, TwinVerdict};
use crate::Error;
use crate::training::{
    Checkpoints, Ending, EpochMetrics, Event, Observer, Refinement, RefinementChoice,
    RefinementConfig, Results, Trainer, TrainingBegins, TwinCourse, TwinJudged, WorkOutcome,
};

/// How twins are refined during the training of `recipe`, and whether for each twin; `None` without refinement.
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

/// Trains the recipe at `path`. If `observer` breaks, the run stops after the step, with a checkpoint. Returns the
/// summary and the run's folder.
///
/// # Errors
/// Any error of the recipe, the data, the folder or a device; [`Error::Interrupted`] if `observer` stops the run.
pub fn train(
    path: &Path,
    options: &RunOptions,
    observer: &mut dyn Observer,
) -> Result<(Summary, RunFolder), Error> {
    let recipe = options.recipe(path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    begin(recipe, path, folder, Given::default(), options, observer)
}

/// Trains a `recipe` in memory, called `name`, with the `given` data (`source = "given"`) and devices
/// (`given = true`). File paths are relative to the current folder. Otherwise as [`train`].
///
/// # Errors
/// As [`train`], and [`Error::Usage`] if data or devices are missing in `given`.
pub fn train_recipe(
    recipe: &Recipe,
    name: &str,
    given: Given,
    options: &RunOptions,
    observer: &mut dyn Observer,
) -> Result<(Summary, RunFolder), Error> {
    let folder = Path::new(".");
    let recipe = options.prepared(recipe.with(&options.set)?, folder)?;
    begin(recipe, &Path::new(name).with_extension("toml"), folder, given, options, observer)
}

/// Begins the run of `recipe`, with file paths relative to `folder`; the file name of `path` names the run.
fn begin(
    recipe: Recipe,
    path: &Path,
    folder: &Path,
    given: Given,
    options: &RunOptions,
    observer: &mut dyn Observer,
) -> Result<(Summary, RunFolder), Error> {
    let start = Instant::now();
    feasible::check_rule(&recipe)?;
    let backend = options.backend.device()?;
    let experiment = options.set_up(&recipe, folder, None, given, &backend, observer)?;
    feasible::check_targets(&recipe, &experiment)?;
    let rule = recipe.training.rule;
    let name = path.file_stem().map_or("run".into(), |stem| stem.to_string_lossy());
    let name = format!("{name}-{rule}-{}", recipe.seed);
    let folder = RunFolder::create(options.out.as_deref(), &name, observer)?;
    experiment.trained_on.write(&folder)?;
    folder.begin(&recipe, path, &options.command)?;
    Run::new(start, recipe, options, backend, folder, experiment).complete(None, observer)
}

/// Resumes the interrupted run in `path` at its last checkpoint. On simulated devices the result is the same as
/// without the interruption.
///
/// # Errors
/// As [`train`], and [`Error::Usage`] if `path` has no run, or a complete one.
pub fn resume(
    path: &Path,
    options: &RunOptions,
    observer: &mut dyn Observer,
) -> Result<(Summary, RunFolder), Error> {
    resume_given(path, Given::default(), options, observer)
}

/// Resumes a run of [`train_recipe`] with the data and devices of the calling program. Otherwise as [`resume`].
///
/// # Errors
/// As [`resume`].
pub fn resume_given(
    path: &Path,
    given: Given,
    options: &RunOptions,
    observer: &mut dyn Observer,
) -> Result<(Summary, RunFolder), Error> {
    let start = Instant::now();
    let folder = RunFolder::open_begun(path, observer)?;
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
    // Shots of a rig are kept; a simulation plays them again, with the same noise.
    if checkpoint.is_none() && !recipe.devices.values().any(DeviceEntry::is_real) {
        folder.forget_shots()?;
    }
    let backend = options.backend.device()?;
    let trained_on = TrainedOn::of_run(&folder, observer)?;
    let experiment =
        options.set_up(&recipe, path, trained_on.as_ref(), given, &backend, observer)?;
    if let (Some(mut trained_on), false) = (trained_on, experiment.changes.is_empty()) {
        trained_on.allow(&experiment.changes);
        trained_on.write(&folder)?;
    }
    let run = Run::new(start, recipe, options, backend, folder, experiment);
    run.complete(checkpoint.as_ref(), observer)
}

/// A run with its experiment set up.
pub(super) struct Run<'a> {
    pub start: Instant,
    pub recipe: Recipe,
    pub options: &'a RunOptions,
    pub backend: Device,
    pub folder: RunFolder,
    pub experiment: Experiment,
    /// Verdicts on its twins.
    pub verdicts: Vec<TwinVerdict>,
    /// Duration of its parts, earlier processes included.
    pub spent: Spent,
}

impl<'a> Run<'a> {
    /// A run of an experiment that is set up and has played no shot.
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

    /// Calibrates, trains and reports; resumes at the optional `checkpoint`. Errors tell how to resume.
    fn complete(
        self,
        checkpoint: Option<&Checkpoint>,
        observer: &mut dyn Observer,
    ) -> Result<(Summary, RunFolder), Error> {
        let folder = RunFolder::at(self.folder.path());
        let (laboratory, epochs) = (&self.experiment.laboratory, self.recipe.training.epochs);
        let mut live = LiveRun::start(folder.path(), laboratory, epochs, observer);
        let result =
            self.carry_out(checkpoint, &mut live).map_err(|error| with_advice(&folder, error));
        live.end(result.as_ref().map(|_| ()));
        result
    }

    fn carry_out(
        mut self,
        checkpoint: Option<&Checkpoint>,
        observer: &mut dyn Observer,
    ) -> Result<(Summary, RunFolder), Error> {
        // An observer that cannot write to the folder fails before the first shot.
        let _ = observer.observe(&Event::RunBegins { folder: self.folder.path() })?;
        // A network restored from a checkpoint is initialised already.
        match checkpoint {
            Some(from) => self.spent = from.notes.spent,
            None => {
                let Self { experiment, recipe, backend, .. } = &mut self;
                self.spent.first_shots =
                    experiment.play_first_shots(recipe.seed, backend, observer)?;
            }
        }
        self.spent.opening += self.start.elapsed().as_secs_f64();
        let calibrated = self.calibrate(checkpoint.is_some(), observer)?;
        let course = self.train(&calibrated, checkpoint, observer)?;
        self.finish(&calibrated, course, observer)
    }

    /// Makes the twins, or loads them if they are `made_before`.
    fn calibrate(
        &mut self,
        made_before: bool,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Calibrated>, Error> {
        let Self { recipe, folder, experiment, backend, start, verdicts, spent, .. } = self;
        if !recipe.training.rule.needs_calibration() {
            return Ok(Vec::new());
        }
        if made_before {
            let made = reload(experiment, recipe, folder, backend)?;
            *verdicts = calibrated::verdicts(&made, recipe);
            return Ok(made);
        }
        let since = Instant::now();
        let made = calibrate(experiment, recipe, folder, backend, observer)?;
        let backend = &self.options.backend;
        let summary = CalibrationSummary::of(&made, recipe, folder, backend, *start)?;
        folder.write_json(RunFolder::CALIBRATION, &summary)?;
        *verdicts = calibrated::verdicts(&made, recipe);
        spent.calibration += since.elapsed().as_secs_f64();
        for (twin, verdict) in made.iter().zip(&*verdicts) {
            let (device, fidelity) = (twin.device.as_str(), &twin.summary.fidelity);
            let judged = TwinJudged {
                device,
                fidelity,
                lines: &verdict.lines(),
                is_usable: verdict.grade.meets(Requirement::Usable),
            };
            let _ = observer.observe(&Event::Calibrated(judged))?;
        }
        let page = folder.path().join(RunFolder::CALIBRATION_REPORT);
        let met =
            verdict::require(verdicts, recipe.calibration.require, &page.display().to_string());
        if met.is_err() {
            let results = Results::Calibration;
            let _ = observer.observe(&Event::Finished { results, folder: folder.path() })?;
        }
        met.map(|()| made)
    }

    /// Trains the network and writes checkpoints.
    fn train(
        &mut self,
        calibrated: &[Calibrated],
        checkpoint: Option<&Checkpoint>,
        observer: &mut dyn Observer,
    ) -> Result<TrainingCourse, Error> {
        let since = Instant::now();
        let Self { start, recipe, options, backend, folder, experiment, spent, .. } = self;
        let rule = recipe.training.rule;
        if let Some(twins) = checkpoint.and_then(Checkpoint::twins) {
            load_twins(experiment, recipe, twins, backend)?;
        }
        let mut refinement = None;
        if let Some((mut config, learn)) = refinement_of(recipe, calibrated) {
            let (network, laboratory) = (&experiment.network, &experiment.laboratory);
            let refined = laboratory.instruments.iter().zip(&learn).filter(|(_, learn)| **learn);
            for (instrument, _) in refined {
                let memory = ShotMemory {
                    work: "recalibration",
                    device: &instrument.name,
                    interface: instrument.device.interface(),
                    shots: config.recalibration_shots,
                    advice: |most| {
                        format!("set training.refinement.on.recalibration_shots to at most {most}")
                    },
                };
                match &recipe.training.refinement {
                    RefinementChoice::On(_) if checkpoint.is_none() => memory.check()?,
                    _ => config.recalibration_shots = memory.most(),
                }
            }
            let seed = recipe.seed;
            refinement = Some(Refinement::new(config, &learn, network, laboratory, seed, backend));
        }
        let (network, laboratory) = (&mut experiment.network, &mut experiment.laboratory);
        let optimiser = checkpoint
            .map(|from| {
                let optimiser = recipe.training.optimiser;
                from.restore(network, laboratory, refinement.as_mut(), optimiser, backend)
            })
            .transpose()?;
        let batches = experiment.split.train.len().div_ceil(recipe.training.batch) as u64;
        let progress = checkpoint.map(|from| from.notes.progress.clone());
        let steps_before = progress.as_ref().map_or(0, |progress| progress.steps);
        let history = folder.go_back_to((steps_before / batches) as usize)?;
        if checkpoint.is_none() && network.bean.is_some() {
            let test = &experiment.split.test;
            let assemblies = StageAssemblies::before(network, laboratory, test, backend)?;
            folder.write_json(RunFolder::ASSEMBLIES, &assemblies)?;
        }
        let (twins_at_start, seconds_before) = match checkpoint {
            Some(Checkpoint { notes, .. }) => (notes.twins_at_start.clone(), notes.seconds),
            None => (Vec::new(), 0.0),
        };
        let steps = recipe.training.epochs * batches as usize;
        let label = format!("train {} by {rule}", folder.begun()?.name());
        let begins = TrainingBegins {
            label: &label,
            steps,
            done: steps_before as usize,
            laboratory,
            history: &history,
        };
        let _ = observer.observe(&Event::TrainingBegins(begins))?;
        let _ = observer.observe(&Event::Twins(&twins_at_start))?;
        let mut keeper = Keeper {
            folder,
            metrics: folder.metrics()?,
            data: &experiment.split,
            epochs: recipe.training.epochs,
            history,
            twins_at_start,
            start: *start,
            seconds_before,
            since,
            spent_before: *spent,
        };
        let checkpoints = options
            .checkpoint_steps
            .map_or(Checkpoints::Every(CHECKPOINTS_EVERY), Checkpoints::Steps);
        let ending = {
            let mut trainer = Trainer::new(network, laboratory)
                .configure(&recipe.training, recipe.seed)
                .loss(&*experiment.loss)
                .checkpoints(checkpoints)
                .observe(&mut keeper)
                .observe(observer);
            if let Some(refinement) = &mut refinement {
                trainer = trainer.refine(refinement);
            }
            let split = &experiment.split;
            match (progress, optimiser) {
                (Some(progress), Some(optimiser)) => {
                    trainer.optimiser(optimiser).resume(split, progress)
                }
                _ => trainer.train(split),
            }
        };
        let refinement_seconds = refinement.map(|mut refinement| {
            refinement.adopt(laboratory);
            refinement.seconds()
        });
        *spent = keeper.spent();
        let Keeper { history, twins_at_start, .. } = keeper;
        let at_epoch = |done: u64| done > 0 && done.is_multiple_of(batches);
        let is_complete =
            matches!(ending, Ok(Ending::Stopped(done)) if at_epoch(done)) && observer.completes();
        let ended = match (&ending, history.last()) {
            (Ok(Ending::Stopped(done)), _) if !is_complete => format!("stopped after step {done}"),
            (Ok(_), Some(last)) => last.test.to_string(),
            _ => String::new(),
        };
        let outcome = if ending.is_ok() { WorkOutcome::Done(&ended) } else { WorkOutcome::Failed };
        let _ = observer.observe(&Event::TrainingEnds(outcome))?;
        if let (Ending::Stopped(done), false) = (ending?, is_complete) {
            let run = folder.path().display();
            return Err(Error::Interrupted(format!(
                "stopped after {done} of {steps} steps; resume with `experiment::resume({run})`"
            )));
        }
        Ok(TrainingCourse { history, twins_at_start, refinement_seconds, seconds_before })
    }
}

/// Adds to `error` how to resume the run in `folder`, if that helps: after an error of a rig, or if there is a
/// checkpoint.
fn with_advice(folder: &RunFolder, error: Error) -> Error {
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

/// Results of a training.
pub(super) struct TrainingCourse {
    pub history: Vec<EpochMetrics>,
    pub twins_at_start: Vec<TwinCourse>,
    pub refinement_seconds: Option<f64>,
    /// Duration of the run's earlier processes.
    pub seconds_before: f64,
}
