//! A trained run, reopened: its network, devices and twins.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use twinprop_calibration::store::{has_constants, load_constants};
use twinprop_devices::Differentiable;

use super::build::{AtHand, Experiment, Given, Setup, open};
use super::recipe::Recipe;
use super::reference::ReferenceSet;
use super::run_folder::{RunFolder, Usages};
use super::trained_on::TrainedOn;
use super::twins::{file_name, load_twins, save_twins};
use crate::data::Split;
use crate::network::{Laboratory, Network};
use crate::training::Observer;
use crate::{Backend, Error};

/// Options to reopen a trained run.
#[derive(Clone, Debug, Default)]
pub struct Reopening {
    /// Backend of the tensors.
    pub backend: Backend,
    /// Real devices instead of the run's, each `TARGET` or `NAME=TARGET`.
    pub devices: Vec<String>,
    /// Further folder in which data files are searched for.
    pub data_dir: Option<PathBuf>,
    /// Folder for recordings of the devices' shots; `None` records nothing.
    pub record: Option<PathBuf>,
    /// Seed of another copy of the simulated devices; `None` for the run's own devices.
    pub copy: Option<u64>,
    /// Whether the passed devices are other copies, which have not aged with the run.
    pub other_devices: bool,
    /// Whether data and devices may differ from the training's.
    pub allow_changed_data: bool,
}

/// A trained network with its devices.
pub struct Trained {
    /// The run's recipe.
    pub recipe: Recipe,
    /// The run's folder.
    pub folder: RunFolder,
    /// The network with its devices; simulated devices continue from the end of the run.
    pub experiment: Experiment,
    /// Backend of the tensors.
    pub backend: Device,
}

impl Trained {
    /// Opens the run in `path`. Plays no shot.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is no run, or its data or devices have changed; and any error of a device.
    pub fn open(
        path: &Path,
        reopening: &Reopening,
        observer: &mut dyn Observer,
    ) -> Result<Self, Error> {
        Self::open_given(path, reopening, Given::default(), observer)
    }

    /// Opens the run with data and devices of the calling program.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_given(
        path: &Path,
        reopening: &Reopening,
        given: Given,
        observer: &mut dyn Observer,
    ) -> Result<Self, Error> {
        Self::open_with(path, reopening, AtHand::Everything, given, observer)
    }

    /// Opens the run with the data and devices that are `at_hand`.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(
        path: &Path,
        reopening: &Reopening,
        at_hand: AtHand,
        given: Given,
        observer: &mut dyn Observer,
    ) -> Result<Self, Error> {
        let folder = RunFolder::open(path)?;
        let mut recipe = Recipe::read(&path.join(RunFolder::RECIPE), &[])?;
        recipe.take_rigs(&reopening.devices)?;
        recipe.device_seed = reopening.copy.or(recipe.device_seed);
        let backend = reopening.backend.device()?;
        let usages = match reopening.copy.is_some() || reopening.other_devices {
            true => Usages::new(),
            false => folder.usages()?,
        };
        let trained_on = TrainedOn::of_run(&folder, observer)?;
        let setup = Setup {
            trained_on: trained_on.as_ref(),
            allow_changed_data: reopening.allow_changed_data,
            at_hand,
            data_dir: reopening.data_dir.as_deref(),
            record: reopening.record.as_deref(),
            usages: Some(&usages),
            ..Setup::new(path, &backend)
        };
        let mut experiment = open(&recipe, &setup, given, observer)?;
        folder.load_network(&mut experiment.network, &backend)?;
        Ok(Self { recipe, folder, experiment, backend })
    }

    /// Loads the twins that the run fitted or refined.
    ///
    /// # Errors
    /// [`Error::Calibration`] if they are missing, as after `ideal` training.
    pub fn load_twins(&mut self) -> Result<(), Error> {
        let Self { recipe, folder, experiment, backend } = self;
        load_twins(experiment, recipe, folder.path(), backend)
    }

    /// Gives `equation`, that of the device called `name`, the constants that the run has learned. Returns whether it has
    /// learned any; otherwise `equation` stays as it is.
    ///
    /// # Errors
    /// [`Error::Calibration`] for a file that is damaged or of another device.
    pub fn learned_constants(
        &self,
        name: &str,
        equation: &mut dyn Differentiable,
    ) -> Result<bool, Error> {
        let (folder, file) = (self.folder.path(), file_name(name));
        let is_learned = has_constants(folder, &file);
        if is_learned {
            load_constants(equation, folder, &file)?;
        }
        Ok(is_learned)
    }

    /// Saves the network, its twins and a new reference set in `folder`, as a run.
    pub(super) fn save(
        &mut self,
        folder: &RunFolder,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let Self { recipe, experiment, backend, .. } = self;
        let Experiment { network, laboratory, split, trained_on, .. } = experiment;
        folder.save_network(network)?;
        trained_on.write(folder)?;
        save_twins(laboratory, folder.path())?;
        ReferenceSet { config: &recipe.calibration.watch, seed: recipe.seed, backend }
            .save(network, laboratory, split, folder, observer)?;
        folder.save_usages(laboratory)
    }

    /// The network, the devices and the data.
    pub fn parts(&mut self) -> (&mut Network, &mut Laboratory, &Split) {
        let Experiment { network, laboratory, split, .. } = &mut self.experiment;
        (network, laboratory, split)
    }
}
