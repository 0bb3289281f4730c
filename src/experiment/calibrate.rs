//! Twins for the devices of an experiment: measured, fitted and judged, or loaded.

use std::path::Path;

use burn::tensor::Device;
use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};
use twinprop_calibration::design::share_settings;
use twinprop_calibration::fidelity::predict;
use twinprop_calibration::{EquationTwin, Fidelity, Shots};
use twinprop_devices::recording::{Recorded, Recorder};
use twinprop_devices::{Boundary, Channels, PhysicalLayer};

use super::build::Experiment;
use super::recipe::Recipe;
use super::run_folder::RunFolder;
use super::twins::{Subject, file_name};
use crate::Error;
use crate::report::{Progress, TwinSection};

/// Shots between two looks at the clock.
const SHOTS_A_REPORT: usize = 64;
/// A calibration that is cut off loses the shots of so many seconds at most.
const SECONDS_AT_STAKE: f64 = 1.0;

/// What a calibration has to show for one device.
pub struct Calibrated {
    /// Name of the device in the recipe.
    pub device: String,
    /// What is kept of it.
    pub summary: TwinSummary,
    /// Measured readings of the shots that it never saw, `[n_outputs × shots]`.
    pub measured: DMatrix<f32>,
    /// Its own readings of them.
    pub predicted: DMatrix<f32>,
    /// The device's output channels.
    pub outputs: Channels,
}

/// What a twin was made of, and what it is worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TwinSummary {
    /// Shots that it was fitted to.
    pub shots: usize,
    /// Further shots that it was judged by.
    pub test_shots: usize,
    /// How far to trust it.
    pub fidelity: Fidelity,
}

impl Calibrated {
    /// Its part of a report.
    #[must_use]
    pub fn section(&self) -> TwinSection<'_> {
        TwinSection {
            device: &self.device,
            fidelity: &self.summary.fidelity,
            measured: &self.measured,
            predicted: &self.predicted,
            outputs: &self.outputs,
        }
    }
}

/// Gives every device of `experiment` the twin that its recipe asks for. What was measured and fitted
/// is saved in `folder`; shots that are there already are not played again.
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
        let fitted_to = if config.twin.is_fitted() { config.shots_on(&interface)? } else { 0 };
        let total = fitted_to + config.test_shots;
        // A device that the network never plays has no task; it is still calibrated by design.
        let (mut inputs, mut parameters) =
            config.design.draw(&interface, total, task.as_ref(), recipe.seed)?;
        if let Some(identify) = config.twin.identify() {
            share_settings(&mut parameters, identify.shots_per_setting);
        }
        if config.load.is_some() {
            // The twin is there: only the shots that judge it are played.
            inputs = inputs.columns(fitted_to, config.test_shots).into_owned();
            parameters = parameters.columns(fitted_to, config.test_shots).into_owned();
        }
        let name = &instrument.name;
        let subject = Subject { name, interface: &interface, nominal, seed: recipe.seed, backend };
        let take = |device: &mut Boundary| -> Result<(Shots, Shots), Error> {
            let shots = measure(device, inputs, parameters, name, &folder.shots(name))?;
            Ok(shots.split_last(config.test_shots))
        };
        // A twin that cannot be loaded is known before the first shot.
        let (twin, (seen, unseen)) = match &config.load {
            Some(from) => (subject.load(config, from)?, take(device)?),
            None => {
                let shots = take(device)?;
                (subject.fit(config, &shots.0)?, shots)
            }
        };
        twin.save(folder.path(), &file_name(&instrument.name))?;
        let mut progress = Progress::in_shares(&format!("judge the twin of {name}"));
        let fidelity = Fidelity::measure(
            &*twin,
            device,
            &unseen,
            &config.fidelity,
            recipe.seed,
            backend,
            |share| progress.set_share(share, String::new()),
        )?;
        progress.finish(format!("gradient cosine {:.3}", fidelity.gradient.cosine));
        let predicted = predict(&*twin, &unseen.inputs, &unseen.parameters, backend);
        calibrated.push(Calibrated {
            device: instrument.name.clone(),
            summary: TwinSummary { shots: seen.len(), test_shots: unseen.len(), fidelity },
            measured: unseen.outputs,
            predicted,
            outputs: interface.outputs,
        });
        instrument.twin = Some(twin);
    }
    Ok(calibrated)
}

/// Plays the drives of a design and writes them down in `place`, where some may be already.
fn measure(
    device: &mut Boundary,
    inputs: DMatrix<f32>,
    parameters: DMatrix<f32>,
    name: &str,
    place: &Path,
) -> Result<Shots, Error> {
    let total = inputs.ncols();
    let (recorder, done) = if place.exists() {
        (Recorder::resume(device, place)?, Recorded::read(place)?)
    } else {
        let none = |channels: usize| DMatrix::zeros(channels, 0);
        let (inputs, parameters) = (none(inputs.nrows()), none(parameters.nrows()));
        let outputs = none(device.interface().outputs.len());
        (Recorder::new(device, place)?, Recorded { inputs, parameters, outputs })
    };
    let mut recorder = recorder.with_patience(SECONDS_AT_STAKE);
    let there = done.inputs.ncols();
    if there > total
        || done.inputs != inputs.columns(0, there)
        || done.parameters != parameters.columns(0, there)
    {
        return Err(Error::Usage(format!(
            "{}: its {there} shots are not those of this calibration, though of the same device; name another folder with --out",
            place.display()
        )));
    }
    let rest = |drives: &DMatrix<f32>| drives.columns(there, total - there).into_owned();
    let mut progress = Progress::new(&format!("measure {name}"), total);
    let shots = Shots::measure(&mut recorder, rest(&inputs), rest(&parameters), |done| {
        if done.is_multiple_of(SHOTS_A_REPORT) {
            progress.set(there + done, String::new());
        }
    })?;
    recorder.recording().finish()?;
    progress.finish(match there {
        0 => format!("{total} shots"),
        _ => format!("{total} shots, {there} of them measured before"),
    });
    let columns: Vec<_> = done.outputs.column_iter().chain(shots.outputs.column_iter()).collect();
    Ok(Shots { inputs, parameters, outputs: DMatrix::from_columns(&columns) })
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
