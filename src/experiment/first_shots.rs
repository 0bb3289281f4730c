//! The state in which a network's training starts: parameters of a file, and scales that its first shots set.

use burn::tensor::Device;
use twinprop_calibration::bridge::to_tensor;

use super::build::{Experiment, Setup};
use super::recipe::Recipe;
use super::run_folder::load_state;
use crate::Error;
use crate::network::{ShotWatch, Source};
use crate::training::{Observer, Task};

impl Experiment {
    /// Loads the initial parameters that `recipe` names, if it names a file.
    ///
    /// # Errors
    /// [`Error::Data`] if the file is not found, or does not fit the network.
    pub(super) fn load_initial(&mut self, recipe: &Recipe, setup: &Setup) -> Result<(), Error> {
        let Some(path) = &recipe.initial_parameters else { return Ok(()) };
        let path = setup.locator().find(path)?;
        let advice = "which the network needs; name a file of a network with the same stages in `initial_parameters`, or leave it out";
        load_state(&path, &mut self.network, setup.backend, advice)?;
        self.is_initialised = true;
        Ok(())
    }

    /// Plays some training samples through the untrained network, which sets its scales and records the drives
    /// that it uses. Scales of a file of initial parameters stay. Returns the shots used. Not needed for a network with
    /// a loaded state.
    ///
    /// # Errors
    /// Any error of a device.
    pub fn play_first_shots(
        &mut self,
        seed: u64,
        backend: &Device,
        observer: &mut dyn Observer,
    ) -> Result<u64, Error> {
        let sample = self.split.first_samples(seed);
        let shots = self.shots_of(sample.len());
        let label = "first shots, through the untrained network";
        let task =
            (shots > 0).then(|| self.begin_shots(observer, label, sample.len())).transpose()?;
        let x = to_tensor(&sample.features, backend);
        let trace = match self.is_initialised {
            true => self.network.forward(x, &mut self.laboratory, Source::Measured, None)?,
            false => self.network.initialise(x, &mut self.laboratory)?,
        };
        let drives = self.network.task_drives(&trace, self.laboratory.instruments.len());
        for (instrument, drives) in self.laboratory.instruments.iter_mut().zip(drives) {
            instrument.task = drives;
        }
        if let Some(task) = task {
            task.end(&format!(
                "{shots} shots of {} samples set its scales and show the drives that it uses",
                sample.len()
            ))?;
        }
        Ok(shots)
    }

    /// Shots to play `samples` samples through the network once.
    #[must_use]
    pub fn shots_of(&self, samples: usize) -> u64 {
        (self.network.shots_a_sample() * samples) as u64
    }

    /// Begins a task `label` that plays `samples` samples through the network once.
    pub(super) fn begin_shots<'a>(
        &self,
        observer: &'a mut dyn Observer,
        label: &str,
        samples: usize,
    ) -> Result<Task<'a>, Error> {
        let total = self.shots_of(samples) as usize;
        Task::of_shots(observer, label, total, &ShotWatch::new(&self.laboratory))
    }
}
