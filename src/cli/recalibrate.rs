//! `twinprop recalibrate`.

use std::path::PathBuf;

use clap::Args;
use twinprop::Error;
use twinprop::experiment::recalibrate_run;

use super::{CommandObserver, Reopen};
use twinprop::outln;

/// Arguments of `recalibrate`.
#[derive(Args)]
pub struct Recalibrate {
    /// Folder of a run.
    run: PathBuf,
    /// Shots that may be spent, those of the tests aside.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    shots: u64,
    /// Folder of the new run; without it the next free one under runs/.
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    reopen: Reopen,
}

/// Brings the network back and says how far.
pub fn run(command: &Recalibrate) -> Result<(), Error> {
    let mut observer = CommandObserver::stopping_on_interrupt()?;
    let (adaptation, folder) = recalibrate_run(
        &command.run,
        &command.reopen.reopening(),
        command.shots,
        command.out.as_deref(),
        &mut observer,
    )?;
    outln!(
        "test accuracy {:.1} % as it was, {:.1} % through the twin calibrated with {} shots, {:.1} % after {} shots of training",
        100.0 * adaptation.as_it_is,
        100.0 * adaptation.recalibrated,
        adaptation.calibration_shots,
        100.0 * adaptation.fine_tuned,
        adaptation.training_shots
    );
    outln!("run: {}", folder.display());
    Ok(())
}
