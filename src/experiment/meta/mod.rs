//! Meta-training of a plasticity rule: backpropagation, feedback alignment and a learned sum of local terms,
//! compared on held-out tasks.

mod arm;
mod recipe;
mod tasks;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use self::arm::{Arm, ArmResult, EpisodeMetrics};
pub use self::recipe::{MetaConfig, MetaRecipe, TasksConfig};

use self::arm::meta_train;
use self::tasks::Sources;
use super::compare::{Jobs, mean_and_deviation, seeds_from};
use super::options::RunOptions;
use super::run_folder::RunFolder;
use crate::Error;
use crate::rules::plasticity::{Coefficients, Term};
use crate::training::{Event, Observer, Results, Task};

/// Plan of a meta-training: `plan.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetaPlan {
    /// The recipe's file name, in the folder.
    pub recipe: String,
    /// The seeds.
    pub seeds: Vec<u64>,
}

/// Results of a meta-training: `meta.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MetaTraining {
    /// The plan.
    pub plan: MetaPlan,
    /// Every arm over the seeds.
    pub rows: Vec<MetaRow>,
    /// Share of the accuracy gap between fixed and symmetric feedback that the learned rule closes; `None` without a
    /// gap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap_closed: Option<f64>,
    /// Θ of the learned rule, mean over the seeds.
    pub theta: Coefficients,
    /// Every arm on every seed.
    pub cells: Vec<MetaCell>,
}

/// Results of an arm over the seeds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MetaRow {
    /// The arm.
    pub arm: Arm,
    /// Mean query accuracy on held-out tasks.
    pub mean: f32,
    /// Sample standard deviation of the accuracy over the seeds.
    pub standard_deviation: f32,
}

/// Results of an arm on one seed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MetaCell {
    /// The result.
    #[serde(flatten)]
    pub result: ArmResult,
    /// Metrics of its episodes.
    #[serde(skip)]
    pub history: Vec<EpisodeMetrics>,
}

const ADVICE: &str = "name the folder of a meta-training that has begun";

/// Meta-trains the recipe at `path` on `seeds` seeds, counted up from the recipe's (or the options'), `jobs` jobs at
/// a time. A job is an arm on a seed. Returns the results and the folder with `meta.json`, `plasticity.json` (Θ)
/// and `meta.html`.
///
/// # Errors
/// [`Error::Recipe`] and [`Error::Data`] for what cannot be read, [`Error::Usage`] for seeds that are too large,
/// [`Error::Interrupted`] if the observer stops it; then [`resume_meta_training`] continues it.
pub fn meta_training(
    path: &Path,
    seeds: u64,
    jobs: usize,
    options: &RunOptions,
    observer: &mut dyn Observer,
) -> Result<(MetaTraining, PathBuf), Error> {
    let recipe = MetaRecipe::read(path, &options.set)?;
    let seeds = seeds_from(options.seed.unwrap_or(recipe.seed), seeds)?;
    let name = path.file_stem().map_or("meta".into(), |stem| stem.to_string_lossy());
    let recipe =
        recipe.located(path.parent().unwrap_or(Path::new(".")), options.data_dir.as_deref())?;
    let folder = RunFolder::create(options.out.as_deref(), &format!("meta-{name}"), observer)?;
    let plan = MetaPlan { recipe: format!("{name}.toml"), seeds };
    let text = toml::to_string(&recipe).map_err(|error| Error::Usage(error.to_string()))?;
    folder.write(&plan.recipe, &text)?;
    folder.write_json(RunFolder::PLAN, &plan)?;
    carry_out(plan, &folder, jobs, observer)
}

/// Resumes the meta-training in `path`, with the same bits as without an interruption.
///
/// # Errors
/// As [`meta_training`], [`Error::File`] if none has begun there, and [`Error::Usage`] if another process writes
/// the folder.
pub fn resume_meta_training(
    path: &Path,
    jobs: usize,
    observer: &mut dyn Observer,
) -> Result<(MetaTraining, PathBuf), Error> {
    let folder = RunFolder::at(path);
    let plan = folder.read_json(RunFolder::PLAN, ADVICE)?;
    let folder = folder.locked(observer)?;
    carry_out(plan, &folder, jobs, observer)
}

