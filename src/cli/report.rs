//! `twinprop report`.

use std::path::PathBuf;

use clap::Args;

use crate::Error;
use crate::experiment::RunFolder;
use crate::outln;
use crate::report::write_pages;
use crate::training::Results;

/// Arguments of `report`.
#[derive(Args)]
pub struct Report {
    /// Folder of a run, a calibration, a comparison, a meta-training or a transfer.
    folder: PathBuf,
}

/// The kinds of results: the file that identifies each, and its page.
const KINDS: [(Results, &str, &str); 5] = [
    (Results::Run, RunFolder::SUMMARY, RunFolder::REPORT),
    (Results::Comparison, RunFolder::COMPARISON, RunFolder::COMPARISON_REPORT),
    (Results::MetaTraining, RunFolder::META, RunFolder::META_REPORT),
    (Results::Transfer, RunFolder::TRANSFER, RunFolder::TRANSFER_REPORT),
    (Results::Calibration, RunFolder::CALIBRATION, RunFolder::CALIBRATION_REPORT),
];

/// Rewrites the page.
pub fn run(command: &Report) -> Result<(), Error> {
    let folder = &command.folder;
    let found = KINDS.iter().find(|(_, file, _)| folder.join(file).is_file());
    let (results, _, page) = found.ok_or_else(|| {
        Error::Usage(format!(
            "{}: no complete results in this folder; name the folder of a run, a calibration, a comparison, a meta-training or a transfer",
            folder.display()
        ))
    })?;
    write_pages(*results, folder)?;
    outln!("report: {}", folder.join(page).display());
    Ok(())
}
