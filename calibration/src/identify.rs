//! A physics twin's constants from shots: minibatch Adam through the equation's own adjoint.

use burn::tensor::{Device, Tensor};
use nalgebra::{DMatrix, DVector};
use rand::seq::SliceRandom;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::{DeviceError, Differentiable, random, validate};

use crate::adam::{Adam, half_cosine};
use crate::bridge::{from_vec, to_vec, values};
use crate::error::CalibrationError;
use crate::moments::reading_moments;
use crate::state::{State, as_part, take, take_part};
use twinprop_devices::shots::{ShotRun, Shots};

/// How an equation's constants are learned; in a recipe, `twin = { learned_physics = {} }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IdentifyConfig {
    /// Names of the constants to learn, without an index: `"damping"` for `damping 3`. An empty list
    /// means all.
    pub learn: Vec<String>,
    /// Shots of a batch, which share the device's parameters. Larger batches set the device less often,
    /// and the equation is evaluated faster.
    #[serde(deserialize_with = "validate::count")]
    pub shots_per_setting: usize,
    /// Batches per step of the optimiser.
    #[serde(deserialize_with = "validate::count")]
    pub settings_per_step: usize,
    /// Passes over the shots; the learning rate falls to zero over them along a half cosine.
    #[serde(deserialize_with = "validate::count")]
    pub epochs: usize,
    /// Initial learning rate of Adam. Constants are divided by their values in the data sheet.
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

/// Fits the constants of `equation` to `shots`; `progress` gets the passes that are done, and their
/// number. Returns the mean squared error a pass, in units of each channel's variance.
///
/// # Errors
/// [`CalibrationError::TooFewShots`] without shots or without a constant to learn,
/// [`CalibrationError::Diverged`] where the error is not finite.
pub fn identify(
    equation: &mut dyn Differentiable,
    config: &IdentifyConfig,
    shots: &Shots,
    seed: u64,
    device: &Device,
    mut progress: impl FnMut(usize, usize),
) -> Result<Vec<f32>, CalibrationError> {
    let mut fit = ConstantFit::new(equation, &config.learn, device);
    if shots.is_empty() || !fit.is_learned.contains(&true) {
        let kind = &equation.interface().device;
        return Err(CalibrationError::TooFewShots(format!(
            "the constants of `{kind}` cannot be learned from {} shots: of its {} constants, {} are called {:?}; raise calibration.shots, or correct calibration.twin.learned_physics.learn",
            shots.len(),
            fit.is_learned.len(),
            fit.is_learned.iter().filter(|learned| **learned).count(),
            config.learn,
        )));
    }
    let deviation = reading_moments(shots, &equation.interface().outputs).deviation;
    fit.weigh_by(&deviation);
    let runs = shots.runs(config.shots_per_setting);
    let mut order: Vec<usize> = (0..runs.len()).collect();
    let steps = (config.epochs * runs.len().div_ceil(config.settings_per_step)) as f64;
    let mut step = 0.0;
    let mut history = Vec::with_capacity(config.epochs);
    for epoch in 0..config.epochs {
        order.shuffle(&mut random::stream(seed, &format!("identification order {epoch}")));
        let mut error = 0.0;
        for chosen in order.chunks(config.settings_per_step) {
            let chosen: Vec<&ShotRun> = chosen.iter().map(|&run| &runs[run]).collect();
            let rate = config.learning_rate * half_cosine(step / steps);
            step += 1.0;
            let played: usize = chosen.iter().map(|run| run.len()).sum();
            error += fit.step(equation, &chosen, rate)? * played as f32;
        }
        let error = error / shots.len() as f32;
        if !error.is_finite() {
            return Err(CalibrationError::Diverged { epoch: epoch + 1, loss: error });
        }
        history.push(error);
        progress(epoch + 1, config.epochs);
    }
    Ok(history)
}

/// Adam's ε, as a share of the gradient's root mean square: a constant with a smaller gradient moves less
/// than by Adam's rule, which would let constants drift on which the readings hardly depend.
const SMALL_GRADIENT: f32 = 0.1;

/// The constants of an equation while they are fitted.
pub(crate) struct ConstantFit {
    /// `[1, constants]`.
    values: Tensor<2>,
    is_learned: Vec<bool>,
    /// One over each output's binary unit.
    per_unit: DVector<f32>,
    /// Weight of each output's squared error in binary units: one over the variance of its readings, or
    /// empty before it is known.
    weight: DVector<f32>,
    optimiser: Adam,
}

impl ConstantFit {
    /// Starts at the constants of `equation`; learns those that `learn` names, or all where it is empty.
    pub fn new(equation: &dyn Differentiable, learn: &[String], device: &Device) -> Self {
        let constants = equation.constants();
        let is_learned = constants
            .iter()
            .map(|constant| {
                let bank = constant.name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end();
                learn.is_empty() || learn.iter().any(|name| name == bank)
            })
            .collect();
        let values: Vec<f32> = constants.iter().map(|constant| constant.value).collect();
        let shape = [1, values.len()];
        let outputs = &equation.interface().outputs;
        let per_unit: Vec<f32> = outputs.binary_units().map(f32::recip).collect();
        Self {
            values: from_vec(values, shape, device),
            is_learned,
            per_unit: per_unit.into(),
            weight: DVector::zeros(0),
            optimiser: Adam::with_epsilon(SMALL_GRADIENT),
        }
    }

