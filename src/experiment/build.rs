//! Builds a recipe's network on its devices, ready for calibration.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use twinprop_calibration::tensors::TensorDevice;
use twinprop_calibration::{DigitalTwin, TwinConfig};
use twinprop_devices::recording::{Recorder, Recording};
use twinprop_devices::rig::{self, Opened, RigOptions, ServedTwin};
use twinprop_devices::{Differentiable, Interface, PhysicalLayer, SimulatedDevice, Usage};

use super::assemble::assemble;
use super::recipe::{Recipe, RigConfig};
use super::renamed::Renamed;
use super::run_folder::Usages;
use super::served::Served;
use super::trained_on::{ChangedPart, TrainedOn, adopt, refuse};
use super::unopened::UnopenedDevice;
use crate::Error;
use crate::data::{Locator, SourceConfig, Split};
use crate::loss::{Loss, LossConfig};
use crate::network::{Instrument, Laboratory, Network};
use crate::training::{Observer, Task, warn};

/// A network with its devices and its data.
pub struct Experiment {
    /// Training and test data.
    pub split: Split,
    /// Loss between outputs and targets.
    pub loss: Box<dyn Loss>,
    /// The network.
    pub network: Network,
    /// Its devices.
    pub laboratory: Laboratory,
    /// Recordings of the devices' shots.
    pub recordings: Vec<Recording>,
    /// Description of the data and devices.
    pub trained_on: TrainedOn,
    /// Differences from the data and devices of the reopened run that were allowed, one sentence each.
    pub changes: Vec<String>,
    /// Whether the network has the initial parameters of a file, which its first shots leave as they are.
    pub(super) is_initialised: bool,
}

/// Which of an experiment's data and devices are available.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtHand {
    /// Data and devices.
    #[default]
    Everything,
    /// Devices only. The run's description of its data takes the place of the data.
    Devices,
    /// Neither data nor real devices. The run's descriptions take the place of both.
    Nothing,
}

/// Files, devices and backend with which an experiment is prepared.
#[derive(Clone, Copy)]
pub struct Setup<'a> {
    /// Folder to which paths of data files are relative.
    pub folder: &'a Path,
    /// Further folder in which data files are searched for.
    pub data_dir: Option<&'a Path>,
    /// Folder for optional recordings of the shots, one subfolder per device.
    pub record: Option<&'a Path>,
    /// Usage of the simulated devices so far; `None` for new devices.
    pub usages: Option<&'a Usages>,
    /// Description of the reopened run's data and devices, to compare with.
    pub trained_on: Option<&'a TrainedOn>,
    /// Whether data and devices may differ from it.
    pub allow_changed_data: bool,
    /// Available data and devices.
    pub at_hand: AtHand,
    /// Backend of the tensors.
    pub backend: &'a Device,
}

impl<'a> Setup<'a> {
    /// Paths relative to `folder`, new devices, no recording.
    #[must_use]
    pub fn new(folder: &'a Path, backend: &'a Device) -> Self {
        Self {
            folder,
            data_dir: None,
            record: None,
            usages: None,
            trained_on: None,
            allow_changed_data: false,
            at_hand: AtHand::Everything,
            backend,
        }
    }

    /// Known channels of the device `name`, if real devices are not opened.
    fn unopened(&self, name: &str) -> Option<&'a Interface> {
        let nothing = self.at_hand == AtHand::Nothing;
        self.trained_on.filter(|_| nothing)?.devices.get(name)
    }

    /// Finds the files of the data and devices.
    pub(super) fn locator(&self) -> Locator {
        match self.trained_on {
            Some(_) => Locator::of_run(self.folder, self.data_dir),
            None => Locator::new(self.folder, self.data_dir),
        }
    }

    /// Reads the data of `recipe`. Returns them with their description and the changes since the training.
    ///
    /// # Errors
    /// [`Error::Data`] if they cannot be read, [`Error::Usage`] if they differ from the training's.
    pub(super) fn data(
        &self,
        recipe: &Recipe,
        given: Option<Split>,
        observer: &mut dyn Observer,
    ) -> Result<(Split, TrainedOn, Vec<String>), Error> {
        let before = match (self.trained_on, self.at_hand) {
            (Some(before), AtHand::Devices | AtHand::Nothing) => {
                return Ok((before.stand_in(), before.clone(), Vec::new()));
            }
            (before, _) => before,
        };
        let task = Task::of_unknown_size(observer, "read the data")?;
        let locator = self.locator();
        let split = match (&recipe.data.source, given) {
            (SourceConfig::Given, Some(given)) => given,
            _ => recipe.data.load(&locator, recipe.seed)?,
        };
        let (split, mut changes) = match before {
            Some(before) => adopt(split, before, &self.folder.display().to_string())?,
            None => (split, Vec::new()),
        };
        let mut now = TrainedOn::of(recipe, &split, &locator)?;
        task.end_quietly()?;
        warn(observer, &split.warnings)?;
        if let Some(before) = before {
            changes.extend(before.data_changes(&now));
            refuse(self.folder, &changes, ChangedPart::Data, self.allow_changed_data, observer)?;
            now.keep_encoder_of(before);
        }
        Ok((split, now, changes))
    }
}

