//! Recalibrates a run on its devices after drift.

use std::path::{Path, PathBuf};

use super::adapt::{Adaptation, adapt, refuse_too_few};
use super::build::Given;
use super::feasible;
use super::recipe::Recipe;
use super::run_folder::RunFolder;
use super::trained::{Reopening, Trained};
use crate::Error;
use crate::training::Observer;

/// Adapts the network of the run in `path` to the present state of its devices with at most `shots` shots. Writes a
/// new run to the folder `out`, by default the next free one under `runs`.
///
/// # Errors
/// As [`Trained::open_given`], and any error of the folder.
pub fn recalibrate_run(
    path: &Path,
    reopening: &Reopening,
    given: Given,
    shots: u64,
    out: Option<&Path>,
    observer: &mut dyn Observer,
) -> Result<(Adaptation, PathBuf), Error> {
    RunFolder::refuse_taken(out)?;
    let place = out.unwrap_or(Path::new("runs"));
    RunFolder::refuse_unwritable(place, "name a folder that can be written with option `out`")?;
    let recipe = Recipe::read(&RunFolder::open(path)?.path().join(RunFolder::RECIPE), &[])?;
    feasible::check_twins(&recipe, &RunFolder::open(path)?)?;
    let mut trained = Trained::open_given(path, reopening, given, observer)?;
    trained.load_twins()?;
    refuse_too_few(&trained, shots)?;
    let name = path.file_name().map_or("run".into(), |name| name.to_string_lossy());
    let folder = RunFolder::create(out, &format!("{name}-recalibrated"), observer)?;
    folder.write(RunFolder::RECIPE, &trained.recipe.to_toml())?;
    let adaptation = adapt(&mut trained, shots, observer)?;
    trained.save(&folder, observer)?;
    folder.write_json(RunFolder::ADAPTATION, &adaptation)?;
    Ok((adaptation, folder.path().to_owned()))
}
