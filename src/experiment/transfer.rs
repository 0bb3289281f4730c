//! Transfer of a trained network to another copy of its devices.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::adapt::{Adaptation, adapt};
use super::build::Given;
use super::feasible;
use super::options::RunOptions;
use super::recipe::Recipe;
use super::run::train;
use super::run_folder::RunFolder;
use super::trained::{Reopening, Trained};
use crate::Error;
use crate::training::{Event, Observer, Results, TestScore};

/// Results of a transfer: `transfer.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transfer {
    /// Name of the trained run.
    pub run: String,
    /// Seed of the copy.
    pub copy: u64,
    /// Result of each budget of shots.
    pub budgets: Vec<Adaptation>,
    /// Result of training on the copy from scratch; `None` if not requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scratch: Option<Scratch>,
}

/// Result of training on the copy from scratch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scratch {
    /// Test score.
    #[serde(flatten)]
    pub test: TestScore,
    /// Shots of the calibration and the training, without tests.
    pub shots: u64,
}

/// A planned transfer.
#[derive(Clone, Copy, Debug)]
pub struct TransferPlan<'a> {
    /// Fabrication seed of the copy.
    pub copy: u64,
    /// Largest numbers of shots; the network is adapted once with each.
    pub budgets: &'a [u64],
    /// Whether the recipe is also trained on the copy from scratch.
    pub scratch: bool,
    /// Folder of the results, with a run per budget; by default the next free one under `runs`.
    pub out: Option<&'a Path>,
}

/// Moves the run in `path` to another copy of its simulated devices as `plan` says; before each adaptation, `given` is
/// called for what the calling program passes.
///
/// # Errors
/// As [`Trained::open`], and any error of the folder.
pub fn transfer(
    path: &Path,
    reopening: &Reopening,
    given: &mut dyn FnMut() -> Given,
    plan: &TransferPlan,
    observer: &mut dyn Observer,
) -> Result<(Transfer, PathBuf), Error> {
    let TransferPlan { copy, budgets, scratch, out } = *plan;
    let name = path.file_name().map_or("run".into(), |name| name.to_string_lossy().into_owned());
    let run = RunFolder::open(path)?;
    let mut recipe = Recipe::read(&path.join(RunFolder::RECIPE), &[])?;
    feasible::check_copy(&recipe, &reopening.devices)?;
    recipe.take_rigs(&reopening.devices)?;
    feasible::check_twins(&recipe, &run)?;
    let folder = RunFolder::create(out, &format!("{name}-transfer-{copy}"), observer)?;
    let reopening = Reopening { copy: Some(copy), ..reopening.clone() };
    let mut found = Vec::new();
    for &shots in budgets {
        let mut trained = Trained::open_given(path, &reopening, given(), observer)?;
        trained.load_twins()?;
        let adaptation = adapt(&mut trained, shots, observer)?;
        let place = RunFolder::create(Some(&folder.path().join(shots.to_string())), "", observer)?;
        place.write(RunFolder::RECIPE, &trained.recipe.to_toml())?;
        trained.save(&place, observer)?;
        place.write_json(RunFolder::ADAPTATION, &adaptation)?;
        found.push(adaptation);
    }
    let a_test = found.first().map_or(0, |adaptation| adaptation.shots_a_test);
    let mut transfer = Transfer { run: name, copy, budgets: found, scratch: None };
    // Saved before the training from scratch, which may fail.
    folder.write_json(RunFolder::TRANSFER, &transfer)?;
    if scratch {
        let scratch = from_scratch(path, &recipe, &reopening, copy, a_test, &folder, observer)?;
        transfer.scratch = Some(scratch);
        folder.write_json(RunFolder::TRANSFER, &transfer)?;
    }
    let finished = Event::Finished { results: Results::Transfer, folder: folder.path() };
    let _ = observer.observe(&finished)?;
    Ok((transfer, folder.path().to_owned()))
}

fn from_scratch(
    path: &Path,
    recipe: &Recipe,
    reopening: &Reopening,
    copy: u64,
    shots_a_test: u64,
    folder: &RunFolder,
    observer: &mut dyn Observer,
) -> Result<Scratch, Error> {
    // The training runs with any twin.
    let mut set = vec!["calibration.require=\"none\"".to_owned()];
    if recipe.devices.values().any(|device| !device.is_real()) {
        set.push(format!("device_seed={copy}"));
    }
    let options = RunOptions {
        backend: reopening.backend.clone(),
        out: Some(folder.path().join("scratch")),
        data_dir: reopening.data_dir.clone(),
        devices: reopening.devices.clone(),
        allow_changed_data: reopening.allow_changed_data,
        set,
        ..RunOptions::default()
    };
    let (summary, _) = train(&path.join(RunFolder::RECIPE), &options, observer)?;
    // One test after every epoch.
    let tests = summary.epochs as u64 * shots_a_test;
    Ok(Scratch { test: summary.test, shots: summary.device_shots.saturating_sub(tests) })
}

impl RunFolder {
    /// Reads the results of a transfer.
    ///
    /// # Errors
    /// [`Error::File`] if there are no results, [`Error::Data`] for a damaged file.
    pub fn transfer(&self) -> Result<Transfer, Error> {
        self.read_json(Self::TRANSFER, "name the folder of a transfer")
    }
}