fn carry_out(
    plan: MetaPlan,
    folder: &RunFolder,
    jobs: usize,
    observer: &mut dyn Observer,
) -> Result<(MetaTraining, PathBuf), Error> {
    let recipe = MetaRecipe::read(&folder.path().join(&plan.recipe), &[])?;
    let sources = Sources::load(&recipe)?;
    let tasks: Vec<(Arm, u64)> =
        plan.seeds.iter().flat_map(|&seed| Arm::ALL.map(|arm| (arm, seed))).collect();
    let mut outcomes: Vec<_> = tasks.iter().map(|_| None).collect();
    let label = format!("meta-train {}", plan.recipe);
    let mut task = Task::of_steps(observer, &label, tasks.len())?;
    let pool = Jobs::new(tasks.len(), &mut task);
    let mut ended = 0;
    pool.run(
        jobs,
        |number, observer| {
            let (arm, seed) = tasks[number];
            let cell = folder.inner(&format!("{}-{seed}", arm.name()))?;
            meta_train(arm, seed, &recipe, &sources, &cell, observer)
        },
        |number| format!("{}, seed {}", tasks[number].0.name(), tasks[number].1),
        |number, outcome| {
            ended += 1;
            let (arm, seed) = tasks[number];
            let said = match &outcome {
                Ok((result, _)) => format!("{:.1} %", 100.0 * result.query_accuracy),
                Err(error) => error.to_string(),
            };
            pool.advance(ended, &format!("{}, seed {seed}: {said}", arm.name()));
            outcomes[number] = Some(outcome);
        },
    )?;
    let is_stopped = pool.is_stopped();

    task.end(&format!("{ended} of {} done", tasks.len()))?;
    if is_stopped {
        return Err(Error::Interrupted(format!(
            "stopped; resume with `experiment::meta::resume_meta_training({})`",
            folder.path().display()
        )));
    }
    let mut cells = Vec::new();
    for outcome in outcomes.into_iter().flatten() {
        let (result, history) = outcome?;
        cells.push(MetaCell { result, history });
    }
    let training = MetaTraining::new(plan, cells);
    folder.write_json(RunFolder::META, &training)?;
    folder.write_json(RunFolder::PLASTICITY, &training.theta)?;
    let finished = Event::Finished { results: Results::MetaTraining, folder: folder.path() };
    let _ = observer.observe(&finished)?;
    Ok((training, folder.path().to_owned()))
}

impl MetaTraining {
    /// Reads the meta-training in `folder`, with its episodes.
    ///
    /// # Errors
    /// [`Error::File`] if `folder` has no complete meta-training, [`Error::Data`] for a damaged file.
    pub fn read(folder: &RunFolder) -> Result<Self, Error> {
        let mut training: Self = folder.read_json(RunFolder::META, ADVICE)?;
        for cell in &mut training.cells {
            let name = format!("{}-{}", cell.result.arm.name(), cell.result.seed);
            cell.history = arm::episodes(&folder.inner(&name)?)?;
        }
        Ok(training)
    }

    fn new(plan: MetaPlan, cells: Vec<MetaCell>) -> Self {
        let of = |arm: Arm| cells.iter().map(|cell| &cell.result).filter(move |one| one.arm == arm);
        let rows = Arm::ALL.map(|arm| {
            let accuracies: Vec<f32> = of(arm).map(|one| one.query_accuracy as f32).collect();
            let (mean, standard_deviation) = mean_and_deviation(&accuracies);
            MetaRow { arm, mean, standard_deviation }
        });
        let [symmetric, fixed, learned] = [0, 1, 2].map(|place| f64::from(rows[place].mean));
        let mut theta = [0.0; Term::COUNT];
        for one in of(Arm::Learned) {
            let shares = one.theta.to_array().map(|amount| amount / plan.seeds.len() as f64);
            theta.iter_mut().zip(shares).for_each(|(sum, share)| *sum += share);
        }
        let gap = symmetric - fixed;
        let gap_closed = (gap > 0.0).then(|| (learned - fixed) / gap);
        let theta = Coefficients::from_array(theta);
        Self { plan, rows: rows.to_vec(), gap_closed, theta, cells }
    }
}
