//! From shots to a twin: minibatch Adam on the normalised error, held-out validation, early stop.

use burn::tensor::{Device, Tensor};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use twinprop_devices::{Interface, random, validate};

use crate::adam::AdamList;
use crate::bridge::{from_vec, to_tensor};
use crate::error::CalibrationError;
use crate::neural::{NeuralTwin, NeuralTwinConfig};
use crate::shots::Shots;

/// How a neural twin is fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    mut progress: impl FnMut(usize, usize),
) -> Result<(NeuralTwin, FitHistory), CalibrationError> {
    if shots.len() < 4 {
        return Err(CalibrationError::TooFewShots(format!(
            "a twin cannot be fitted to {} shots; raise calibration.shots",
            shots.len()
        )));
    }
    let held_out =
        ((fit.validation_fraction * shots.len() as f64) as usize).clamp(1, shots.len() / 2);
    let (learned, held_out) = shots.split_last(held_out);
    let mut twin = NeuralTwin::new(twin, interface, reading_moments(&learned), seed, device);
    let validation = TensorShots::new(&held_out, &twin, device);

    let mut optimiser = AdamList::new(twin.weights.len());
    let mut history = FitHistory::default();
    let mut best = (f32::INFINITY, twin.weights.clone());
    let mut since_best = 0;
    let mut order: Vec<usize> = (0..learned.len()).collect();
    let batches = learned.len().div_ceil(fit.batch);
    let steps = (fit.epochs * batches) as f64;
    for epoch in 0..fit.epochs {
        order.shuffle(&mut random::stream(seed, &format!("fit order {epoch}")));
        let mut sum = Tensor::<1>::zeros([1], device);
        for (batch, chosen) in order.chunks(fit.batch).enumerate() {
            let batch_shots = TensorShots::choose(&learned, chosen, &twin, device);
            let trace = twin.forward(batch_shots.inputs, batch_shots.parameters);
            let error = trace.output.clone() - batch_shots.readings;
            let scale = 2.0 / (chosen.len() * interface.outputs.len()) as f64;
            let gradients = twin.weight_gradients(&trace, error.clone() * scale);
            let done = (epoch * batches + batch) as f64 / steps;
            let rate = fit.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
            optimiser.step(rate, twin.weights.iter_mut().collect(), gradients);
            sum = sum + error.square().mean();
        }
        let training = sum.into_scalar::<f32>() / batches as f32;
        let error = validation.error(&twin);
        if !(training.is_finite() && error.is_finite()) {
            return Err(CalibrationError::Diverged { epoch: epoch + 1, loss: error });
        }
        history.training.push(training);
        history.validation.push(error);
        progress(epoch + 1, fit.epochs);
        if error < best.0 {
            best = (error, twin.weights.clone());
            since_best = 0;
        } else {
            since_best += 1;
            if since_best == fit.patience {
                break;
            }
        }
    }
    twin.weights = best.1;
    Ok((twin, history))
}

/// Mean and standard deviation of each output channel; a channel that never moves counts as one of
/// deviation 1e-6, so that nothing is divided by zero.
pub(crate) fn reading_moments(shots: &Shots) -> (Vec<f32>, Vec<f32>) {
    let mean = shots.outputs.column_mean();
    let deviation = shots.outputs.column_variance().map(|variance| variance.sqrt().max(1e-6));
    (mean.as_slice().to_vec(), deviation.as_slice().to_vec())
}

/// Shots on the compute device, readings normalised.
struct TensorShots {
    inputs: Tensor<2>,
    parameters: Tensor<2>,
    readings: Tensor<2>,
}

impl TensorShots {
    fn new(shots: &Shots, twin: &NeuralTwin, device: &Device) -> Self {
        Self {
            inputs: to_tensor(&shots.inputs, device),
            parameters: to_tensor(&shots.parameters, device),
            readings: twin.normalise_readings(to_tensor(&shots.outputs, device)),
        }
    }

    fn choose(shots: &Shots, chosen: &[usize], twin: &NeuralTwin, device: &Device) -> Self {
        let rows = |matrix: &nalgebra::DMatrix<f32>| {
            let width = matrix.nrows();
            let mut values = Vec::with_capacity(width * chosen.len());
            for &shot in chosen {
                values.extend_from_slice(&matrix.as_slice()[shot * width..(shot + 1) * width]);
            }
            from_vec(values, [chosen.len(), width], device)
        };
        Self {
            inputs: rows(&shots.inputs),
            parameters: rows(&shots.parameters),
            readings: twin.normalise_readings(rows(&shots.outputs)),
        }
    }

    fn error(&self, twin: &NeuralTwin) -> f32 {
        let predicted = twin.forward(self.inputs.clone(), self.parameters.clone()).output;
        (predicted - self.readings.clone()).square().mean().into_scalar::<f32>()
    }
}