/// Data and devices that the calling program passes, instead of a recipe's files and rigs.
///
/// A recipe refers to them with `source = "given"` in `[data]`, `loss = "given"` in `[training]`, and `given = true` and
/// `twin = "given"` in a device's table. A twin of another kind can be passed as well, one that was fitted before.
#[derive(Default)]
pub struct Given {
    /// The samples.
    pub data: Option<Split>,
    /// The devices by their names in the recipe.
    pub devices: BTreeMap<String, Box<dyn PhysicalLayer>>,
    /// Twins by the names of their devices. Such a twin is judged, and is not fitted.
    pub twins: BTreeMap<String, Arc<dyn DigitalTwin>>,
    /// Twins that the passed devices serve, by their names: for a recipe that asks for a served twin.
    pub served: BTreeMap<String, ServedTwin>,
    /// The loss.
    pub loss: Option<Box<dyn Loss>>,
}

impl Given {
    /// Refuses what `recipe` does not ask for.
    fn refuse_unknown(&self, recipe: &Recipe) -> Result<(), Error> {
        if self.data.is_some() && !matches!(recipe.data.source, SourceConfig::Given) {
            return Err(Error::Usage(
                "the calling program passed samples, but the recipe has samples of its own; leave them out, or set `source = \"given\"` in [data]".to_owned(),
            ));
        }
        if self.loss.is_some() && recipe.training.loss != Some(LossConfig::Given) {
            return Err(Error::Usage(
                "the calling program passed a loss, but the recipe has a loss of its own; leave it out, or set `loss = \"given\"` in [training]".to_owned(),
            ));
        }
        let is_given = |name: &str| recipe.devices.get(name).is_some_and(|device| device.given);
        if let Some(name) = self.devices.keys().find(|name| !is_given(name)) {
            return Err(Error::Usage(format!(
                "the calling program passed the device `{name}`, but the recipe has no such device with `given = true`"
            )));
        }
        if let Some(name) = self.twins.keys().find(|name| !recipe.devices.contains_key(*name)) {
            return Err(Error::Usage(format!(
                "the calling program passed a twin for `{name}`, but the recipe has no such device"
            )));
        }
        Ok(())
    }
}

/// Does what [`open`] does, and sets the network's normalisation by a first measurement
/// ([`play_first_shots`](Experiment::play_first_shots)).
///
/// # Errors
/// As [`open`], and any error of a device.
pub fn prepare(
    recipe: &Recipe,
    setup: &Setup,
    given: Given,
    observer: &mut dyn Observer,
) -> Result<Experiment, Error> {
    let mut experiment = open(recipe, setup, given, observer)?;
    experiment.load_initial(recipe, setup)?;
    experiment.play_first_shots(recipe.seed, setup.backend, observer)?;
    Ok(experiment)
}

