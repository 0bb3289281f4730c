//! Comparison of training rules, each with settings of its own: every one on every seed and every swept value, and digital networks.
//!
//! A comparison is a folder of runs. Each run can be resumed, and so can the comparison.

mod cell;
mod finished;
mod plan;
mod pool;
mod results;
mod settings;
mod statistics;
mod sweep;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(crate) use self::cell::file_name;
pub use self::cell::{Cell, CellKey};
pub use self::plan::{Compared, Plan, RULES, plan_comparison};
pub(super) use self::pool::Jobs;
pub use self::results::{Comparison, ComparisonRow, Effort, SeedScores, WorstTwin};
pub(super) use self::settings::seeds_from;
pub use self::statistics::mean_and_deviation;
pub use self::sweep::{Sweep, SweptValues};

use self::results::rows;
use self::settings::{ADVICE, overrides};
use super::baseline::{Baseline, baselines, counted, linear_equaliser};
use super::options::RunOptions;
use super::recipe::{DeviceEntry, Recipe};
use super::run_folder::RunFolder;
use crate::Error;
use crate::data::{Locator, SourceConfig};
use crate::training::{Event, Observer, Results, Task, TestScore};

/// Runs the comparison that [`plan_comparison`] plans, `jobs` runs at a time. Returns the results and the
/// folder with `compare.json`, `compare.html` and its figures.
///
/// # Errors
/// As [`train`](super::train). Complete runs are kept; [`resume_comparison`] makes the others.
pub fn compare(
    path: &Path,
    compared: Compared,
    jobs: usize,
    options: &RunOptions,
    observer: &mut dyn Observer,
) -> Result<(Comparison, PathBuf), Error> {
    let (plan, folder) = plan_comparison(path, compared, options, observer)?;
    carry_out(plan, folder, jobs, options, observer)
}

/// Makes or resumes run `number` (from 1) of the comparison in `path`, for computers that share the folder and
/// the work. [`resume_comparison`] collects the results.
///
/// # Errors
/// As [`resume_comparison`], and [`Error::Usage`] if the comparison has fewer runs.
pub fn make_cell(
    path: &Path,
    number: usize,
    options: &RunOptions,
    observer: &mut dyn Observer,
) -> Result<Cell, Error> {
    let folder = RunFolder::at(path);
    let plan: Plan = folder.read_json(RunFolder::PLAN, ADVICE)?;
    let cells = plan.cells();
    let key = number.checked_sub(1).and_then(|place| cells.get(place)).ok_or_else(|| {
        Error::Usage(format!(
            "there is no run {number} in {}; its runs are 1 to {}",
            path.display(),
            cells.len()
        ))
    })?;
    cell::make(&folder, &plan.recipe, key, options, observer)
}

/// Resumes the comparison in `path`. Complete runs are kept; an interrupted run is resumed at its last
/// checkpoint.
///
/// # Errors
/// As [`compare`], and [`Error::File`] if no comparison has begun there.
pub fn resume_comparison(
    path: &Path,
    jobs: usize,
    options: &RunOptions,
    observer: &mut dyn Observer,
) -> Result<(Comparison, PathBuf), Error> {
    let folder = RunFolder::at(path);
    let plan = folder.read_json(RunFolder::PLAN, ADVICE)?;
    let folder = folder.locked(observer)?;
    carry_out(plan, folder, jobs, options, observer)
}

/// One job of a comparison.
enum Job {
    Train(CellKey),
    /// Trains the digital methods on the data of these swept values and this seed.
    Baselines(SweptValues, u64),
}

/// Result of a job.
enum Outcome {
    Trained(Box<Cell>),
    Baselines(SweptValues, Vec<Baseline>),
}

