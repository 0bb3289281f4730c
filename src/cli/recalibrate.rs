//! `twinprop recalibrate`.

use std::path::PathBuf;

use clap::Args;

use super::{CommandObserver, Reopen};
use crate::Error;
use crate::experiment::{Given, recalibrate_run};
use crate::outln;

/// Arguments of `recalibrate`.
#[derive(Args)]
pub struct Recalibrate {
    /// Folder of a training run.
    run: PathBuf,
    /// Maximum number of shots to spend, not counting the tests'.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    shots: u64,
    /// Folder for the new run; by default the next free one under runs/.
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    reopen: Reopen,
}

/// Recalibrates and fine-tunes the network, and prints its scores.
pub fn run(command: &Recalibrate) -> Result<(), Error> {
    let mut observer = CommandObserver::stopping_on_interrupt()?;
    let (adaptation, folder) = recalibrate_run(
        &command.run,
        &command.reopen.reopening(),
        Given::default(),
        command.shots,
        command.out.as_deref(),
        &mut observer,
    )?;
    outln!(
        "test {} {} before, {} with the twin recalibrated by {} shots, {} after {} shots of training",
        adaptation.measure.name(),
        adaptation.measure.format(adaptation.as_it_is),
        adaptation.measure.format(adaptation.recalibrated),
        adaptation.calibration_shots,
        adaptation.measure.format(adaptation.fine_tuned),
        adaptation.training_shots
    );
    outln!("run: {}", folder.display());
    Ok(())
}
