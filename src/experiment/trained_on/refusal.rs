//! What has changed since a training is refused, unless it is allowed.

use std::path::Path;

use super::super::run_folder::RunFolder;
use super::changes::name_changes;
use super::record::TrainedOn;
use crate::Error;
use crate::training::{Observer, warn};

/// The part that differs from the training.
#[derive(Clone, Copy)]
pub(in crate::experiment) enum ChangedPart {
    /// The data files.
    Data,
    /// The device.
    Device,
}

/// Refuses `changes` of `part` since the training in `run`. If they are `allowed`, emits a warning instead.
///
/// # Errors
/// [`Error::Usage`] names the changes and what to do.
pub(in crate::experiment) fn refuse(
    run: &Path,
    changes: &[String],
    part: ChangedPart,
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
    let remedy = match part {
        ChangedPart::Data => {
            "name the folder of the training's files with option `data_dir`, or take the new ones with option `allow_changed_data`"
        }
        ChangedPart::Device => {
            "name the device of the training with option `devices`, or take this one with option `allow_changed_data` (drives and settings are then the same shares of the new ranges)"
        }
    };
    Err(Error::Usage(format!("{run}: what it was trained on has changed: {changes}; {remedy}")))
}

/// Refuses to load twins from `from` for a training on `now` if their features, classes, targets or channels differ. If
/// differences are `allowed`, emits a warning instead. The split of the samples does not matter to a twin.
///
/// # Errors
/// [`Error::Usage`] names the differences.
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
