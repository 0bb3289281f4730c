//! Twins for the devices of an experiment: measured, fitted and judged, or loaded.

use std::collections::BTreeMap;

use burn::tensor::Device;
use nalgebra::DMatrix;
use twinprop_calibration::fidelity::{GradientProbe, predict};
use twinprop_calibration::fit::fit_neural;
use twinprop_calibration::identify::identify;
use twinprop_calibration::{
    DigitalTwin, EquationTwin, Fidelity, IdentifyConfig, NeuralTwin, NeuralTwinConfig, Shots,
};
use twinprop_devices::{Boundary, Differentiable, Interface, PhysicalLayer};

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

/// Gives every device of `experiment` the twin that its recipe asks for; one that was fitted is
/// saved in `folder`.
pub(super) fn calibrate(
    experiment: &mut Experiment,
    recipe: &Recipe,
    folder: &RunFolder,
    backend: &Device,
) -> Result<Vec<Calibrated>, Error> {
    let config = &recipe.calibration;
    let mut calibrated = Vec::new();
    let instruments = experiment.laboratory.instruments.iter_mut();
    for ((instrument, task), nominal) in
        instruments.zip(&experiment.task).zip(experiment.nominal.drain(..))
    {
        let device = &mut instrument.device;
        let interface = device.interface().clone();
        // A device that the network never plays has no task; it is still calibrated by design.
        let total = match config.twin {
            TwinConfig::Neural(_) | TwinConfig::LearnedPhysics(_) => {
                config.shots + config.test_shots
            }
            TwinConfig::Physics => config.test_shots,
        };
        let (mut inputs, mut parameters) =
            config.design.draw(&interface, total, task.as_ref(), recipe.seed)?;
        if let TwinConfig::LearnedPhysics(identify) = &config.twin {
            identify.share_settings(&mut parameters);
        }
        if config.load.is_some() {
            // The twin is there: only the shots that judge it are played.
            let first = total - config.test_shots;
            inputs = inputs.columns(first, config.test_shots).into_owned();
            parameters = parameters.columns(first, config.test_shots).into_owned();
        }
        let shots = measure(device, inputs, parameters, &instrument.name)?;
        let (seen, unseen) = shots.split_last(config.test_shots);
        let name = twin_name(&instrument.name);
        let equation = || nominal.expect("a recipe with physics twins has a model of every device");
        let mut fitted = None;
        let twin: Box<dyn DigitalTwin> = match (&config.twin, &config.load) {
            (TwinConfig::Physics, _) => Box::new(EquationTwin::new(equation())),
            (TwinConfig::LearnedPhysics(identify), _) => {
                let mut equation = equation();
                learn_constants(&mut *equation, identify, &seen, recipe.seed, &instrument.name)?;
                folder.write_json(&format!("{name}.constants.json"), &named(&*equation))?;
                Box::new(EquationTwin::new(equation))
            }
            (TwinConfig::Neural(_), Some(from)) => {
                let neural = NeuralTwin::load(from, &name, &interface, backend)?;
                Box::new(fitted.insert(neural).clone())
            }
            (TwinConfig::Neural(neural), None) => {
                let progress = Progress::new(
                    &format!("fit the twin of {}", instrument.name),
                    config.fit.epochs,
                );
                let neural =
                    fit(neural, config, &interface, &seen, recipe.seed, progress, backend)?;
                Box::new(fitted.insert(neural).clone())
            }
        };
        let fidelity = Fidelity::measure(
            &*twin,
            device,
            &unseen,
            GradientProbe::default(),
            recipe.seed,
            backend,
        )?;
        if let Some(neural) = fitted {
            neural.save(folder.path(), &name, Some(&fidelity))?;
        }
        let predicted = predict(&*twin, &unseen.inputs, &unseen.parameters, backend);
        calibrated.push(Calibrated {
            device: instrument.name.clone(),
            fidelity,
            measured: unseen.outputs,
            predicted,
        });
        instrument.twin = Some(twin);
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

/// Learns the constants of a device's equation.
fn learn_constants(
    equation: &mut dyn Differentiable,
    config: &IdentifyConfig,
    shots: &Shots,
    seed: u64,
    name: &str,
) -> Result<(), Error> {
    let mut progress = Progress::new(&format!("learn the constants of {name}"), config.epochs);
    let history = identify(equation, config, shots, seed, |done, _| {
        progress.set(done, String::new());
    })?;
    let last = history.last().copied().unwrap_or(f32::NAN);
    progress.finish(format!("error {last:.4} of the readings' variance"));
    Ok(())
}

/// An equation's constants by name.
fn named(equation: &dyn Differentiable) -> BTreeMap<String, f32> {
    equation.constants().into_iter().map(|constant| (constant.name, constant.value)).collect()
}

fn fit(
    neural: &NeuralTwinConfig,
    config: &CalibrationConfig,
    interface: &Interface,
    shots: &Shots,
    seed: u64,
    mut progress: Progress,
    backend: &Device,
) -> Result<NeuralTwin, Error> {
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
///
/// # Errors
/// [`Error::Usage`] for a real device, whose equation nobody knows.
pub(super) fn take_exact_twins(experiment: &mut Experiment) -> Result<(), Error> {
    for (instrument, equation) in
        experiment.laboratory.instruments.iter_mut().zip(experiment.exact.drain(..))
    {
        let equation = equation.ok_or_else(|| {
            Error::Usage(format!(
                "`{}` is a real device, and ideal training needs the equation that it obeys; train by pat or in-silico",
                instrument.name
            ))
        })?;
        instrument.twin = Some(Box::new(EquationTwin::new(equation)));
    }
    Ok(())
}
