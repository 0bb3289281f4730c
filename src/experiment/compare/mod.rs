//! Rules side by side: every rule on every seed and every swept value, with digital networks beside them.
//!
//! A comparison is a folder of runs, each of which can be resumed; so can the comparison.

mod cell;
mod finished;
mod pool;
mod statistics;
mod sweep;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use cell::{Cell, CellKey};
pub use sweep::{Settings, Sweep};

use self::cell::overrides;
pub(super) use self::pool::Jobs;
pub use self::statistics::mean_and_deviation;
use self::statistics::paired_p_value;
use self::sweep::combinations;
use super::baseline::{Baseline, baselines};
use super::feasible::{check_sweeps, refuse_repeated, why_not};
use super::options::RunOptions;
use super::recipe::{LARGEST_SEED, Recipe};
use super::run_folder::RunFolder;
use super::summary::Summary;
use super::verdict::TwinVerdict;
use crate::data::Locator;
use crate::training::{Event, Observer, Results, Task};
use crate::{Error, Rule};

/// What is compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The recipe's file name, in the comparison's folder.
    pub recipe: String,
    /// The rules; the others are tested against the first.
    pub rules: Vec<Rule>,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// Values of the recipe that are gone through, in every combination.
    pub sweeps: Vec<Sweep>,
}

impl Plan {
    /// Every combination of swept values.
    #[must_use]
    pub fn settings(&self) -> Vec<Settings> {
        combinations(&self.sweeps)
    }

    /// Every run: all rules on all combinations of the first seed, then of the next.
    #[must_use]
    pub fn cells(&self) -> Vec<CellKey> {
        let settings = self.settings();
        let of_seed = |seed: u64| {
            settings.iter().flat_map(move |settings| {
                let of_rule = move |&rule| CellKey { settings: settings.clone(), rule, seed };
                self.rules.iter().map(of_rule)
            })
        };
        self.seeds.iter().flat_map(|&seed| of_seed(seed)).collect()
    }
}

/// What is to be compared.
#[derive(Clone, Copy, Debug)]
pub struct Compared<'a> {
    /// The rules; the others are tested against the first.
    pub rules: &'a [Rule],
    /// How many seeds, counting up from the recipe's or the options'.
    pub seeds: u64,
    /// Values of the recipe to go through, in every combination.
    pub sweeps: &'a [Sweep],
}

/// A comparison's results: `compare.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Comparison {
    /// What was compared.
    pub plan: Plan,
    /// A row a rule and combination of swept values, then the digital networks.
    pub rows: Vec<ComparisonRow>,
    /// Every run.
    pub cells: Vec<Cell>,
}

/// One rule or digital network over the seeds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ComparisonRow {
    /// Values of the swept keys.
    pub settings: Settings,
    /// Its name.
    pub name: String,
    /// Test accuracy of each seed.
    pub test_accuracy: Vec<f32>,
    /// Their mean.
    pub mean: f32,
    /// Their standard deviation (of a sample).
    pub standard_deviation: f32,
    /// Probability of such a difference from the first rule if there were none (paired t-test,
    /// two-sided), where that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// What its runs took, where it is a rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort: Option<Effort>,
}

/// What the runs of a rule took, and how its gradient lay; means over the seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effort {
    /// Shots played on all devices, calibration included.
    pub device_shots: f64,
    /// Seconds of training.
    pub seconds: f64,
    /// Cosine of the angle between its last gradient and that of backpropagation through the twin, where it
    /// is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alignment: Option<f32>,
}

impl Effort {
    /// The angle of [`alignment`](Self::alignment), in degrees.
    #[must_use]
    pub fn angle(&self) -> Option<f32> {
        self.alignment.map(|cosine| cosine.acos().to_degrees())
    }

    fn of(cells: &[&Cell]) -> Option<Self> {
        let mean = |value: fn(&Summary) -> f64| -> f64 {
            cells.iter().map(|cell| value(&cell.summary)).sum::<f64>() / cells.len() as f64
        };
        let alignments =
            cells.iter().map(|cell| Some(cell.history.last()?.alignment.as_ref()?.cosine));
        let alignments: Option<Vec<f32>> = alignments.collect();
        (!cells.is_empty()).then(|| Self {
            device_shots: mean(|summary| summary.device_shots as f64),
            seconds: mean(|summary| summary.seconds),
            alignment: alignments.map(|all| mean_and_deviation(&all).0),
        })
    }
}

