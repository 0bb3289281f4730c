//! A trained network on its device once more.

use std::path::Path;

use super::build::{Experiment, prepare};
use super::recipe::Recipe;
use super::run_folder::RunFolder;
use crate::training::{Judgement, evaluate};
use crate::{Backend, Error};

/// Measures the test accuracy of the run in `path`: the same fabricated device, fresh noise; or on the
/// real `devices`, each `TARGET` or `NAME=TARGET`. The shots are recorded in the new folder `record`.
///
/// # Errors
/// [`Error::Usage`] where there is no run, and whatever a device answers.
pub fn evaluate_run(
    path: &Path,
    backend: Backend,
    devices: &[String],
    data_dir: Option<&Path>,
    record: Option<&Path>,
) -> Result<Judgement, Error> {
    let folder = RunFolder::open(path)?;
    let mut recipe = Recipe::read(&path.join(RunFolder::RECIPE), &[])?;
    recipe.take_rigs(devices)?;
    let backend = backend.device()?;
    let mut experiment = prepare(&recipe, path, data_dir, record, &backend)?;
    folder.load_network(&mut experiment.network, &backend)?;
    let Experiment { network, laboratory, split, recordings, .. } = &mut experiment;
    let judgement = evaluate(network, laboratory, &split.test, &backend)?;
    for recording in recordings {
        recording.finish()?;
    }
    Ok(judgement)
}
