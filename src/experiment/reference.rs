//! Reference readings of a run's devices at its end, for later drift checks.

use burn::tensor::Device;
use twinprop_calibration::bridge::to_tensor;
use twinprop_calibration::design::{DesignConfig, TaskLikeConfig};
use twinprop_calibration::{Reference, WatchConfig};
use twinprop_devices::Shots;
use twinprop_devices::recording::Recorder;
use twinprop_devices::{Channels, PhysicalLayer};

use super::run_folder::RunFolder;
use crate::Error;
use crate::data::Split;
use crate::network::{Laboratory, Network, Source};
use crate::training::{Observer, Task};

/// Training samples that give the drives of a reference set.
const SAMPLES: usize = 64;

/// Settings of a reference set.
pub(super) struct ReferenceSet<'a> {
    pub config: &'a WatchConfig,
    pub seed: u64,
    pub backend: &'a Device,
}

impl ReferenceSet<'_> {
    /// Plays a reference set on every device of `network`, with drives of the task, and saves it in `folder`.
    pub fn save(
        &self,
        network: &Network,
        laboratory: &mut Laboratory,
        split: &Split,
        folder: &RunFolder,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let progress = Task::of_unknown_size(observer, "play the reference set")?;
        let samples: Vec<usize> = (0..split.train.len().min(SAMPLES)).collect();
        let x = to_tensor(&split.train.choose(&samples).features, self.backend);
        let trace = network.forward(x, laboratory, Source::Measured, None)?;
        let task = network.task_drives(&trace, laboratory.instruments.len());
        for (instrument, task) in laboratory.instruments.iter_mut().zip(task) {
            let Some(task) = task else { continue };
            let (inputs, parameters) = DesignConfig::TaskLike(TaskLikeConfig::EXACT).draw(
                instrument.device.interface(),
                self.config.drives,
                Some(&task),
                self.seed,
            )?;
            let mut recorder =
                Recorder::new(&mut instrument.device, &folder.reference(&instrument.name))?;
            Reference::measure(&mut recorder, inputs, parameters, self.config.repeats)?;
            recorder.recording().finish()?;
        }
        progress.end_quietly()
    }
}

/// The reference set from a recording of `repeats` plays on a device with `outputs`.
pub(super) fn read_reference(recorded: Shots, outputs: Channels, repeats: usize) -> Reference {
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
