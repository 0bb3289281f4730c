//! Rules side by side: every rule on every seed and every swept value, with digital networks beside them.
//!
//! A comparison is a folder of runs, each of which can be resumed; so can the comparison.

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

pub use self::cell::{Cell, CellKey};
pub use self::plan::{Compared, Plan, plan_comparison};
pub(super) use self::pool::Jobs;
pub use self::results::{Comparison, ComparisonRow, Effort, SeedScores};
pub(super) use self::settings::seeds_from;
pub use self::statistics::mean_and_deviation;
pub use self::sweep::{Settings, Sweep};

use self::results::rows;
use self::settings::{ADVICE, overrides};
use super::baseline::{Baseline, baselines, linear_equaliser};
use super::options::RunOptions;
use super::recipe::{DeviceEntry, Recipe};
use super::run_folder::RunFolder;
use crate::Error;
use crate::data::{Locator, SourceConfig};
use crate::training::{Event, Observer, Results, Task, TestScore};

/// Trains what [`plan_comparison`] lays out, `jobs` runs at a time. Returns the results and the
/// folder with `compare.json`, `compare.html` and its figures.
///
/// # Errors
/// As [`train`](super::train); runs that ended are kept, and [`resume_comparison`] makes the others.
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

/// Makes run `number`, from one, of the comparison in `path`, or resumes it: on a host of many that
/// share the folder, each with runs of its own. [`resume_comparison`] gathers them.
///
/// # Errors
/// As [`resume_comparison`], and [`Error::Usage`] where the comparison has fewer runs.
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

/// Resumes the comparison in `path`: runs that ended are kept, one that was cut off is resumed from its last
/// checkpoint.
///
/// # Errors
/// As [`compare`], and [`Error::File`] where no comparison has begun.
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

/// A piece of a comparison's work.
enum Piece {
    Train(CellKey),
    /// The digital methods on the data of these values and this seed.
    Baselines(Settings, u64),
}

/// What comes of it.
enum Outcome {
    Trained(Box<Cell>),
    Baselines(Settings, Vec<Baseline>),
}

fn carry_out(
    plan: Plan,
    folder: RunFolder,
    jobs: usize,
    options: &RunOptions,
    observer: &mut dyn Observer,
) -> Result<(Comparison, PathBuf), Error> {
    finished::check_data(&plan, &folder, options, observer)?;
    let mut pieces: Vec<Piece> = plan.cells().into_iter().map(Piece::Train).collect();
    for data in plan.data_settings() {
        pieces.extend(plan.seeds.iter().map(|&seed| Piece::Baselines(data.clone(), seed)));
    }
    let recipe = folder.path().join(&plan.recipe);
    let has_rigs = Recipe::read(&recipe, &[])?.devices.values().any(DeviceEntry::is_real);
    // Runs cannot share a real device.
    let jobs = if has_rigs { 1 } else { jobs };
    let mut outcomes: Vec<Option<Result<Outcome, Error>>> = pieces.iter().map(|_| None).collect();
    let label = format!("compare on {}", plan.recipe);
    let mut task = Task::of_steps(observer, &label, pieces.len())?;
    let jobs_of = Jobs::new(pieces.len(), &mut task);
    let mut ended = 0;
    let mut is_refused = false;
    jobs_of.run(
        jobs,
        |number, observer| match &pieces[number] {
            Piece::Train(key) => {
                let cell = cell::make(&folder, &plan.recipe, key, options, observer)?;
                Ok(Outcome::Trained(Box::new(cell)))
            }
            Piece::Baselines(data, seed) => run_baselines(&recipe, data, *seed, options),
        },
        |number| match &pieces[number] {
            Piece::Train(key) => key.in_words(),
            Piece::Baselines(_, seed) => format!("digital networks, seed {seed}"),
        },
        |number, outcome| {
            ended += 1;
            // What is asked for wrongly is wrong for the runs that follow as well.
            if outcome.as_ref().is_err_and(Error::is_input) {
                is_refused = true;
                jobs_of.stop();
            }
            jobs_of.advance(ended, &in_words(&pieces[number], &outcome));
            outcomes[number] = Some(outcome);
        },
    )?;
    let is_stopped = jobs_of.is_stopped() && !is_refused;

    task.end(&format!("{ended} of {} done", pieces.len()))?;
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

/// How a piece went, for the progress line.
fn in_words(piece: &Piece, outcome: &Result<Outcome, Error>) -> String {
    match (piece, outcome) {
        (Piece::Train(key), Ok(Outcome::Trained(cell))) => {
            let test = cell.summary.test;
            format!("{}: {}", key.in_words(), test.measure().format(test.value()))
        }
        (_, Err(error)) => error.to_string(),
        _ => "digital networks".to_owned(),
    }
}

fn run_baselines(
    recipe: &Path,
    data: &Settings,
    seed: u64,
    options: &RunOptions,
) -> Result<Outcome, Error> {
    let folder = recipe.parent().unwrap_or(Path::new("."));
    let locator = Locator::new(folder, options.data_dir.as_deref());
    let recipe = Recipe::read(recipe, &overrides(data))?;
    let split = recipe.data.load(&locator, seed)?;
    let loss = recipe.training.loss(&split)?;
    let mut found = baselines(&split, &*loss, seed, &options.backend.device()?);
    if matches!(recipe.data.source, SourceConfig::Sequence(_)) {
        found.extend(linear_equaliser(&split));
    }
    Ok(Outcome::Baselines(data.clone(), found))
}
