//! `twinprop transfer`.

use std::path::PathBuf;

use clap::Args;

use super::{CommandObserver, Reopen};
use crate::Error;
use crate::experiment::Given;
use crate::experiment::transfer::{TransferPlan, transfer};
use crate::outln;

/// Arguments of `transfer`.
#[derive(Args)]
pub struct Transfer {
    /// Folder of a training run.
    run: PathBuf,
    /// Fabrication seed of the other copy of the run's simulated devices.
    #[arg(long, value_name = "SEED")]
    copy: u64,
    /// Maximum number of shots to spend on the copy, not counting the tests'; several budgets are comma-separated.
    #[arg(long, value_delimiter = ',', required = true)]
    shots: Vec<u64>,
    /// Also train the recipe on the copy from scratch.
    #[arg(long)]
    scratch: bool,
    /// Folder for the results; by default the next free one under runs/.
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    reopen: Reopen,
}

/// Deploys the run on the copy and prints a table.
pub fn run(command: &Transfer) -> Result<(), Error> {
    let mut observer = CommandObserver::stopping_on_interrupt()?;
    let plan = TransferPlan {
        copy: command.copy,
        budgets: &command.shots,
        scratch: command.scratch,
        out: command.out.as_deref(),
    };
    let reopening = command.reopen.reopening();
    let (found, folder) =
        transfer(&command.run, &reopening, &mut Given::default, &plan, &mut observer)?;
    outln!("{:>10} {:>10} {:>20} {:>12}", "shots", "as it is", "recalibrated twin", "fine-tuned");
    for budget in &found.budgets {
        outln!(
            "{:>10} {:>10} {:>20} {:>12}",
            budget.shots(),
            budget.measure.format(budget.as_it_is),
            budget.measure.format(budget.recalibrated),
            budget.measure.format(budget.fine_tuned)
        );
    }
    if let Some(scratch) = &found.scratch {
        let score = scratch.test.measure().format(scratch.test.value());
        outln!("from scratch: {score} with {} shots", scratch.shots);
    }
    outln!("results: {}", folder.display());
    Ok(())
}
