//! From shots to a network: minibatch Adam on the normalised error, held-out validation, early stop.

use std::iter::repeat;

use burn::tensor::{Device, Tensor};
use rand::seq::SliceRandom;
use twinprop_devices::{Interface, random};

use super::architecture::Architecture;
use super::twin::NetworkTwin;
use crate::adam::{Adam, half_cosine};
use crate::bridge::from_vec;
use crate::error::CalibrationError;
use crate::fit::{FitConfig, FitHistory};
use crate::moments::reading_moments;
use twinprop_devices::shots::Shots;

impl<A: Architecture> NetworkTwin<A> {
    /// Fits a twin to `shots` of a device with `interface`, and keeps the weights of the smallest
    /// validation error. `progress` gets the passes over the shots that are done, and their number.
    ///
    /// # Errors
    /// [`CalibrationError::TooFewShots`] below four shots, [`CalibrationError::Diverged`] where the
    /// error is not finite.
    pub fn fit(
        config: &A::Config,
        fit: &FitConfig,
        interface: &Interface,
        shots: &Shots,
        seed: u64,
        device: &Device,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<(Self, FitHistory), CalibrationError> {
        if shots.len() < 4 {
            return Err(CalibrationError::TooFewShots(format!(
                "a twin cannot be fitted to {} shots; raise calibration.shots",
                shots.len()
            )));
        }
        let held_out =
            ((fit.validation_fraction * shots.len() as f64) as usize).clamp(1, shots.len() / 2);
        let (learned, held_out) = shots.split_last(held_out);
        let moments = reading_moments(&learned, &interface.outputs);
        let mut twin = Self::new(config, interface, moments, seed, device);
        let everything: Vec<usize> = (0..held_out.len()).collect();

        let mut optimiser = Adam::default();
        let mut history = FitHistory::default();
        let mut smallest = f32::INFINITY;
        let mut best = twin.clone();
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
            if error < smallest {
                (smallest, best) = (error, twin.clone());
                since_best = 0;
            } else {
                since_best += 1;
                if since_best == fit.patience {
                    break;
                }
            }
        }
        Ok((best, history))
    }
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
