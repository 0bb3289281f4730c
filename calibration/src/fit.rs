//! From shots to a network: minibatch Adam on the normalised error, held-out validation, early stop.

use std::iter::repeat;

use burn::tensor::{Device, Tensor};
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::{Interface, random, validate};

use crate::adam::{Adam, half_cosine};
use crate::bridge::from_vec;
use crate::error::CalibrationError;
use crate::moments::reading_moments;
use crate::neural::{NeuralTwin, NeuralTwinConfig};
use crate::shots::Shots;
use crate::temporal::{TemporalTwin, TemporalTwinConfig};

/// How a neural twin is fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FitConfig {
    /// Largest number of passes over the shots; the learning rate falls to zero over them along a
    /// half cosine.
    #[serde(deserialize_with = "validate::count")]
    pub epochs: usize,
    /// Shots a step.
    #[serde(deserialize_with = "validate::count")]
    pub batch: usize,
    /// Adam's first learning rate.
    #[serde(deserialize_with = "validate::positive")]
    pub learning_rate: f64,
    /// Share of the shots that the fit never learns from and is judged by while it runs.
    #[serde(deserialize_with = "validate::open_fraction")]
    pub validation_fraction: f64,
    /// Passes without a better validation error after which the fit stops.
    #[serde(deserialize_with = "validate::count")]
    pub patience: usize,
}

impl Default for FitConfig {
    fn default() -> Self {
        Self { epochs: 40, batch: 256, learning_rate: 2e-3, validation_fraction: 0.1, patience: 8 }
    }
}

/// A fit's course: mean squared error a pass, in units of each channel's variance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FitHistory {
    /// On the shots that are learned from.
    pub training: Vec<f32>,
    /// On the held-out shots.
    pub validation: Vec<f32>,
}

/// A twin that is a network: its weights are fitted.
pub(crate) trait Network: Clone {
    /// Its weights.
    fn weights(&self) -> &[Tensor<2>];

    /// Its weights, to be moved.
    fn weights_mut(&mut self) -> &mut [Tensor<2>];

    /// Mean squared error on shots, in units of each channel's variance, and the gradients of the
    /// weights; operands as for `DigitalTwin::predict`, `readings` `[shots, n_outputs]`.
    fn learn(
        &self,
        inputs: Tensor<2>,
        parameters: Tensor<2>,
        readings: Tensor<2>,
    ) -> (Tensor<1>, Vec<Tensor<2>>);

    /// That error alone.
    fn error(&self, inputs: Tensor<2>, parameters: Tensor<2>, readings: Tensor<2>) -> f32;
}

/// Fits a neural twin to `shots`; keeps the weights of the best validation error. `progress` hears
/// the passes done, of how many.
///
/// # Errors
/// [`CalibrationError::TooFewShots`] below four shots, [`CalibrationError::Diverged`] where the
/// error is no number any more.
pub fn fit_neural(
    twin: &NeuralTwinConfig,
    fit: &FitConfig,
    interface: &Interface,
    shots: &Shots,
    seed: u64,
    device: &Device,
    progress: impl FnMut(usize, usize),
) -> Result<(NeuralTwin, FitHistory), CalibrationError> {
    let new = |moments| NeuralTwin::new(twin, interface, moments, seed, device);
    fit_network(new, fit, (interface, shots), seed, device, progress)
}

/// Fits a temporal twin, as [`fit_neural`] does a neural one.
///
/// # Errors
/// As [`fit_neural`].
pub fn fit_temporal(
    twin: &TemporalTwinConfig,
    fit: &FitConfig,
    interface: &Interface,
    shots: &Shots,
    seed: u64,
    device: &Device,
    progress: impl FnMut(usize, usize),
) -> Result<(TemporalTwin, FitHistory), CalibrationError> {
    let new = |moments| TemporalTwin::new(twin, interface, moments, seed, device);
    fit_network(new, fit, (interface, shots), seed, device, progress)
}

/// Fits the network that `new` makes for the mean and deviation of its readings.
fn fit_network<N: Network>(
    new: impl FnOnce((Vec<f32>, Vec<f32>)) -> N,
    fit: &FitConfig,
    (interface, shots): (&Interface, &Shots),
    seed: u64,
    device: &Device,
    mut progress: impl FnMut(usize, usize),
) -> Result<(N, FitHistory), CalibrationError> {
    if shots.len() < 4 {
        return Err(CalibrationError::TooFewShots(format!(
            "a twin cannot be fitted to {} shots; raise calibration.shots",
            shots.len()
        )));
    }
    let held_out =
        ((fit.validation_fraction * shots.len() as f64) as usize).clamp(1, shots.len() / 2);
    let (learned, held_out) = shots.split_last(held_out);
    let mut twin = new(reading_moments(&learned, &interface.outputs));
    let everything: Vec<usize> = (0..held_out.len()).collect();

    let mut optimiser = Adam::default();
    let mut history = FitHistory::default();
    let mut best = (f32::INFINITY, twin.clone());
    let mut since_best = 0;
    let mut order: Vec<usize> = (0..learned.len()).collect();
    let batches = learned.len().div_ceil(fit.batch);
    let steps = (fit.epochs * batches) as f64;
    for epoch in 0..fit.epochs {
        order.shuffle(&mut random::stream(seed, &format!("fit order {epoch}")));
        let mut sum = Tensor::<1>::zeros([1], device);
        for (batch, chosen) in order.chunks(fit.batch).enumerate() {
            let [inputs, parameters, readings] = rows(&learned, chosen, device);
            let (error, gradients) = twin.learn(inputs, parameters, readings);
            let done = (epoch * batches + batch) as f64 / steps;
            let rate = fit.learning_rate * half_cosine(done);
            optimiser.step(repeat(rate), twin.weights_mut().iter_mut().collect(), gradients);
            sum = sum + error;
        }
        let training = sum.into_scalar::<f32>() / batches as f32;
        let errors = everything.chunks(VALIDATION_BATCH).map(|chosen| {
            let [inputs, parameters, readings] = rows(&held_out, chosen, device);
            twin.error(inputs, parameters, readings) * chosen.len() as f32
        });
        let error = errors.sum::<f32>() / everything.len() as f32;
        if !(training.is_finite() && error.is_finite()) {
            return Err(CalibrationError::Diverged { epoch: epoch + 1, loss: error });
        }
        history.training.push(training);
        history.validation.push(error);
        progress(epoch + 1, fit.epochs);
        if error < best.0 {
            best = (error, twin.clone());
            since_best = 0;
        } else {
            since_best += 1;
            if since_best == fit.patience {
                break;
            }
        }
    }
    Ok((best.1, history))
}

/// Held-out shots that are predicted at once.
const VALIDATION_BATCH: usize = 4096;

/// Inputs, parameters and readings of the shots `chosen`, a row a shot.
fn rows(shots: &Shots, chosen: &[usize], device: &Device) -> [Tensor<2>; 3] {
    [&shots.inputs, &shots.parameters, &shots.outputs].map(|matrix| {
        let width = matrix.nrows();
        let mut values = Vec::with_capacity(width * chosen.len());
        for &shot in chosen {
            values.extend_from_slice(&matrix.as_slice()[shot * width..(shot + 1) * width]);
        }
        from_vec(values, [chosen.len(), width], device)
    })
}
