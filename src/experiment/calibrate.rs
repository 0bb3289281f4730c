//! Twins for the devices of an experiment: measured, fitted and judged, or loaded.

use burn::tensor::Device;
use nalgebra::DMatrix;
use twinprop_calibration::fidelity::{GradientProbe, predict};
use twinprop_calibration::fit::fit_neural;
use twinprop_calibration::{ExactTwin, Fidelity, NeuralTwin, Shots};
use twinprop_devices::PhysicalLayer;

use super::build::Experiment;
use super::recipe::{CalibrationConfig, Recipe, TwinConfig};
use super::run_folder::RunFolder;
use crate::Error;
use crate::report::Progress;

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
        let (inputs, parameters) =
            config.design.draw(&interface, total, task.as_ref(), recipe.seed)?;
        let (seen, unseen) = match config.load {
            None => Shots::measure(device, inputs, parameters)?.split_last(config.test_shots),
            Some(_) => {
                let (start, count) = (config.shots, config.test_shots);
                let inputs = inputs.columns(start, count).into_owned();
                let parameters = parameters.columns(start, count).into_owned();
                let unseen = Shots::measure(device, inputs, parameters)?;
                unseen.split_last(count)
            }
        };
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
