//! Meta-training of a plasticity rule: what backpropagation, feedback alignment and a learned sum of local
//! terms come to on tasks that none of them has seen.

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

/// What is meta-trained: `plan.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetaPlan {
    /// The recipe's file name, in the folder.
    pub recipe: String,
    /// The seeds.
    pub seeds: Vec<u64>,
}

/// A meta-training's results: `meta.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MetaTraining {
    /// What was asked for.
    pub plan: MetaPlan,
    /// Every way of learning over the seeds.
    pub rows: Vec<MetaRow>,
    /// What the learned rule makes up of the difference between fixed and symmetric feedback, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap_closed: Option<f64>,
    /// Θ of the learned rule, mean of the seeds.
    pub theta: Coefficients,
    /// Every way on every seed.
    pub cells: Vec<MetaCell>,
}

/// A way of learning over the seeds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MetaRow {
    /// The way.
    pub arm: Arm,
    /// Mean accuracy of the queries of held-out tasks.
    pub mean: f32,
    /// Its standard deviation over the seeds (of a sample).
    pub standard_deviation: f32,
}

/// A way of learning on one seed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MetaCell {
    /// What it came to.
    #[serde(flatten)]
    pub result: ArmResult,
    /// Its episodes.
    #[serde(skip)]
    pub history: Vec<EpisodeMetrics>,
}

const ADVICE: &str = "name the folder of a meta-training that has begun";

/// Meta-trains the recipe at `path` on `seeds` seeds, counting from the recipe's (or the options'), `jobs`
/// ways and seeds at a time. Returns the results and the folder with `meta.json`, `plasticity.json` (Θ) and
/// `meta.html`.
///
/// # Errors
/// [`Error::Recipe`] and [`Error::Data`] for what cannot be read, [`Error::Usage`] for seeds that a recipe cannot
/// hold, [`Error::Interrupted`] where the observer broke it off; [`resume_meta_training`] does the rest.
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

/// Resumes the meta-training in `path`: it ends bit for bit as it would have without a break.
///
/// # Errors
/// As [`meta_training`], [`Error::File`] where none has begun, and [`Error::Usage`] where another process
/// writes it.
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
    let jobs_of = Jobs::new(tasks.len(), &mut task);
    let mut ended = 0;
    jobs_of.run(
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
            jobs_of.advance(ended, &format!("{}, seed {seed}: {said}", arm.name()));
            outcomes[number] = Some(outcome);
        },
    )?;
    let is_stopped = jobs_of.is_stopped();

    task.end(&format!("{ended} of {} done", tasks.len()))?;
    if is_stopped {
        return Err(Error::Interrupted(format!(
            "stopped; resume with `experiment::resume_meta_training({})`",
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
    /// The meta-training in `folder`, with its episodes.
    ///
    /// # Errors
    /// [`Error::File`] where there is none that has ended, [`Error::Data`] for a damaged file.
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
