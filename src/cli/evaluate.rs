//! `twinprop evaluate`.

use std::path::PathBuf;

use clap::Args;
use twinprop::experiment::evaluate_run;
use twinprop::{Backend, Error};

/// Arguments of `evaluate`.
#[derive(Args)]
pub struct Evaluate {
    /// Folder of a run.
    run: PathBuf,
    /// Where the host computes: flex, ndarray or wgpu.
    #[arg(long, default_value = "flex")]
    backend: Backend,
    /// A real device instead of the run's: TARGET or NAME=TARGET; may be given again.
    #[arg(long, value_name = "TARGET")]
    device: Vec<String>,
    /// Record the shots of each device in this new folder.
    #[arg(long, value_name = "FOLDER")]
    record: Option<PathBuf>,
    /// A folder in which data files are looked for.
    #[arg(long)]
    data_dir: Option<PathBuf>,
}

/// Measures and prints the accuracy.
pub fn run(command: &Evaluate) -> Result<(), Error> {
    let judgement = evaluate_run(
        &command.run,
        command.backend,
        &command.device,
        command.data_dir.as_deref(),
        command.record.as_deref(),
    )?;
    println!(
        "test accuracy {:.1} % on the device, loss {:.3} ({} samples)",
        100.0 * judgement.accuracy,
        judgement.loss,
        judgement.predicted.len()
    );
    Ok(())
}
