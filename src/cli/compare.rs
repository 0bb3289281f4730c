//! `twinprop compare`.

use clap::Args;
use twinprop::experiment::compare;
use twinprop::{Error, Rule};

use super::{RunArguments, stop_on_interrupt};

/// Arguments of `compare`.
#[derive(Args)]
pub struct Compare {
    #[command(flatten)]
    run: RunArguments,
    /// The rules, by commas.
    #[arg(long, value_delimiter = ',', default_value = "pat,in-silico,ideal")]
    rules: Vec<Rule>,
    /// Seeds a rule, counting up from the recipe's.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
}

/// Compares and prints a table.
pub fn run(command: &Compare) -> Result<(), Error> {
    let stop = stop_on_interrupt()?;
    let (comparison, folder) = compare(
        &command.run.recipe,
        &command.rules,
        command.seeds,
        &command.run.settings.options(),
        &stop,
    )?;
    println!("{:<24} test accuracy (%), mean ± sd of {} seeds", "", command.seeds);
    for row in &comparison.rows {
        println!(
            "{:<24} {:>5.1} ± {:.1}",
            row.name,
            100.0 * row.mean,
            100.0 * row.standard_deviation
        );
    }
    println!("runs: {}", folder.display());
    Ok(())
}
