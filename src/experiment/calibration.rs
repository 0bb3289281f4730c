//! Calibration alone: twins, shots and a report that a training can load.

use std::path::Path;
use std::time::Instant;

use super::build::Given;
use super::calibrate::calibrate;
use super::feasible;
use super::options::RunOptions;
use super::recipe::Recipe;
use super::run_folder::RunFolder;
use super::trained_on::TrainedOn;
use crate::Error;
use crate::training::{Event, Observer, Results};

pub use super::calibrated::{Calibrated, CalibrationSummary, InsideSummary, TwinSummary};

/// Calibrates the devices of the recipe at `path` into a new folder.
///
/// # Errors
/// Any error of the recipe, the data, the folder or a device.
pub fn calibrate_recipe(
    path: &Path,
    options: &RunOptions,
    observer: &mut dyn Observer,
) -> Result<(CalibrationSummary, RunFolder), Error> {
    let recipe = options.recipe(path)?;
    let name = path.file_stem().map_or("run".into(), |stem| stem.to_string_lossy());
    let name = format!("{name}-calibration-{}", recipe.seed);
    let folder = RunFolder::create(options.out.as_deref(), &name, observer)?;
    folder.begin(&recipe, path, &options.command)?;
    run(&recipe, path, folder, options, observer)
}

/// Resumes the interrupted calibration in `path`. Recorded shots are not measured again.
///
/// # Errors
/// As [`calibrate_recipe`], and [`Error::Usage`] if no calibration has begun there, or it is complete.
pub fn resume_calibration(
    path: &Path,
    options: &RunOptions,
    observer: &mut dyn Observer,
) -> Result<(CalibrationSummary, RunFolder), Error> {
    let folder = RunFolder::open_begun(path, observer)?;
    if path.join(RunFolder::CALIBRATION).exists() {
        return Err(Error::Usage(format!(
            "{}: this calibration is complete; see {}",
            path.display(),
            RunFolder::CALIBRATION_REPORT
        )));
    }
    let recipe_path = path.join(RunFolder::RECIPE);
    let mut recipe = Recipe::read(&recipe_path, &[])?;
    recipe.take_rigs(&options.devices)?;
    run(&recipe, &recipe_path, folder, options, observer)
}

fn run(
    recipe: &Recipe,
    path: &Path,
    folder: RunFolder,
    options: &RunOptions,
    observer: &mut dyn Observer,
) -> Result<(CalibrationSummary, RunFolder), Error> {
    let start = Instant::now();
    let backend = options.backend.device()?;
    // Recorded shots are valid only for the task and the device that they were measured for.
    let has_shots = folder.has_shots();
    let begun_on = if has_shots { TrainedOn::of_run(&folder, observer)? } else { None };
    let recipe_folder = path.parent().unwrap_or(Path::new("."));
    let mut experiment = options.open(
        recipe,
        recipe_folder,
        begun_on.as_ref(),
        Given::default(),
        &backend,
        observer,
    )?;
    let allowed = options.allow_changed_data;
    feasible::check_calibration(&experiment, recipe, allowed, &backend, observer)?;
    match begun_on {
        Some(mut before) if !experiment.changes.is_empty() => {
            before.allow(&experiment.changes);
            before.write(&folder)?;
        }
        None if !has_shots => experiment.trained_on.write(&folder)?,
        _ => {}
    }
    experiment.play_first_shots(recipe.seed, &backend, observer)?;
    let calibrated = calibrate(&mut experiment, recipe, &folder, &backend, observer)?;
    let summary = CalibrationSummary::of(&calibrated, recipe, &folder, &options.backend, start)?;
    folder.write_json(RunFolder::CALIBRATION, &summary)?;
    let finished = Event::Finished { results: Results::Calibration, folder: folder.path() };
    let _ = observer.observe(&finished)?;
    Ok((summary, folder))
}
