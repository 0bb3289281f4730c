//! `twinprop report`.

use std::path::PathBuf;

use clap::Args;
use twinprop::Error;
use twinprop::experiment::RunFolder;
use twinprop::outln;
use twinprop::report::write_pages;
use twinprop::training::Results;

/// Arguments of `report`.
#[derive(Args)]
pub struct Report {
    /// The folder of a run, a calibration, a comparison, a meta-training or a transfer.
    folder: PathBuf,
}

/// Results by the file that they are kept in, and the page that they become.
const KINDS: [(Results, &str, &str); 5] = [
    (Results::Run, RunFolder::SUMMARY, RunFolder::REPORT),
    (Results::Comparison, RunFolder::COMPARISON, RunFolder::COMPARISON_REPORT),
    (Results::MetaTraining, RunFolder::META, RunFolder::META_REPORT),
    (Results::Transfer, RunFolder::TRANSFER, RunFolder::TRANSFER_REPORT),
    (Results::Calibration, RunFolder::CALIBRATION, RunFolder::CALIBRATION_REPORT),
];

/// Writes the page again.
pub fn run(command: &Report) -> Result<(), Error> {
    let folder = &command.folder;
    let found = KINDS.iter().find(|(_, file, _)| folder.join(file).is_file());
    let (results, _, page) = found.ok_or_else(|| {
        Error::Usage(format!(
            "{}: there are no complete results here; name the folder of a run, a calibration, a comparison, a meta-training or a transfer",
            folder.display()
        ))
    })?;
    write_pages(*results, folder)?;
    outln!("report: {}", folder.join(page).display());
    Ok(())
}
