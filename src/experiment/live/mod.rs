//! What a running run shows to other processes, and how they stop it.
//!
//! At most once a second, a run writes the file [`LIVE`] in its folder: where it is, its loss, its devices' health and
//! the last shot of each device. A view reads it, and `metrics.jsonl` for the epochs.
//!
//! A run stops, with a checkpoint, after the step in which the file [`STOP`] appears in its folder. So any process that
//! can write the folder can stop the run, on this computer or on another one that shares the folder.

mod curve;
mod rates;
mod record;
mod run;

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::folder_lock;
use super::run_folder::RunFolder;
use crate::Error;

pub(super) use self::run::LiveRun;

/// Name of the file that shows a running run.
pub const LIVE: &str = "live.json";
/// Name of the file that stops a run.
pub const STOP: &str = "stop";
/// Age of [`LIVE`] at which a run has ended, on a file system without locks.
const STALE: Duration = Duration::from_secs(20);
/// Folders above a run's in which a lock is looked for: a comparison has one lock for all of its runs.
const LOCKED_ABOVE: usize = 1;

/// Whether a process is working on the run in the folder `run`.
#[must_use]
pub fn is_running(run: &Path) -> bool {
    let written = std::fs::metadata(run.join(LIVE)).and_then(|about| about.modified());
    let age = written.ok().and_then(|time| SystemTime::now().duration_since(time).ok());
    // A run of a comparison that is waiting or has ended stays in a locked folder.
    let may_be_inside = age.is_some_and(|age| age < STALE);
    for (above, folder) in run.ancestors().take(1 + LOCKED_ABOVE).enumerate() {
        match folder_lock::is_locked(folder) {
            Some(true) => return above == 0 || may_be_inside,
            Some(false) => {}
            None => return may_be_inside,
        }
    }
    false
}

/// Asks the run in the folder `run` to stop after its present step, with a checkpoint.
///
/// # Errors
/// [`Error::Usage`] if the run is not running, [`Error::File`] if its folder cannot be written.
pub fn request_stop(run: &Path) -> Result<(), Error> {
    let name = run.display();
    if run.join(RunFolder::SUMMARY).exists() {
        return Err(Error::Usage(format!(
            "{name}: this run is complete, there is nothing to stop"
        )));
    }
    if !is_running(run) {
        return Err(Error::Usage(format!(
            "{name}: this run is not running, there is nothing to stop"
        )));
    }
    let path = run.join(STOP);
    std::fs::write(&path, "").map_err(Error::file(&path, "make the run's folder writable"))
}

/// Takes back an earlier request, so that it does not stop a run that is resumed.
fn forget_stop(run: &Path) {
    // Without the file there is nothing to forget.
    let _ = std::fs::remove_file(run.join(STOP));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::folder_lock::FolderLock;

    #[test]
    fn only_a_run_that_is_running_is_asked_to_stop() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let run = folder.path();
        let refused = request_stop(run).expect_err("nobody runs it").to_string();
        assert!(refused.contains("not running"), "{refused}");
        let lock = FolderLock::acquire(run).expect("nobody has it");
        request_stop(run).expect("it is running");
        assert!(run.join(STOP).exists());
        forget_stop(run);
        assert!(!run.join(STOP).exists());
        std::fs::write(run.join(RunFolder::SUMMARY), "{}").expect("a file");
        let refused = request_stop(run).expect_err("it is complete").to_string();
        assert!(refused.contains("complete"), "{refused}");
        drop(lock);
        assert!(!is_running(run));
    }
}
