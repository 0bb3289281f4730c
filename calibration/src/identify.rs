//! A physics twin's constants from shots: minibatch Adam through the equation's own adjoint.

use burn::tensor::{Device, Tensor};
use nalgebra::{DMatrix, DVector};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use twinprop_devices::{Differentiable, random, validate};

use crate::adam::AdamList;
use crate::bridge::{from_vec, to_vec};
use crate::error::CalibrationError;
use crate::fit::reading_moments;
use crate::shots::Shots;

/// How an equation's constants are learned; in a recipe, `twin = { learned_physics = {} }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdentifyConfig {
    /// Names of the constants that are learned, such as `"damping"`, without their numbers; none
    /// means all.
    pub learn: Vec<String>,
    /// Shots in a run that share their parameters: a device is set less often than it is played, and
    /// the equation runs on whole batches.
    #[serde(deserialize_with = "validate::count")]
    pub shots_per_setting: usize,
    /// Runs a step.
    #[serde(deserialize_with = "validate::count")]
    pub settings_per_step: usize,
    /// Passes over the shots; the learning rate falls to zero over them along a half cosine.
    #[serde(deserialize_with = "validate::count")]
    pub epochs: usize,
    /// Adam's first learning rate, in units of the constants: one is what the data sheet says.
    #[serde(deserialize_with = "validate::positive")]
    pub learning_rate: f64,
}

impl Default for IdentifyConfig {
    fn default() -> Self {
        Self {
            learn: Vec::new(),
            shots_per_setting: 16,
            settings_per_step: 4,
            epochs: 60,
            learning_rate: 0.01,
        }
    }
}

impl IdentifyConfig {
    /// Gives the shots of a run the parameters of its first.
    pub fn share_settings(&self, parameters: &mut DMatrix<f32>) {
        let height = parameters.nrows();
        for run in parameters.as_mut_slice().chunks_mut((self.shots_per_setting * height).max(1)) {
            let (first, others) = run.split_at_mut(height);
            others.chunks_exact_mut(height.max(1)).for_each(|other| other.copy_from_slice(first));
        }
    }
}

/// One run of shots on one setting.
struct Run {
    inputs: DMatrix<f32>,
    parameters: DVector<f32>,
    outputs: DMatrix<f32>,
}

/// Moves the constants of `equation` to where its readings fit `shots` best; `progress` hears the
/// passes done, of how many. Returns the mean squared error a pass, in units of each channel's
/// variance.
///
/// # Errors
/// [`CalibrationError::TooFewShots`] without shots or without a constant to learn,
/// [`CalibrationError::Diverged`] where the error is no number any more.
pub fn identify(
    equation: &mut dyn Differentiable,
    config: &IdentifyConfig,
    shots: &Shots,
    seed: u64,
    device: &Device,
    mut progress: impl FnMut(usize, usize),
) -> Result<Vec<f32>, CalibrationError> {
    let constants = equation.constants();
    let is_learned: Vec<bool> = constants
        .iter()
        .map(|constant| {
            let bank = constant.name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end();
            config.learn.is_empty() || config.learn.iter().any(|name| name == bank)
        })
        .collect();
    if shots.is_empty() || !is_learned.contains(&true) {
        let kind = &equation.interface().device;
        return Err(CalibrationError::TooFewShots(format!(
            "the constants of `{kind}` cannot be learned from {} shots: of its {} constants, {} are called {:?}; raise calibration.shots, or correct calibration.twin.learned_physics.learn",
            shots.len(),
            constants.len(),
            is_learned.iter().filter(|learned| **learned).count(),
            config.learn,
        )));
    }
    let runs = runs(shots, config.shots_per_setting);
    let (_, deviation) = reading_moments(shots);
    let weight = DVector::from_iterator(deviation.len(), deviation.iter().map(|d| d.powi(-2)));
    let mut values: Tensor<2> = from_vec(
        constants.iter().map(|constant| constant.value).collect(),
        [1, constants.len()],
        device,
    );
    let mut optimiser = AdamList::new(1);
    let mut order: Vec<usize> = (0..runs.len()).collect();
    let steps = (config.epochs * runs.len().div_ceil(config.settings_per_step)) as f64;
    let mut step = 0.0;
    let mut history = Vec::with_capacity(config.epochs);
    for epoch in 0..config.epochs {
        order.shuffle(&mut random::stream(seed, &format!("identification order {epoch}")));
        let mut error = 0.0;
        for chosen in order.chunks(config.settings_per_step) {
            let mut gradient = vec![0.0; constants.len()];
            let played: usize = chosen.iter().map(|&run| runs[run].inputs.ncols()).sum();
            let scale = 1.0 / (played * deviation.len()) as f32;
            for Run { inputs, parameters, outputs } in chosen.iter().map(|&run| &runs[run]) {
                let mut predicted = outputs.clone();
                equation.respond(inputs, parameters, &mut predicted)?;
                let difference = predicted - outputs;
                let mut cotangents = difference.clone();
                cotangents.column_iter_mut().for_each(|mut c| c.component_mul_assign(&weight));
                error += difference.dot(&cotangents);
                cotangents *= 2.0 * scale;
                let part = equation.constant_cotangents(inputs, parameters, &cotangents)?;
                gradient.iter_mut().zip(&part).for_each(|(sum, part)| *sum += part);
            }
            for (gradient, learned) in gradient.iter_mut().zip(&is_learned) {
                *gradient = if *learned { *gradient } else { 0.0 };
            }
            let rate =
                config.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * step / steps).cos());
            step += 1.0;
            let gradient = from_vec(gradient, [1, constants.len()], device);
            optimiser.step(rate, vec![&mut values], vec![gradient]);
            equation.set_constants(&to_vec(values.clone()));
        }
        let error = error / shots.outputs.len() as f32;
        if !error.is_finite() {
            return Err(CalibrationError::Diverged { epoch: epoch + 1, loss: error });
        }
        history.push(error);
        progress(epoch + 1, config.epochs);
    }
    Ok(history)
}

/// Cuts `shots` into runs of at most `longest` that share their parameters.
fn runs(shots: &Shots, longest: usize) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut first = 0;
    while first < shots.len() {
        let setting = shots.parameters.column(first);
        let count = (first..shots.len().min(first + longest))
            .take_while(|&shot| shots.parameters.column(shot) == setting)
            .count();
        runs.push(Run {
            inputs: shots.inputs.columns(first, count).into_owned(),
            parameters: setting.into_owned(),
            outputs: shots.outputs.columns(first, count).into_owned(),
        });
        first += count;
    }
    runs
}
