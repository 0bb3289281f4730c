//! From a recipe to a network on its devices, ready to be calibrated.

use std::path::Path;

use burn::tensor::Device;
use nalgebra::DMatrix;
use rand::seq::SliceRandom;
use twinprop_calibration::bridge::to_tensor;
use twinprop_calibration::design::TaskDrives;
use twinprop_devices::{Boundary, Differentiable, Interface, PhysicalLayer, random};

use super::recipe::{Recipe, StageConfig};
use crate::Error;
use crate::data::{Locator, Split};
use crate::network::{Encode, Instrument, Laboratory, Network, Physical, Readout, Scale, Stage};
use crate::training::RangePenalty;

/// Training samples that set the normalisation and show what the network will ask of a device.
const INITIAL_SAMPLES: usize = 256;
/// Deviation of a normalised drive before training: two deviations fill the range.
const DRIVE_SPREAD: f32 = 0.5;

/// A network on its devices with its data.
pub struct Experiment {
    /// The data, divided.
    pub split: Split,
    /// The network.
    pub network: Network,
    /// Its devices.
    pub laboratory: Laboratory,
    /// The noiseless equation of each device, as fabricated; taken by `ideal` training.
    pub exact: Vec<Box<dyn Differentiable>>,
    /// The nominal equation of each device; taken by physics twins.
    pub nominal: Vec<Box<dyn Differentiable>>,
    /// What the network asks of each device before it is trained.
    pub task: Vec<Option<TaskDrives>>,
}

/// Loads the data, fabricates the devices, builds the network and sets its normalisation by a
/// first measurement.
///
/// # Errors
/// [`Error::Data`] and [`Error::Usage`] where data and network do not fit, [`Error::Device`]
/// where a device cannot be built or does not answer.
pub fn prepare(
    recipe: &Recipe,
    recipe_folder: &Path,
    data_dir: Option<&Path>,
    backend: &Device,
) -> Result<Experiment, Error> {
    let split = recipe.data.load(&Locator::new(recipe_folder, data_dir), recipe.seed)?;
    let mut laboratory = Laboratory::default();
    let (mut exact, mut nominal) = (Vec::new(), Vec::new());
    for (place, (name, config)) in recipe.devices.iter().enumerate() {
        // Each device its own copy of the factory's and the noise's randomness.
        let simulated = config.fabricate(recipe.seed.wrapping_add((place as u64) << 32))?;
        exact.push(simulated.exact);
        nominal.push(simulated.nominal);
        laboratory.instruments.push(Instrument {
            name: name.clone(),
            device: Boundary::new(simulated.device),
            twin: None,
        });
    }
    let mut network = build_network(recipe, &split, &laboratory, backend)?;

    let mut sample: Vec<usize> = (0..split.train.len()).collect();
    sample.shuffle(&mut random::stream(recipe.seed, "initial samples"));
    sample.truncate(INITIAL_SAMPLES);
    let x = to_tensor(&split.train.choose(&sample).features, backend);
    let trace = network.initialise(x, &mut laboratory)?;
    let mut task: Vec<Option<TaskDrives>> = laboratory.instruments.iter().map(|_| None).collect();
    for (stage, x) in network.stages.iter().zip(&trace.inputs) {
        if let Some((instrument, drives)) = stage.task_drives(x) {
            task[instrument] = Some(match task[instrument].take() {
                None => drives,
                Some(before) => join(&before, &drives),
            });
        }
    }
    Ok(Experiment { split, network, laboratory, exact, nominal, task })
}

fn join(left: &TaskDrives, right: &TaskDrives) -> TaskDrives {
    let beside = |left: &DMatrix<f32>, right: &DMatrix<f32>| {
        let columns: Vec<_> = left.column_iter().chain(right.column_iter()).collect();
        DMatrix::from_columns(&columns)
    };
    TaskDrives {
        inputs: beside(&left.inputs, &right.inputs),
        parameters: beside(&left.parameters, &right.parameters),
    }
}

fn build_network(
    recipe: &Recipe,
    split: &Split,
    laboratory: &Laboratory,
    backend: &Device,
) -> Result<Network, Error> {
    let interface_of = |name: &str| -> (usize, &Interface) {
        let place = recipe.devices.keys().position(|key| key == name);
        let place = place.expect("a recipe's device names are checked when it is read");
        (place, laboratory.instruments[place].device.interface())
    };
    // Width that the stage after `stage` wants, where a physical stage says so.
    let wanted_after = |stage: usize| -> Option<usize> {
        recipe.network[stage + 1..].iter().find_map(|next| match next {
            StageConfig::Physical(config) => {
                let (_, interface) = interface_of(config.device.get_ref());
                Some(Some(config.shots * interface.inputs.len()))
            }
            StageConfig::Readout => Some(None),
            StageConfig::Scale | StageConfig::Encode => None,
        })?
    };
    let features = split.train.features.nrows();
    let classes = split.classes.len();
    let mut stages: Vec<Box<dyn Stage>> = Vec::with_capacity(recipe.network.len());
    let mut width = features;
    let mut normalised = false;
    for (index, config) in recipe.network.iter().enumerate() {
        let wanted = wanted_after(index).unwrap_or(width);
        match config {
            StageConfig::Encode => {
                if wanted < features {
                    return Err(Error::Usage(format!(
                        "the data have {features} features and the first physical layer only {wanted} input channels; raise its shots or the device's inputs"
                    )));
                }
                let (minimum, maximum) = split.train.extremes();
                stages.push(Box::new(Encode::new(&minimum, &maximum, wanted, backend)));
                width = wanted;
                normalised = true;
            }
            StageConfig::Scale => {
                let spread = if wanted_after(index).is_some() { DRIVE_SPREAD } else { 1.0 };
                let spread = (!normalised).then_some(spread);
                stages.push(Box::new(Scale::new(width, wanted, spread, backend)));
                width = wanted;
                normalised = true;
            }
            StageConfig::Physical(config) => {
                let (place, interface) = interface_of(config.device.get_ref());
                let drives = config.shots * interface.inputs.len();
                if width != drives {
                    return Err(Error::Usage(format!(
                        "stage {index} of `network` has {width} values for the {drives} input channels of its {} shots; put \"scale\" before it",
                        config.shots
                    )));
                }
                let penalty = RangePenalty { strength: recipe.training.range_penalty };
                let seed = (recipe.seed, index);
                stages.push(Box::new(Physical::new(
                    place,
                    interface,
                    config.shots,
                    config.start,
                    penalty,
                    seed,
                    backend,
                )));
                width = config.shots * interface.outputs.len();
                normalised = false;
            }
            StageConfig::Readout => {
                if width < classes {
                    return Err(Error::Usage(format!(
                        "the last physical layer has {width} output channels for {classes} classes; raise its shots or the device's outputs"
                    )));
                }
                stages.push(Box::new(Readout::new(classes, width, backend)));
            }
        }
    }
    Ok(Network { stages })
}
