//! `twinprop compare`.

use std::path::PathBuf;

use clap::Args;

use super::{CommandObserver, Settings, jobs_or_cores, rule_parser};
use crate::experiment::RunFolder;
use crate::experiment::compare::{
    Compared, Comparison, Effort, Sweep, WorstTwin, compare, make_cell, plan_comparison,
    resume_comparison,
};
use crate::outln;
use crate::report::for_command_line;
use crate::{Error, Rule};

/// Arguments of `compare`.
#[derive(Args)]
pub struct Compare {
    /// Recipe to train, a TOML file.
    #[arg(required_unless_present = "resume")]
    recipe: Option<PathBuf>,
    /// Resume the interrupted or planned comparison in this folder.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["recipe", "rules", "seeds", "sweep", "seed", "set", "out"])]
    resume: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    /// Training rules, comma-separated; each is tested against the first. By default the recipe's `compare`, or
    /// pat,in-silico,ideal.
    #[arg(long, value_delimiter = ',', value_parser = rule_parser())]
    rules: Option<Vec<Rule>>,
    /// Number of seeds per rule, counting up from the recipe's seed.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Vary a value of the recipe, such as imperfections.mismatch=0,0.1,0.2; repeatable, for all combinations.
    #[arg(long, value_name = "KEY=VALUE,…")]
    sweep: Vec<Sweep>,
    /// Only plan the comparison; make its runs later, one by one, with --resume and --cell.
    #[arg(long, conflicts_with_all = ["resume", "cell", "jobs"])]
    plan: bool,
    /// Make only this run, counted from 1, of the comparison in --resume's folder.
    #[arg(long, value_name = "NUMBER", requires = "resume", conflicts_with = "jobs")]
    cell: Option<usize>,
    /// Number of runs at a time; by default the number of CPU cores.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    jobs: Option<u64>,
}

/// Compares and prints a table.
pub fn run(command: &Compare) -> Result<(), Error> {
    let mut observer = CommandObserver::stopping_on_interrupt()?;
    let jobs = jobs_or_cores(command.jobs);
    let options = command.settings.options();
    if let (Some(folder), Some(number)) = (&command.resume, command.cell) {
        let cell = make_cell(folder, number, &options, &mut observer)?;
        outln!("run {number}: {}, {}", cell.folder, cell.summary.test);
        return Ok(());
    }
    let rules = command.rules.as_deref();
    let compared = Compared { rules, seeds: command.seeds, sweeps: &command.sweep };
    if let (true, Some(recipe)) = (command.plan, &command.recipe) {
        let (plan, folder) = plan_comparison(recipe, compared, &options, &mut observer)?;
        let (runs, path) = (plan.cells().len(), folder.path().display());
        outln!(
            "{path}: runs 1 to {runs}; `twinprop compare --resume {path} --cell NUMBER` makes one run, \
             without --cell all remaining runs and the report"
        );
        return Ok(());
    }
    let (comparison, folder) = match (&command.resume, &command.recipe) {
        (Some(folder), _) => resume_comparison(folder, jobs, &options, &mut observer)?,
        (None, Some(recipe)) => compare(recipe, compared, jobs, &options, &mut observer)?,
        (None, None) => unreachable!("clap asks for one of the two"),
    };
    print(&comparison);
    print_twins(&comparison);
    outln!("report: {}", folder.join(RunFolder::COMPARISON_REPORT).display());
    Ok(())
}

fn print(comparison: &Comparison) {
    let Comparison { plan, rows, .. } = comparison;
    let measure = comparison.measure();
    let seeds = plan.seeds.len();
    let first = plan.columns.first().map_or("", |column| &column.name);
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let score = measure.with_unit();
    outln!("test {score}, mean ± sd of {seeds} seeds; p against {first}; mean shots and seconds");
    let efforts = rows.iter().filter_map(|row| row.effort.as_ref());
    if efforts.clone().any(|effort| effort.alignment.is_some()) {
        outln!("last column: mean cosine of the rule's gradient with backpropagation's");
    }
    let mut last = None;
    for row in rows {
        if last != Some(&row.settings) && !row.settings.is_empty() {
            let values = row.settings.iter().map(|(key, value)| format!("{key} = {value}"));
            outln!("{}", values.collect::<Vec<_>>().join(", "));
        }
        last = Some(&row.settings);
        let p = row.p_value.map_or(String::new(), |p| format!("p = {p:.3}"));
        let mean = measure.format_mean(row.mean, row.standard_deviation);
        let effort = row.effort.as_ref().map_or(String::new(), in_words);
        let line = format!("{:<width$} {mean:>14}  {p:<9}{effort}", row.name);
        outln!("{}", line.trim_end());
    }
}

/// Prints the verdict on the worst twin of each device and combination of swept values.
fn print_twins(comparison: &Comparison) {
    for WorstTwin { settings, verdict, runs } in comparison.verdicts() {
        let values: String =
            settings.iter().map(|(key, value)| format!(", {key} = {value}")).collect();
        outln!("the worst of {runs} runs{values}:");
        for line in verdict.lines() {
            outln!("  {}", for_command_line(&line));
        }
    }
}

fn in_words(effort: &Effort) -> String {
    let alignment = effort.alignment.map_or(String::new(), |cosine| format!("  {cosine:>6.3}"));
    format!("  {:>11.0} shots  {:>7.1} s{alignment}", effort.device_shots, effort.seconds)
}
