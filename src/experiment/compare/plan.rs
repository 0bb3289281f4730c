//! The plan of a comparison, and its folder before the first run.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::cell::CellKey;
use super::settings::{overrides, seeds_from};
use super::sweep::{Sweep, SweptValues, combinations};
use crate::experiment::feasible::{check_sweeps, refuse_repeated, why_not};
use crate::experiment::options::RunOptions;
use crate::experiment::recipe::Recipe;
use crate::experiment::run_folder::RunFolder;
use crate::training::{Event, Observer};
use crate::{Error, Rule};

/// The plan of a comparison: `plan.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The recipe's file name, in the comparison's folder.
    pub recipe: String,
    /// The rules; the others are tested against the first.
    pub rules: Vec<Rule>,
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

    /// Every run, seed by seed: all rules on all combinations of swept values.
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

/// What to compare.
#[derive(Clone, Copy, Debug)]
pub struct Compared<'a> {
    /// The rules; the others are tested against the first.
    pub rules: &'a [Rule],
    /// Number of seeds, counted up from the recipe's seed or the options'.
    pub seeds: u64,
    /// Values of the recipe to sweep, in every combination.
    pub sweeps: &'a [Sweep],
}

/// Plans the comparison of the recipe at `path`: each rule on each seed and every combination of swept values.
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
    refuse_repeated("option `rules`", &rules.iter().map(ToString::to_string).collect::<Vec<_>>())?;
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
    // A rule that cannot train with a swept value is refused before the first run.
    for settings in plan.settings() {
        let swept = Recipe::read(&folder.path().join(&plan.recipe), &overrides(&settings))?;
        if let Some(why) = plan.rules.iter().find_map(|&rule| why_not(rule, &swept)) {
            return Err(Error::Usage(format!("option `sweeps`: {why}")));
        }
    }
    folder.write_json(RunFolder::PLAN, &plan)?;
    Ok((plan, folder))
}

/// The rules among `rules` that can train on the devices of `recipe`. `observer` hears why the others cannot.
///
/// # Errors
/// [`Error::Usage`] if none can.
fn possible_rules(
    rules: &[Rule],
    recipe: &Recipe,
    observer: &mut dyn Observer,
) -> Result<Vec<Rule>, Error> {
    let mut possible = Vec::new();
    let mut problems = Vec::new();
    for &rule in rules {
        match why_not(rule, recipe) {
            None => possible.push(rule),
            Some(why) => problems.push((rule, why)),
        }
    }
    if possible.is_empty() {
        let problems: Vec<String> = problems.into_iter().map(|(_, why)| why).collect();
        return Err(Error::Usage(problems.join("; ")));
    }
    for (rule, why) in problems {
        let notice = format!("`{rule}` is left out: {why}");
        let _ = observer.observe(&Event::Notice(&notice))?;
    }
    Ok(possible)
}
