//! Recalibration of a twin about the drives of its network.

use burn::tensor::Device;
use rand::{Rng, RngExt};
use twinprop_calibration::Shots;
use twinprop_calibration::design::{DesignConfig, TaskDrives, TaskLikeConfig, share_settings};
use twinprop_calibration::fidelity::predict;
use twinprop_calibration::refine::{SHOTS_A_SETTING, recalibrate};
use twinprop_devices::PhysicalLayer;

use crate::Error;
use crate::network::Instrument;

/// Measures `count` of the shots in `task`, unchanged.
///
/// # Errors
/// Errors of the device.
pub fn measure_at(
    task: &TaskDrives,
    count: usize,
    instrument: &mut Instrument,
    random: &mut impl Rng,
) -> Result<Shots, Error> {
    measure(&TaskLikeConfig::EXACT, task, count, 1, instrument, random)
}

/// Costs of a recalibration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Shots to measure.
    pub shots: usize,
    /// Steps in which the twin learns from them.
    pub steps: usize,
}

/// Recalibrates the twin of `instrument` by `shots` shots about the drives of `task` and `steps` steps; keeps the old
/// twin unless the new one is better. Measures the instrument's `unexplained` deviations.
///
/// # Errors
/// Errors of the device.
pub fn recalibrate_about(
    task: &TaskDrives,
    Budget { shots, steps }: Budget,
    instrument: &mut Instrument,
    random: &mut impl Rng,
    backend: &Device,
) -> Result<(), Error> {
    let nearby = TaskLikeConfig::default();
    let shots = measure(&nearby, task, shots, SHOTS_A_SETTING, instrument, random)?;
    if let Some(twin) = recalibrate(instrument.twin(), &shots, steps, random, backend)? {
        instrument.twin = Some(twin.into());
    }
    let predicted = predict(instrument.twin(), &shots.inputs, &shots.parameters, backend);
    let units = instrument.device.interface().outputs.binary_units();
    let errors = shots.outputs - predicted;
    let count = errors.ncols().max(1) as f32;
    // In units in which no square underflows or overflows.
    let deviations = errors
        .row_iter()
        .zip(units)
        .map(|(row, unit)| ((row / unit).norm_squared() / count).sqrt() * unit);
    instrument.unexplained = Some(deviations.collect());
    Ok(())
}

/// Measures `count` shots of a task-like design in runs of `run` that share their parameters.
fn measure(
    design: &TaskLikeConfig,
    task: &TaskDrives,
    count: usize,
    run: usize,
    instrument: &mut Instrument,
    random: &mut impl Rng,
) -> Result<Shots, Error> {
    let interface = instrument.device.interface().clone();
    let design = DesignConfig::TaskLike(design.clone());
    let (inputs, mut parameters) = design.draw(&interface, count, Some(task), random.random())?;
    share_settings(&mut parameters, run);
    Ok(Shots::measure(&mut instrument.device, inputs, parameters, |_| ())?)
}
