//! `twinprop calibrate`.

use std::path::PathBuf;

use clap::Args;

use super::{CommandObserver, Settings};
use crate::Error;
use crate::experiment::calibration::{calibrate_recipe, resume_calibration};
use crate::experiment::verdict::TwinVerdict;
use crate::experiment::{RunFolder, RunOptions};
use crate::outln;
use crate::report::for_command_line;

/// Arguments of `calibrate`.
#[derive(Args)]
pub struct Calibrate {
    /// Recipe with the devices to calibrate, a TOML file.
    #[arg(required_unless_present = "resume")]
    recipe: Option<PathBuf>,
    /// Resume the interrupted calibration in this folder.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["recipe", "seed", "set", "out"])]
    resume: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    /// Real device instead of the recipe's: TARGET, such as tcp://127.0.0.1:7777, or NAME=TARGET; repeatable.
    #[arg(long, value_name = "TARGET")]
    device: Vec<String>,
}

/// Calibrates, and prints how far to trust the twins.
pub fn run(command: &Calibrate) -> Result<(), Error> {
    let mut observer = CommandObserver::ending_on_interrupt()?;
    let options = RunOptions { devices: command.device.clone(), ..command.settings.options() };
    let (summary, folder) = match (&command.resume, &command.recipe) {
        (Some(folder), _) => resume_calibration(folder, &options, &mut observer)?,
        (None, Some(recipe)) => calibrate_recipe(recipe, &options, &mut observer)?,
        (None, None) => unreachable!("clap asks for one of the two"),
    };
    for line in summary.verdicts.iter().flat_map(TwinVerdict::lines) {
        outln!("{}", for_command_line(&line));
    }
    outln!("report: {}", folder.path().join(RunFolder::CALIBRATION_REPORT).display());
    outln!("to train with it: --set calibration.load={}", folder.path().display());
    Ok(())
}
