//! `twinprop calibrate`.

use std::path::PathBuf;

use clap::Args;
use twinprop::experiment::{RunFolder, RunOptions, calibrate_recipe, resume_calibration};
use twinprop::report::verdict;
use twinprop::{Backend, Error};

use super::make_safe_on_interrupt;

/// Arguments of `calibrate`.
#[derive(Args)]
pub struct Calibrate {
    /// The recipe.
    #[arg(required_unless_present = "resume")]
    recipe: Option<PathBuf>,
    /// Go on with the calibration in this folder, which was cut off.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["recipe", "seed", "set", "out"])]
    resume: Option<PathBuf>,
    /// Seed of everything random, instead of the recipe's.
    #[arg(long)]
    seed: Option<u64>,
    /// Where the twins are computed: flex, ndarray or wgpu.
    #[arg(long, default_value = "flex")]
    backend: Backend,
    /// Folder of the twins; without it the next free one under runs/.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Replace a value of the recipe, such as calibration.shots=5000; may be given again.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// A folder in which data files are looked for.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// A real device instead of the recipe's: TARGET or NAME=TARGET; may be given again.
    #[arg(long, value_name = "TARGET")]
    device: Vec<String>,
}

/// Calibrates and says how far to trust the twins.
pub fn run(command: &Calibrate) -> Result<(), Error> {
    make_safe_on_interrupt()?;
    let options = RunOptions {
        rule: None,
        devices: command.device.clone(),
        record: None,
        seed: command.seed,
        backend: command.backend,
        out: command.out.clone(),
        data_dir: command.data_dir.clone(),
        set: command.set.clone(),
    };
    let (summary, folder) = match (&command.resume, &command.recipe) {
        (Some(folder), _) => resume_calibration(folder, &options)?,
        (None, Some(recipe)) => calibrate_recipe(recipe, &options)?,
        (None, None) => unreachable!("clap asks for one of the two"),
    };
    for (device, twin) in &summary.twins {
        println!("{device}: {}", verdict(&twin.fidelity));
    }
    println!("report: {}", folder.path().join(RunFolder::CALIBRATION_REPORT).display());
    println!("to train by it: --set calibration.load={}", folder.path().display());
    Ok(())
}