fn carry_out(
    plan: Plan,
    folder: RunFolder,
    jobs: usize,
    options: &RunOptions,
    observer: &mut dyn Observer,
) -> Result<(Comparison, PathBuf), Error> {
    finished::check_data(&plan, &folder, options, observer)?;
    let mut work: Vec<Job> = plan.cells().into_iter().map(Job::Train).collect();
    for data in plan.data_settings() {
        work.extend(plan.seeds.iter().map(|&seed| Job::Baselines(data.clone(), seed)));
    }
    let recipe = folder.path().join(&plan.recipe);
    let has_rigs = Recipe::read(&recipe, &[])?.devices.values().any(DeviceEntry::is_real);
    // Runs cannot share a real device.
    let jobs = if has_rigs { 1 } else { jobs };
    let mut outcomes: Vec<Option<Result<Outcome, Error>>> = work.iter().map(|_| None).collect();
    let label = format!("compare on {}", plan.recipe);
    let mut task = Task::of_steps(observer, &label, work.len())?;
    let pool = Jobs::new(work.len(), &mut task);
    let mut ended = 0;
    let mut is_refused = false;
    pool.run(
        jobs,
        |number, observer| match &work[number] {
            Job::Train(key) => {
                let cell = cell::make(&folder, &plan.recipe, key, options, observer)?;
                Ok(Outcome::Trained(Box::new(cell)))
            }
            Job::Baselines(data, seed) => run_baselines(&recipe, data, *seed, options),
        },
        |number| match &work[number] {
            Job::Train(key) => key.in_words(),
            Job::Baselines(_, seed) => format!("digital networks, seed {seed}"),
        },
        |number, outcome| {
            ended += 1;
            // An error of the input would stop the following runs as well.
            if outcome.as_ref().is_err_and(Error::is_input) {
                is_refused = true;
                pool.stop();
            }
            pool.advance(ended, &in_words(&work[number], &outcome));
            outcomes[number] = Some(outcome);
        },
    )?;
    let is_stopped = pool.is_stopped() && !is_refused;

    task.end(&format!("{ended} of {} done", work.len()))?;
    if is_stopped {
        return Err(Error::Interrupted(format!(
            "stopped; resume with `experiment::resume_comparison({})`",
            folder.path().display()
        )));
    }
    let mut cells = Vec::new();
    let mut digital: BTreeMap<(usize, &'static str), Vec<TestScore>> = BTreeMap::new();
    let data_settings = plan.data_settings();
    for outcome in outcomes.into_iter().flatten() {
        match outcome? {
            Outcome::Trained(cell) => cells.push(*cell),
            Outcome::Baselines(data, found) => {
                let place = data_settings.iter().position(|settings| *settings == data);
                for Baseline { name, test } in found {
                    digital.entry((place.unwrap_or_default(), name)).or_default().push(test);
                }
            }
        }
    }
    let mut rows = rows(&plan, &cells);
    rows.extend(digital.into_iter().map(|((place, name), all)| {
        ComparisonRow::new(data_settings[place].clone(), name.to_owned(), &all)
    }));
    let comparison = Comparison { plan, rows, cells };
    folder.write_json(RunFolder::COMPARISON, &comparison)?;
    let finished = Event::Finished { results: Results::Comparison, folder: folder.path() };
    let _ = observer.observe(&finished)?;
    Ok((comparison, folder.path().to_owned()))
}

/// The result of a job, for the progress line.
fn in_words(job: &Job, outcome: &Result<Outcome, Error>) -> String {
    match (job, outcome) {
        (Job::Train(key), Ok(Outcome::Trained(cell))) => {
            let test = cell.summary.test;
            format!("{}: {}", key.in_words(), test.measure().format(test.value()))
        }
        (_, Err(error)) => error.to_string(),
        _ => "digital networks".to_owned(),
    }
}

fn run_baselines(
    recipe: &Path,
    data: &SweptValues,
    seed: u64,
    options: &RunOptions,
) -> Result<Outcome, Error> {
    let folder = recipe.parent().unwrap_or(Path::new("."));
    let locator = Locator::new(folder, options.data_dir.as_deref());
    let recipe = Recipe::read(recipe, &overrides(data))?;
    let split = recipe.data.load(&locator, seed)?;
    let loss = recipe.training.loss(&split)?;
    let counted = counted(&split, recipe.data.raster_steps());
    let digital = counted.as_ref().unwrap_or(&split);
    let mut found = baselines(digital, &*loss, seed, &options.backend.device()?);
    if matches!(recipe.data.source, SourceConfig::Sequence(_)) {
        found.extend(linear_equaliser(&split));
    }
    Ok(Outcome::Baselines(data.clone(), found))
}
