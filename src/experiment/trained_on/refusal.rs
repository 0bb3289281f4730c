//! What has changed since a training is refused, unless it is allowed.

use std::path::Path;

use super::super::run_folder::RunFolder;
use super::changes::name_changes;
use super::record::TrainedOn;
use crate::Error;
use crate::training::{Observer, warn};

/// What brings back what a run was trained on.
#[derive(Clone, Copy)]
pub(in crate::experiment) enum Remedy {
    /// Its files.
    Data,
    /// Its device.
    Device,
}

/// Refuses `changes` since the training in `run`, unless they are `allowed`; those are told.
///
/// # Errors
/// [`Error::Usage`] names them and the `remedy`.
pub(in crate::experiment) fn refuse(
    run: &Path,
    changes: &[String],
    remedy: Remedy,
    allowed: bool,
    observer: &mut dyn Observer,
) -> Result<(), Error> {
    if changes.is_empty() {
        return Ok(());
    }
    let (run, changes) = (run.display(), changes.join("; "));
    if allowed {
        let warning = format!("{run}: what it was trained on has changed, as allowed: {changes}");
        return warn(observer, &[warning]);
    }
    let remedy = match remedy {
        Remedy::Data => {
            "name the folder of the training's files with option `data_dir`, or take the new ones with option `allow_changed_data`"
        }
        Remedy::Device => {
            "name the device of the training with option `devices`, or take this one with option `allow_changed_data` (drives and settings are then the same shares of the new ranges)"
        }
    };
    Err(Error::Usage(format!("{run}: what it was trained on has changed: {changes}; {remedy}")))
}

/// Refuses to load twins from `from` for a training on `now`, where they were made for other features, classes
/// or channels, unless that is `allowed`. How samples are divided does not matter: a twin is of a device.
///
/// # Errors
/// [`Error::Usage`] names what differs.
pub(in crate::experiment) fn check_loaded(
    from: &RunFolder,
    now: &TrainedOn,
    allowed: bool,
    observer: &mut dyn Observer,
) -> Result<(), Error> {
    let Some(before) = TrainedOn::of_run(from, observer)? else { return Ok(()) };
    let mut changes = name_changes(&before.schema(), &now.schema());
    changes.extend(before.device_changes(now));
    if changes.is_empty() {
        return Ok(());
    }
    let (from, changes) = (from.path().display(), changes.join("; "));
    if allowed {
        let warning = format!("{from}: its twins were made for others, as allowed: {changes}");
        return warn(observer, &[warning]);
    }
    Err(Error::Usage(format!(
        "{from}: its twins were made for other data or another device: {changes}; calibrate here (leave out calibration.load), or take the twins as they are with option `allow_changed_data`"
    )))
}
