//! `twinprop meta-train`.

use std::path::PathBuf;

use clap::Args;

use super::{CommandObserver, jobs_or_cores};
use crate::Error;
use crate::experiment::meta::{MetaTraining, meta_training, resume_meta_training};
use crate::experiment::{RunFolder, RunOptions};
use crate::outln;

/// Arguments of `meta-train`.
#[derive(Args)]
pub struct MetaTrain {
    /// Recipe of the tasks and the meta-training, a TOML file.
    #[arg(required_unless_present = "resume")]
    recipe: Option<PathBuf>,
    /// Resume the interrupted meta-training in this folder.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["recipe", "seeds", "seed", "set", "out", "data_dir"])]
    resume: Option<PathBuf>,
    /// Number of seeds, counting up from the recipe's seed.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// First seed, instead of the recipe's.
    #[arg(long)]
    seed: Option<u64>,
    /// Folder for the results; by default the next free one under runs/.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Replace a value of the recipe, such as meta.episodes=20; repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Folder to search for data files.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Number of jobs, one rule with one seed each, at a time; by default the number of CPU cores.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    jobs: Option<u64>,
}

/// Meta-trains and prints a table.
pub fn run(command: &MetaTrain) -> Result<(), Error> {
    let mut observer = CommandObserver::stopping_on_interrupt()?;
    let jobs = jobs_or_cores(command.jobs);
    let (training, folder) = match (&command.resume, &command.recipe) {
        (Some(folder), _) => resume_meta_training(folder, jobs, &mut observer)?,
        (None, Some(recipe)) => {
            let options = RunOptions {
                seed: command.seed,
                out: command.out.clone(),
                data_dir: command.data_dir.clone(),
                set: command.set.clone(),
                ..RunOptions::default()
            };
            meta_training(recipe, command.seeds, jobs, &options, &mut observer)?
        }
        (None, None) => unreachable!("clap asks for one of the two"),
    };
    print(&training);
    outln!("report: {}", folder.join(RunFolder::META_REPORT).display());
    Ok(())
}

fn print(MetaTraining { plan, rows, gap_closed, theta, .. }: &MetaTraining) {
    let seeds = plan.seeds.len();
    outln!("correct answers to queries of held-out tasks (%), mean ± sd of {seeds} seeds");
    for row in rows {
        let (mean, deviation) = (100.0 * row.mean, 100.0 * row.standard_deviation);
        outln!("{:<10} {mean:>5.1} ± {deviation:.1}", row.arm.name());
    }
    if let Some(share) = gap_closed {
        outln!("closes {:.0} % of the gap between fixed and symmetric feedback", 100.0 * share);
    }
    let terms = theta.terms().map(|term| format!("{} {:.4}", term.name(), theta.of(term)));
    outln!("Θ: {}", terms.collect::<Vec<_>>().join(", "));
}
