//! A run's devices against what they were when it ended.

use std::fmt;
use std::path::Path;

use burn::tensor::Device;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use twinprop_calibration::bridge::to_tensor;
use twinprop_calibration::design::{DesignConfig, TaskLikeConfig};
use twinprop_calibration::{Drift, Reference, WatchConfig};
use twinprop_devices::recording::{Recorded, Recorder};
use twinprop_devices::{Channels, PhysicalLayer, random};

use super::run_folder::RunFolder;
use super::trained::{Reopening, Trained};
use crate::Error;
use crate::data::Split;
use crate::network::{Laboratory, Network, Source};
use crate::report::Progress;

/// Training samples whose drives a reference is taken from.
const SAMPLES: usize = 64;

/// Plays a reference set on every device that `network` plays on, at drives of the task, and writes it
/// down in `folder`.
pub(super) fn save_reference(
    network: &Network,
    laboratory: &mut Laboratory,
    split: &Split,
    config: &WatchConfig,
    seed: u64,
    folder: &RunFolder,
    backend: &Device,
) -> Result<(), Error> {
    let progress = Progress::of_one_piece("play the reference set");
    let samples: Vec<usize> = (0..split.train.len().min(SAMPLES)).collect();
    let x = to_tensor(&split.train.choose(&samples).features, backend);
    let trace = network.forward(x, laboratory, Source::Measured)?;
    let task = network.task_drives(&trace, laboratory.instruments.len());
    for (instrument, task) in laboratory.instruments.iter_mut().zip(task) {
        let Some(task) = task else { continue };
        let (inputs, parameters) = DesignConfig::TaskLike(TaskLikeConfig::EXACT).draw(
            instrument.device.interface(),
            config.drives,
            Some(&task),
            seed,
        )?;
        let mut recorder =
            Recorder::new(&mut instrument.device, &folder.reference(&instrument.name))?;
        Reference::measure(&mut recorder, inputs, parameters, config.repeats)?;
        recorder.recording().finish()?;
    }
    progress.finish_quietly();
    Ok(())
}

/// What a look at a run's devices has found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// Name of the device in the recipe.
    pub device: String,
    /// How far it has drifted.
    pub drift: Drift,
}

impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Drift { moved, p_value, alarm } = self.drift;
        let (device, moved) = (&self.device, 100.0 * moved);
        write!(f, "{device}: moved by {moved:.1} % of its readings' deviation, p = {p_value:.4}")?;
        if alarm { f.write_str(": it has drifted") } else { Ok(()) }
    }
}

/// Watches the devices of a run.
pub struct Watch {
    trained: Trained,
    references: Vec<(usize, Reference)>,
    looks: u64,
}

impl Watch {
    /// Opens the run in `path` and its reference set.
    ///
    /// # Errors
    /// As [`Trained::open`], and [`Error::Usage`] where the run has no reference set.
    pub fn open(path: &Path, reopening: &Reopening) -> Result<Self, Error> {
        let trained = Trained::open(path, reopening)?;
        let repeats = trained.recipe.calibration.watch.repeats;
        let mut references = Vec::new();
        for (place, instrument) in trained.experiment.laboratory.instruments.iter().enumerate() {
            let folder = trained.folder.reference(&instrument.name);
            if folder.exists() {
                let outputs = instrument.device.interface().outputs.clone();
                references.push((place, reference(Recorded::read(&folder)?, outputs, repeats)));
            }
        }
        if references.is_empty() {
            return Err(Error::Usage(format!(
                "{} has no reference set to compare its devices with; train it again",
                path.display()
            )));
        }
        Ok(Self { trained, references, looks: 0 })
    }

    /// Plays the reference sets again and compares.
    ///
    /// # Errors
    /// Whatever a device answers.
    pub fn look(&mut self) -> Result<Vec<Look>, Error> {
        let config = &self.trained.recipe.calibration.watch;
        let stream = &format!("look {}", self.looks);
        let mut random = random::stream(self.trained.recipe.seed, stream);
        self.looks += 1;
        let instruments = &mut self.trained.experiment.laboratory.instruments;
        let looks = self.references.iter().map(|(place, reference)| {
            let instrument = &mut instruments[*place];
            let drift = reference.compare(&mut instrument.device, config, random.random())?;
            Ok(Look { device: instrument.name.clone(), drift })
        });
        looks.collect()
    }

    /// Share of the looks at an unchanged device in which an alarm is raised.
    #[must_use]
    pub fn false_alarm_rate(&self) -> f64 {
        self.trained.recipe.calibration.watch.false_alarm_rate
    }
}

/// The reference set that was played `repeats` times on a device with `outputs`.
fn reference(recorded: Recorded, outputs: Channels, repeats: usize) -> Reference {
    let drives = recorded.inputs.ncols() / repeats;
    Reference {
        outputs,
        inputs: recorded.inputs.columns(0, drives).into_owned(),
        parameters: recorded.parameters.columns(0, drives).into_owned(),
        readings: (0..repeats)
            .map(|repeat| recorded.outputs.columns(repeat * drives, drives).into_owned())
            .collect(),
    }
}