/// Loads the data, opens or fabricates the devices and builds the network. Plays no shot.
///
/// # Errors
/// [`Error::Data`] and [`Error::Usage`] if data and network do not fit, [`Error::Device`] if a device cannot be
/// built or does not answer.
pub fn open(
    recipe: &Recipe,
    setup: &Setup,
    mut given: Given,
    observer: &mut dyn Observer,
) -> Result<Experiment, Error> {
    given.refuse_unknown(recipe)?;
    let (split, mut trained_on, mut changes) = setup.data(recipe, given.data, observer)?;
    let Setup { folder, record, usages, backend, .. } = *setup;
    let mut laboratory = Laboratory::default();
    let mut recordings = Vec::new();
    let locator = setup.locator();
    for (number, (name, entry)) in recipe.devices.iter().enumerate() {
        let mut entry = entry.clone();
        entry.make_absolute(&locator)?;
        let entry = &entry;
        let simulated = entry.simulated();
        let seed = recipe.device_seed_of(number);
        let simulated = simulated.map(|config| config.fabricate(seed)).transpose()?;
        let is_served = matches!(recipe.twin_of(entry), TwinConfig::Served(_));
        // A twin that the rig serves needs the rig.
        let unopened = setup.unopened(name).filter(|_| !is_served);
        let mut links = Vec::new();
        let mut served = given.served.remove(name);
        let design = |simulated: Option<SimulatedDevice>| simulated.map(|one| one.nominal);
        let (mut device, exact, nominal) = match (&entry.rig, simulated) {
            (rig, simulated)
                if entry.given && (rig.is_none() || given.devices.contains_key(name)) =>
            {
                let layer: Box<dyn PhysicalLayer> = match unopened {
                    Some(interface) => Box::new(UnopenedDevice { interface: interface.clone() }),
                    None => given.devices.remove(name).ok_or_else(|| {
                        Error::Usage(format!(
                            "device `{name}` has `given = true`, but the calling program passed no such device; pass it in `Given::devices`"
                        ))
                    })?,
                };
                // A function of the program may have another name than the one that it was trained on.
                let before = setup.trained_on.and_then(|before| before.devices.get(name));
                let layer = match before {
                    Some(before) => Box::new(Renamed::new(layer, &before.device)),
                    None => layer,
                };
                (layer, None, design(simulated))
            }
            (Some(config), simulated) => {
                let design = design(simulated);
                let layer = match unopened {
                    Some(interface) => Box::new(UnopenedDevice { interface: interface.clone() }),
                    None => {
                        let task = Task::of_unknown_size(observer, &format!("open {name}"))?;
                        let Opened { layer, monitors, twin } =
                            open_rig(config, name, design.as_deref())?;
                        task.end_quietly()?;
                        links = monitors;
                        served = twin;
                        layer
                    }
                };
                (layer, None, design)
            }
            (None, Some(SimulatedDevice { device, exact, nominal })) => {
                (device, Some(recipe.twin_of(entry).exact(exact)), Some(nominal))
            }
            (None, None) => unreachable!("a recipe's devices are checked when it is read"),
        };
        let mut tensors = match (&exact, entry.simulated()) {
            (Some(equation), Some(config)) => {
                TensorDevice::new(&**equation, &config.imperfections, seed, backend)
            }
            _ => None,
        };
        if let Some(tensors) = &tensors {
            device = Box::new(tensors.clone());
        }
        if record.is_some() {
            // The recorder gets all shots as matrices.
            tensors = None;
        }
        if let Some(folder) = record {
            let recorder = Recorder::new(device, &folder.join(name))?;
            recordings.push(recorder.recording());
            device = Box::new(recorder);
        }
        // A device of the calling program that was used since is as it is.
        let is_past = |usage: &Usage| entry.given && device.usage().shots > usage.shots;
        let usage = usages.and_then(|usages| usages.get(name));
        if let Some(usage) = usage.filter(|usage| !is_past(usage)) {
            device.resume(usage);
        }
        let instrument = Instrument::new(name, device);
        let is_recording = entry.rig.is_some() && links.is_empty();
        let twin = match (given.twins.remove(name), served) {
            (Some(twin), _) => Some(twin),
            (None, _) if !is_served => None,
            (None, Some(served)) => Some(Arc::new(Served::twin(served)) as Arc<dyn DigitalTwin>),
            (None, None) => {
                return Err(Error::Usage(format!(
                    "the twin of `{name}` is `served`, but the device serves none; give its script a twin (`@measure.twin`), or choose another kind in {}",
                    recipe.twin_key(name)
                )));
            }
        };
        if let Some(twin) = &twin
            && let Some((of_twin, of_device)) =
                twin.interface().difference(instrument.device.interface())
        {
            return Err(Error::Usage(format!(
                "the twin that was passed for `{name}` belongs to another device: it has {of_twin}, and `{name}` has {of_device}; calibrate a twin of this device"
            )));
        }
        let instrument =
            Instrument { tensors, twin, exact, nominal, links, is_recording, ..instrument };
        laboratory.add(instrument);
    }
    trained_on.note_devices(&laboratory);
    let network = match setup.trained_on {
        None => assemble(recipe, &split, &laboratory, backend)?,
        Some(before) => {
            let of_devices = before.device_changes(&trained_on);
            refuse(folder, &of_devices, ChangedPart::Device, setup.allow_changed_data, observer)?;
            changes.extend(of_devices);
            // The constants of the network come from the training data, even if the data have changed.
            assemble(recipe, &before.stand_in(), &laboratory, backend)?
        }
    };
    let before = setup.trained_on.map_or(&[][..], |before| &before.changed);
    trained_on.allow(before);
    trained_on.allow(&changes);
    let loss = match (&recipe.training.loss, given.loss) {
        (Some(LossConfig::Given), Some(loss)) => {
            loss.check(&split.train.targets).map_err(Error::Usage)?;
            loss
        }
        // Answers need no loss.
        (Some(LossConfig::Given), None) if setup.at_hand != AtHand::Everything => {
            let targets = &split.train.targets;
            let loss = LossConfig::default_for(targets).start(targets, &split.classes);
            loss.map_err(Error::Usage)?
        }
        _ => recipe.training.loss(&split)?,
    };
    let is_initialised = false;
    Ok(Experiment {
        split,
        loss,
        network,
        laboratory,
        recordings,
        trained_on,
        changes,
        is_initialised,
    })
}

/// Opens a real device, and refuses one that differs from the recipe's model of it.
fn open_rig(
    config: &RigConfig,
    name: &str,
    design: Option<&dyn Differentiable>,
) -> Result<Opened, Error> {
    let targets = &config.target.0;
    let options = RigOptions { encoding: config.encoding, retries: config.retries };
    let opened = rig::open(targets, options)?;
    let interface = opened.layer.interface();
    let difference = design.and_then(|design| interface.difference(design.interface()));
    if let Some((rig, model)) = difference {
        return Err(Error::Usage(format!(
            "{}: this device is not `{name}` of the recipe: it has {rig}, but the recipe's model has {model}; name the right device, or correct the model",
            targets[0]
        )));
    }
    Ok(opened)
}