impl ComparisonRow {
    fn new(settings: Settings, name: String, test_accuracy: Vec<f32>) -> Self {
        let (mean, standard_deviation) = mean_and_deviation(&test_accuracy);
        Self {
            settings,
            name,
            test_accuracy,
            mean,
            standard_deviation,
            p_value: None,
            effort: None,
        }
    }
}

impl Comparison {
    /// The comparison in `folder`, with the epochs of its runs.
    ///
    /// # Errors
    /// [`Error::File`] where there is none that has ended, [`Error::Data`] for a damaged file.
    pub fn read(folder: &RunFolder) -> Result<Self, Error> {
        let mut comparison: Self = folder.read_json(RunFolder::COMPARISON, ADVICE)?;
        for cell in &mut comparison.cells {
            cell.history = RunFolder::at(&folder.path().join(&cell.folder)).read_metrics()?;
        }
        Ok(comparison)
    }

    /// What the twins were worth in the runs that use them: a verdict a device and combination of swept
    /// values, the worst of the runs', with how many runs there were.
    #[must_use]
    pub fn verdicts(&self) -> Vec<(Settings, TwinVerdict, usize)> {
        let mut found: Vec<(Settings, TwinVerdict, usize)> = Vec::new();
        for cell in &self.cells {
            for twin in &cell.summary.twins {
                let same = |one: &&mut (Settings, TwinVerdict, usize)| {
                    one.0 == cell.settings && one.1.device == twin.device
                };
                match found.iter_mut().find(same) {
                    None => found.push((cell.settings.clone(), twin.clone(), 1)),
                    Some((_, worst, runs)) => {
                        *runs += 1;
                        let is_worse = (twin.grade, worst.gradient_cosine.value)
                            > (worst.grade, twin.gradient_cosine.value);
                        if is_worse {
                            *worst = twin.clone();
                        }
                    }
                }
            }
        }
        found
    }
}

const ADVICE: &str = "name the folder of a comparison that has begun";

/// Lays the comparison of the recipe at `path` out: each of `rules` on `seeds` seeds, counting from the recipe's
/// (or the options'), and every combination of swept values. Nothing is trained yet. Returns what it
/// will hold and its folder.
///
/// # Errors
/// [`Error::Recipe`] and [`Error::File`] where the recipe or the folder is no good.
pub fn plan_comparison(
    path: &Path,
    Compared { rules, seeds, sweeps }: Compared,
    options: &RunOptions,
    observer: &mut dyn Observer,
) -> Result<(Plan, RunFolder), Error> {
    let recipe = options.recipe(path)?;
    refuse_repeated("--rules", &rules.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    check_sweeps(sweeps, &recipe)?;
    let seeds = seeds_from(recipe.seed, seeds)?;
    let rules = &possible_rules(rules, &recipe, observer)?;
    options.backend.device()?;
    let name = path.file_stem().map_or("run".into(), |stem| stem.to_string_lossy());
    let folder = RunFolder::create(options.out.as_deref(), &format!("compare-{name}"), observer)?;
    let plan = Plan {
        recipe: format!("{name}.toml"),
        rules: rules.to_vec(),
        seeds,
        sweeps: sweeps.to_vec(),
    };
    folder.write(&plan.recipe, &recipe.to_toml())?;
    // What no value of the recipe allows is known before the first run.
    for settings in plan.settings() {
        let swept = Recipe::read(&folder.path().join(&plan.recipe), &overrides(&settings))?;
        if let Some(why) = plan.rules.iter().find_map(|&rule| why_not(rule, &swept)) {
            return Err(Error::Usage(format!("--sweep: {why}")));
        }
    }
    folder.write_json(RunFolder::PLAN, &plan)?;
    Ok((plan, folder))
}

/// Most seeds of a comparison or a meta-training.
const MOST_SEEDS: u64 = 10_000;

/// `count` seeds from `first` on.
///
/// # Errors
/// [`Error::Usage`] where they are too many, or the last is beyond what a recipe can hold.
pub(super) fn seeds_from(first: u64, count: u64) -> Result<Vec<u64>, Error> {
    if count > MOST_SEEDS {
        return Err(Error::Usage(format!("--seeds {count}: {MOST_SEEDS} at most")));
    }
    let last = first.checked_add(count.saturating_sub(1)).filter(|last| *last <= LARGEST_SEED);
    let last = last.ok_or_else(|| {
        Error::Usage(format!(
            "{count} seeds from {first} on: the largest seed is {LARGEST_SEED}; begin lower with --seed"
        ))
    })?;
    Ok((first..=last).collect())
}

/// Those of `rules` that can train on the devices of `recipe`; of the others it is told why not.
///
/// # Errors
/// [`Error::Usage`] where none can.
fn possible_rules(
    rules: &[Rule],
    recipe: &Recipe,
    observer: &mut dyn Observer,
) -> Result<Vec<Rule>, Error> {
    let mut possible = Vec::new();
    for &rule in rules {
        match why_not(rule, recipe) {
            None => possible.push(rule),
            Some(why) if rules.len() == 1 => return Err(Error::Usage(why)),
            Some(why) => {
                let notice = format!("`{rule}` is left out: {why}");
                let _ = observer.observe(&Event::Notice(&notice))?;
            }
        }
    }
    Ok(possible)
}

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
    /// The digital networks on the data of a seed.
    Baselines(u64),
}

