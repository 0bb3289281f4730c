//! The plan of a comparison, and its folder before the first run.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::cell::CellKey;
use super::settings::{overrides, seeds_from};
use super::sweep::{Sweep, SweptValues, combinations};
use crate::experiment::feasible::{check_sweeps, refuse_repeated, why_not};
use crate::experiment::options::RunOptions;
use crate::experiment::recipe::{Column, Recipe};
use crate::experiment::run_folder::RunFolder;
use crate::training::{Event, Observer};
use crate::{Error, Rule};

/// The plan of a comparison: `plan.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The recipe's file name, in the comparison's folder.
    pub recipe: String,
    /// The rules with their settings; the others are tested against the first.
    pub columns: Vec<Column>,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// Swept values of the recipe, run in every combination.
    pub sweeps: Vec<Sweep>,
}

impl Plan {
    /// Every combination of swept values.
    #[must_use]
    pub fn settings(&self) -> Vec<SweptValues> {
        combinations(&self.sweeps)
    }

    /// Every combination of swept values of the data: each has digital methods beside it.
    #[must_use]
    pub fn data_settings(&self) -> Vec<SweptValues> {
        let of_data = self.sweeps.iter().filter(|sweep| sweep.key.starts_with("data"));
        combinations(&of_data.cloned().collect::<Vec<_>>())
    }

    /// Every run, seed by seed: all columns on all combinations of swept values.
    #[must_use]
    pub fn cells(&self) -> Vec<CellKey> {
        let settings = self.settings();
        let of_seed = |seed: u64| {
            settings.iter().flat_map(move |settings| {
                let of_column = move |column: &Column| CellKey {
                    settings: settings.clone(),
                    column: column.clone(),
                    seed,
                };
                self.columns.iter().map(of_column)
            })
        };
        self.seeds.iter().flat_map(|&seed| of_seed(seed)).collect()
    }
}

/// What to compare.
#[derive(Clone, Copy, Debug)]
pub struct Compared<'a> {
    /// The rules; the others are tested against the first. `None` for the columns of the recipe, or [`RULES`] if it has
    /// none.
    pub rules: Option<&'a [Rule]>,
    /// Number of seeds, counted up from the recipe's seed or the options'.
    pub seeds: u64,
    /// Values of the recipe to sweep, in every combination.
    pub sweeps: &'a [Sweep],
}

/// The rules of a comparison that names none, of a recipe without columns.
pub const RULES: [Rule; 3] = [Rule::Pat, Rule::InSilico, Rule::Ideal];

/// Plans the comparison of the recipe at `path`: each column on each seed and every combination of swept values.
/// Trains nothing. Returns the plan and the folder.
///
/// # Errors
/// [`Error::Recipe`] and [`Error::File`] for a faulty recipe or folder, [`Error::Usage`] for sweeps and rules that
/// cannot work.
pub fn plan_comparison(
    path: &Path,
    Compared { rules, seeds, sweeps }: Compared,
    options: &RunOptions,
    observer: &mut dyn Observer,
) -> Result<(Plan, RunFolder), Error> {
    let recipe = options.recipe(path)?;
    let columns: Vec<Column> = match rules {
        Some(rules) => {
            let names: Vec<String> = rules.iter().map(ToString::to_string).collect();
            refuse_repeated("option `rules`", &names)?;
            rules.iter().map(|&rule| rule.into()).collect()
        }
        None if recipe.compare.is_empty() => RULES.map(Column::from).to_vec(),
        None => recipe.compare.clone(),
    };
    check_sweeps(sweeps, &recipe)?;
    let seeds = seeds_from(recipe.seed, seeds)?;
    let columns = possible_columns(columns, &recipe, observer)?;
    options.backend.device()?;
    let name = path.file_stem().map_or("run".into(), |stem| stem.to_string_lossy());
    let folder = RunFolder::create(options.out.as_deref(), &format!("compare-{name}"), observer)?;
    let plan = Plan { recipe: format!("{name}.toml"), columns, seeds, sweeps: sweeps.to_vec() };
    folder.write(&plan.recipe, &recipe.to_toml())?;
    // A rule that cannot train with a swept value is refused before the first run.
    for settings in plan.settings() {
        for column in &plan.columns {
            let set = [column.set.clone(), overrides(&settings)].concat();
            let swept = Recipe::read(&folder.path().join(&plan.recipe), &set)?;
            if let Some(why) = why_not(column.rule, &swept) {
                return Err(Error::Usage(format!("option `sweeps`: {why}")));
            }
        }
    }
    folder.write_json(RunFolder::PLAN, &plan)?;
    Ok((plan, folder))
}

/// The columns among `columns` that can train on the devices of `recipe`. `observer` hears why the others cannot.
///
/// # Errors
/// [`Error::Usage`] if none can, [`Error::Recipe`] for a faulty setting of a column.
fn possible_columns(
    columns: Vec<Column>,
    recipe: &Recipe,
    observer: &mut dyn Observer,
) -> Result<Vec<Column>, Error> {
    let mut possible = Vec::new();
    let mut problems = Vec::new();
    for column in columns {
        match why_not(column.rule, &column.apply(recipe)?) {
            None => possible.push(column),
            Some(why) => problems.push((column.name, why)),
        }
    }
    if possible.is_empty() {
        let problems: Vec<String> = problems.into_iter().map(|(_, why)| why).collect();
        return Err(Error::Usage(problems.join("; ")));
    }
    for (name, why) in problems {
        let notice = format!("`{name}` is left out: {why}");
        let _ = observer.observe(&Event::Notice(&notice))?;
    }
    Ok(possible)
}
