//! Checkpoints: everything needed to resume a run with the same result.
//!
//! A checkpoint is a subfolder of the run's folder, with the same files: parameters, refined twins, usage of the
//! devices; and the optimiser's moments and the refinement's state. It is written under another name and then
//! renamed, so a folder with a checkpoint's name is complete.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use twinprop_calibration::state::State;
use twinprop_calibration::store::{read_safetensors, to_safetensors};
use twinprop_devices::whole_file::sync_folder;
use twinprop_devices::{BoundaryCounts, PhysicalLayer};

use super::provenance::Spent;
use super::run_folder::RunFolder;
use super::twins::save_twins;
use crate::Error;
use crate::network::{Laboratory, Network};
use crate::training::{
    Optimiser, OptimiserKind, Refinement, RefinementState, Snapshot, TrainingProgress, TwinCourse,
};

/// The part of a checkpoint that is not tensors: `checkpoint.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Notes {
    /// Progress of the training.
    pub progress: TrainingProgress,
    /// Values sent to and clamped for each device.
    counts: BTreeMap<String, BoundaryCounts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refinement: Option<RefinementState>,
    /// Errors of the refined twins before the first step.
    pub twins_at_start: Vec<TwinCourse>,
    /// Duration of the run so far, in seconds.
    pub seconds: f64,
    /// Duration of each part of the run.
    #[serde(default)]
    pub spent: Spent,
}

/// A checkpoint of a run.
pub(super) struct Checkpoint {
    folder: RunFolder,
    pub notes: Notes,
}

/// Names of a checkpoint's folder before and after it is complete.
const PARTIAL: &str = "checkpoint.partial";
const PREFIX: &str = "checkpoint-";
const NOTES: &str = "checkpoint.json";
const OPTIMISER: &str = "optimiser.safetensors";
const REFINEMENT: &str = "refinement.safetensors";
const ADVICE: &str =
    "check that the disk has space and the folder is writable, then resume the run";

/// Writes a checkpoint of `run` and removes the previous one. If there is a checkpoint of the same step, it stays: it has
/// the same state.
pub(super) fn save(
    run: &RunFolder,
    snapshot: &Snapshot,
    twins_at_start: &[TwinCourse],
    seconds: f64,
    spent: Spent,
) -> Result<(), Error> {
    let before = find_all(run.path())?;
    if before.iter().any(|(steps, _)| *steps == snapshot.progress.steps) {
        return Ok(());
    }
    let partial = run.path().join(PARTIAL);
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(Error::file(&partial, ADVICE))?;
    }
    fs::create_dir(&partial).map_err(Error::file(&partial, ADVICE))?;
    let folder = RunFolder::at(&partial);
    let Snapshot { progress, network, laboratory, optimiser, refinement } = snapshot;
    folder.save_network(network)?;
    let parameters = network.parameters();
    let moved: Vec<_> = parameters.iter().map(|(_, tensor)| *tensor).collect();
    write_state(&folder, OPTIMISER, &optimiser.state(&moved))?;
    if let Some((tensors, _)) = refinement {
        write_state(&folder, REFINEMENT, tensors)?;
        save_twins(laboratory, folder.path())?;
    }
    folder.save_usages(laboratory)?;
    let instruments = laboratory.instruments.iter();
    let notes = Notes {
        progress: (*progress).clone(),
        counts: instruments.map(|one| (one.name.clone(), one.device.counts())).collect(),
        refinement: refinement.map(|(_, notes)| notes.clone()),
        twins_at_start: twins_at_start.to_vec(),
        seconds,
        spent,
    };
    folder.write_json(NOTES, &notes)?;
    let path = run.path().join(format!("{PREFIX}{}", progress.steps));
    fs::rename(&partial, &path).map_err(Error::file(&path, ADVICE))?;
    sync_folder(run.path()).map_err(Error::file(run.path(), ADVICE))?;
    for (_, old) in before {
        fs::remove_dir_all(&old).map_err(Error::file(&old, ADVICE))?;
    }
    Ok(())
}

/// Removes the checkpoints of a run that is complete.
pub(super) fn remove(run: &RunFolder) -> Result<(), Error> {
    for (_, path) in find_all(run.path())? {
        fs::remove_dir_all(&path).map_err(Error::file(&path, "remove the folder yourself"))?;
    }
    Ok(())
}

/// Steps and folder of each checkpoint in `run`, the oldest first.
fn find_all(run: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let entries = fs::read_dir(run).map_err(Error::file(run, "make it readable"))?;
    let mut found: Vec<_> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name();
            let steps = name.to_str()?.strip_prefix(PREFIX)?.parse().ok()?;
            Some((steps, entry.path()))
        })
        .collect();
    found.sort();
    Ok(found)
}

fn write_state(folder: &RunFolder, name: &str, state: &State) -> Result<(), Error> {
    let mut named: Vec<_> = state.iter().map(|(name, tensor)| (name.clone(), tensor)).collect();
    named.sort_by(|left, right| left.0.cmp(&right.0));
    folder.write_bytes(name, &to_safetensors(named))
}

impl Checkpoint {
    /// The last checkpoint of `run`; `None` before the first.
    pub fn last_of(run: &RunFolder) -> Result<Option<Self>, Error> {
        let Some((_, path)) = find_all(run.path())?.pop() else { return Ok(None) };
        let folder = RunFolder::at(&path);
        let notes = folder.read_json(NOTES, "make it readable, or start the run again")?;
        Ok(Some(Self { folder, notes }))
    }

    /// Folder of the refined twins; `None` without refinement.
    pub fn twins(&self) -> Option<&Path> {
        self.notes.refinement.as_ref().map(|_| self.folder.path())
    }

    /// Restores `network`, its devices and its `refinement`; returns the restored optimiser.
    pub fn restore(
        &self,
        network: &mut Network,
        laboratory: &mut Laboratory,
        refinement: Option<&mut Refinement>,
        optimiser: OptimiserKind,
        backend: &Device,
    ) -> Result<Box<dyn Optimiser>, Error> {
        self.folder.load_network(network, backend)?;
        let usages = self.folder.usages()?;
        for instrument in &mut laboratory.instruments {
            if let Some(usage) = usages.get(&instrument.name) {
                instrument.device.resume(usage);
            }
            if let Some(&counts) = self.notes.counts.get(&instrument.name) {
                instrument.device.count_from(counts);
            }
        }
        let broken = |name: &str| {
            let path = self.folder.path().join(name);
            move |problem| Error::Data { path, problem }
        };
        let read = |name: &str| read_safetensors(&self.folder.path().join(name), backend);
        if let (Some(refinement), Some(notes)) = (refinement, self.notes.refinement.clone()) {
            let tensors = read(REFINEMENT)?;
            refinement.restore(tensors, notes, laboratory).map_err(broken(REFINEMENT))?;
        }
        let mut optimiser = optimiser.start();
        optimiser.restore(read(OPTIMISER)?).map_err(broken(OPTIMISER))?;
        Ok(optimiser)
    }
}