/// What comes of it.
enum Outcome {
    Trained(Box<Cell>),
    Baselines(Vec<Baseline>),
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
    // Other data would need other digital networks.
    if !plan.sweeps.iter().any(|sweep| sweep.key.starts_with("data")) {
        pieces.extend(plan.seeds.iter().map(|&seed| Piece::Baselines(seed)));
    }
    let recipe = folder.path().join(&plan.recipe);
    let has_rigs = Recipe::read(&recipe, &[])?.devices.values().any(|device| device.rig.is_some());
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
            Piece::Baselines(seed) => run_baselines(&recipe, *seed, options),
        },
        |number| match &pieces[number] {
            Piece::Train(key) => key.in_words(),
            Piece::Baselines(seed) => format!("digital networks, seed {seed}"),
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
            "stopped; resume with `twinprop compare --resume {}`",
            folder.path().display()
        )));
    }
    let mut cells = Vec::new();
    let mut digital: BTreeMap<&'static str, Vec<f32>> = BTreeMap::new();
    for outcome in outcomes.into_iter().flatten() {
        match outcome? {
            Outcome::Trained(cell) => cells.push(*cell),
            Outcome::Baselines(found) => {
                for Baseline { name, test_accuracy } in found {
                    digital.entry(name).or_default().push(test_accuracy);
                }
            }
        }
    }
    let mut rows = rows(&plan, &cells);
    rows.extend(
        digital.into_iter().map(|(name, all)| ComparisonRow::new(Vec::new(), name.to_owned(), all)),
    );
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
            format!("{}: {:.1} %", key.in_words(), 100.0 * cell.summary.test_accuracy)
        }
        (_, Err(error)) => error.to_string(),
        _ => "digital networks".to_owned(),
    }
}

fn run_baselines(recipe: &Path, seed: u64, options: &RunOptions) -> Result<Outcome, Error> {
    let folder = recipe.parent().unwrap_or(Path::new("."));
    let locator = Locator::new(folder, options.data_dir.as_deref());
    let split = Recipe::read(recipe, &[])?.data.load(&locator, seed)?;
    Ok(Outcome::Baselines(baselines(&split, seed, &options.backend.device()?)))
}

/// The rows of the rules, each tested against the first rule on the same values.
fn rows(plan: &Plan, cells: &[Cell]) -> Vec<ComparisonRow> {
    let mut rows = Vec::new();
    for settings in &plan.settings() {
        let of_rule = |rule: Rule| -> Vec<&Cell> {
            let own = cells.iter().filter(|cell| cell.settings == *settings && cell.rule == rule);
            own.collect()
        };
        let accuracies = |cells: &[&Cell]| -> Vec<f32> {
            cells.iter().map(|cell| cell.summary.test_accuracy).collect()
        };
        let first = plan.rules.first().map(|&rule| accuracies(&of_rule(rule))).unwrap_or_default();
        for (place, &rule) in plan.rules.iter().enumerate() {
            let own = of_rule(rule);
            let mut row = ComparisonRow::new(settings.clone(), rule.to_string(), accuracies(&own));
            row.effort = Effort::of(&own);
            if place > 0 {
                row.p_value = paired_p_value(&row.test_accuracy, &first);
            }
            rows.push(row);
        }
    }
    rows
}