    /// Weighs errors by `deviation`, the standard deviation of each output's readings.
    pub fn weigh_by(&mut self, deviation: &[f32]) {
        let scaled = deviation.iter().zip(&self.per_unit);
        let weights = scaled.map(|(deviation, per_unit)| (deviation * per_unit).powi(-2));
        self.weight = DVector::from_iterator(deviation.len(), weights);
    }

    /// Whether there is anything to learn.
    pub fn has_constants(&self) -> bool {
        !self.is_learned.is_empty()
    }

    /// Whether the weights of the errors are known.
    pub fn is_weighed(&self) -> bool {
        !self.weight.is_empty()
    }

    /// The constants, their weights and the optimiser's moments, for a later process.
    pub fn state(&self) -> State {
        let mut state = as_part("adam", self.optimiser.state(&[&self.values]));
        state.insert("constants".to_owned(), self.values.clone());
        if self.is_weighed() {
            let weight = self.weight.as_slice().to_vec();
            let shape = [1, weight.len()];
            state.insert("weight".to_owned(), from_vec(weight, shape, &self.values.device()));
        }
        state
    }

    /// Restores a [`state`](Self::state), and sets the constants of `equation`.
    pub fn restore(
        &mut self,
        mut state: State,
        equation: &mut dyn Differentiable,
    ) -> Result<(), String> {
        self.values = take(&mut state, "constants")?;
        self.weight =
            state.remove("weight").map_or(DVector::zeros(0), |weight| to_vec(weight).into());
        equation.set_constants(&values(self.values.clone()));
        self.optimiser.restore(take_part(&mut state, "adam"))
    }

    /// Moves the constants of `equation` one step down the squared error on `runs`. Returns the mean
    /// squared error before the step; where it is not finite, the constants stay.
    pub fn step(
        &mut self,
        equation: &mut dyn Differentiable,
        runs: &[&ShotRun],
        rate: f64,
    ) -> Result<f32, DeviceError> {
        let played: usize = runs.iter().map(|run| run.outputs.len()).sum();
        let scale = 1.0 / played.max(1) as f32;
        let parts: Vec<(f32, Vec<f32>)> = runs
            .par_iter()
            .map(|run| self.slope(&*equation, run, scale))
            .collect::<Result<_, _>>()?;
        let mut gradient = vec![0.0; self.is_learned.len()];
        let mut error = 0.0;
        for (part_error, part) in parts {
            error += part_error;
            gradient.iter_mut().zip(&part).for_each(|(sum, part)| *sum += part);
        }
        for (gradient, learned) in gradient.iter_mut().zip(&self.is_learned) {
            *gradient = if *learned { *gradient } else { 0.0 };
        }
        if !(error.is_finite() && gradient.iter().all(|gradient| gradient.is_finite())) {
            return Ok(f32::NAN);
        }
        let square: f32 = gradient.iter().map(|value| value * value).sum();
        let size = (square / gradient.len() as f32).sqrt().max(f32::MIN_POSITIVE);
        gradient.iter_mut().for_each(|value| *value /= size);
        let gradient = from_vec(gradient, self.values.dims(), &self.values.device());
        self.optimiser.step([rate], vec![&mut self.values], vec![gradient]);
        equation.set_constants(&values(self.values.clone()));
        Ok(error)
    }

    /// The squared error on `run` times `scale`, and its derivatives by the constants.
    fn slope(
        &self,
        equation: &dyn Differentiable,
        run: &ShotRun,
        scale: f32,
    ) -> Result<(f32, Vec<f32>), DeviceError> {
        let by_output = |values: &mut DMatrix<f32>, factor: &DVector<f32>| {
            values.column_iter_mut().for_each(|mut shot| shot.component_mul_assign(factor));
        };
        let ShotRun { inputs, parameters, outputs } = run;
        if let Some(found) = equation.misfit(inputs, parameters, outputs) {
            let (misfit, mut slopes) = found?;
            slopes.iter_mut().for_each(|slope| *slope *= scale);
            return Ok((misfit * scale, slopes));
        }
        let mut error = 0.0;
        let mut cotangents_of = |predicted: DMatrix<f32>| {
            let mut difference = predicted - &run.outputs;
            by_output(&mut difference, &self.per_unit);
            let mut cotangents = difference.clone();
            by_output(&mut cotangents, &self.weight);
            error = difference.dot(&cotangents) * scale;
            cotangents *= 2.0 * scale;
            by_output(&mut cotangents, &self.per_unit);
            cotangents
        };
        let slopes = equation.constant_cotangents_of(inputs, parameters, &mut cotangents_of)?;
        Ok((error, slopes))
    }
}
