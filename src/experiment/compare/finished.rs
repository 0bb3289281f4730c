//! Checks the complete runs of a comparison that is resumed.

use super::plan::Plan;
use super::sweep::SweptValues;
use crate::Error;
use crate::experiment::build::Setup;
use crate::experiment::options::RunOptions;
use crate::experiment::recipe::Recipe;
use crate::experiment::run_folder::RunFolder;
use crate::experiment::trained_on::TrainedOn;
use crate::training::Observer;

/// Refuses data that differ from the data of the complete runs of `plan` in `folder`, unless `options` allow it;
/// then `observer` is told.
///
/// # Errors
/// [`Error::Usage`] names the differences; and any error of the data.
pub(super) fn check_data(
    plan: &Plan,
    folder: &RunFolder,
    options: &RunOptions,
    observer: &mut dyn Observer,
) -> Result<(), Error> {
    let mut checked: Vec<(u64, SweptValues, TrainedOn)> = Vec::new();
    for key in plan.cells() {
        let path = folder.path().join(key.folder());
        let run = RunFolder::at(&path);
        if !path.join(RunFolder::SUMMARY).exists() {
            continue;
        }
        let Some(known) = TrainedOn::of_run(&run, observer)? else { continue };
        let of_data = key.settings.into_iter().filter(|(key, _)| key.starts_with("data"));
        let of_data: SweptValues = of_data.collect();
        let is_known = |(seed, settings, other): &(u64, SweptValues, TrainedOn)| {
            *seed == key.seed && *settings == of_data && other.has_the_data_of(&known)
        };
        if checked.iter().any(is_known) {
            continue;
        }
        let backend = options.backend.device()?;
        let setup = Setup {
            trained_on: Some(&known),
            allow_changed_data: options.allow_changed_data,
            data_dir: options.data_dir.as_deref(),
            ..Setup::new(&path, &backend)
        };
        setup.data(&Recipe::read(&path.join(RunFolder::RECIPE), &[])?, None, observer)?;
        checked.push((key.seed, of_data, known));
    }
    Ok(())
}
