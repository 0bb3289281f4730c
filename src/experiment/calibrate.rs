//! Twins for the devices of an experiment: measured, fitted and judged, or loaded.

use burn::tensor::Device;
use nalgebra::DMatrix;
use twinprop_calibration::fidelity::{GradientProbe, predict};
use twinprop_calibration::fit::fit_neural;
use twinprop_calibration::{ExactTwin, Fidelity, NeuralTwin, Shots};
use twinprop_devices::{Boundary, PhysicalLayer};

use super::build::Experiment;
use super::recipe::{CalibrationConfig, Recipe, TwinConfig};
use super::run_folder::RunFolder;
use crate::Error;
use crate::report::Progress;

/// Shots between two looks at the clock.
const SHOTS_A_REPORT: usize = 64;

/// What a calibration has to show for one device.
pub(super) struct Calibrated {
    /// Name of the device in the recipe.
    pub device: String,
    /// The twin's fidelity on shots it never saw.
    pub fidelity: Fidelity,
    /// Readings of those shots `[n_outputs × shots]`: measured and predicted.
    pub measured: DMatrix<f32>,
    pub predicted: DMatrix<f32>,
}

/// Gives every device of `experiment` a fitted twin, saved in `folder`.
pub(super) fn calibrate(
    experiment: &mut Experiment,
    recipe: &Recipe,
    folder: &RunFolder,
    backend: &Device,
) -> Result<Vec<Calibrated>, Error> {
    let config = &recipe.calibration;
    let mut calibrated = Vec::new();
    for (instrument, task) in experiment.laboratory.instruments.iter_mut().zip(&experiment.task) {
        let device = &mut instrument.device;
        let interface = device.interface().clone();
        // A device that the network never plays has no task; it is still calibrated by design.
        let total = config.shots + config.test_shots;
        let (mut inputs, mut parameters) =
            config.design.draw(&interface, total, task.as_ref(), recipe.seed)?;
        if config.load.is_some() {
            // The twin is there: only the shots that judge it are played.
            inputs = inputs.columns(config.shots, config.test_shots).into_owned();
            parameters = parameters.columns(config.shots, config.test_shots).into_owned();
        }
        let shots = measure(device, inputs, parameters, &instrument.name)?;
        let (seen, unseen) = shots.split_last(config.test_shots);
        let twin = match &config.load {
            None => fit(config, &interface, &seen, recipe.seed, &instrument.name, backend)?,
            Some(from) => {
                NeuralTwin::load(from, &twin_name(&instrument.name), &interface, backend)?
            }
        };
        let fidelity = Fidelity::measure(
            &twin,
            device,
            &unseen,
            GradientProbe::default(),
            recipe.seed,
            backend,
        )?;
        twin.save(folder.path(), &twin_name(&instrument.name), Some(&fidelity))?;
        let predicted = predict(&twin, &unseen.inputs, &unseen.parameters, backend);
        calibrated.push(Calibrated {
            device: instrument.name.clone(),
            fidelity,
            measured: unseen.outputs,
            predicted,
        });
        instrument.twin = Some(Box::new(twin));
    }
    Ok(calibrated)
}

/// Plays the drives of a design.
fn measure(
    device: &mut Boundary,
    inputs: DMatrix<f32>,
    parameters: DMatrix<f32>,
    name: &str,
) -> Result<Shots, Error> {
    let total = inputs.ncols();
    let mut progress = Progress::new(&format!("measure {name}"), total);
    let shots = Shots::measure(device, inputs, parameters, |done| {
        if done.is_multiple_of(SHOTS_A_REPORT) {
            progress.set(done, String::new());
        }
    })?;
    progress.finish(format!("{total} shots"));
    Ok(shots)
}

fn fit(
    config: &CalibrationConfig,
    interface: &twinprop_devices::Interface,
    shots: &Shots,
    seed: u64,
    device: &str,
    backend: &Device,
) -> Result<NeuralTwin, Error> {
    let TwinConfig::Neural(neural) = &config.twin;
    let mut progress = Progress::new(&format!("fit the twin of {device}"), config.fit.epochs);
    let (twin, history) =
        fit_neural(neural, &config.fit, interface, shots, seed, backend, |done, _| {
            progress.set(done, String::new());
        })?;
    let best = history.validation.iter().copied().fold(f32::INFINITY, f32::min);
    progress.finish(format!("validation error {best:.4} of the readings' variance"));
    Ok(twin)
}

/// File name of a device's twin.
fn twin_name(device: &str) -> String {
    format!("twin-{device}")
}

/// Gives every device of `experiment` its own equation as a twin.
pub(super) fn take_exact_twins(experiment: &mut Experiment) {
    for (instrument, equation) in
        experiment.laboratory.instruments.iter_mut().zip(experiment.exact.drain(..))
    {
        instrument.twin = Some(Box::new(ExactTwin::new(equation)));
    }
}
