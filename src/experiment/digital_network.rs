//! Small digital networks on the same inputs as the physical network.

use std::iter::repeat;

use burn::tensor::{Device, Tensor};
use nalgebra::DMatrix;
use rand::RngExt;
use rand::seq::SliceRandom;
use twinprop_calibration::Adam;
use twinprop_calibration::bridge::{from_vec, to_matrix, to_tensor};
use twinprop_devices::random;

use crate::data::{Dataset, Split, Targets};
use crate::loss::{Loss, Score};
use crate::network::{DigitalStage, Encode};

/// Training steps, batch size and learning rate of Adam, with which the networks converge.
pub(super) const STEPS: usize = 1000;
pub(super) const BATCH: usize = 2048;
const LEARNING_RATE: f64 = 0.02;
/// Early stopping for values: one of so many training samples is left out of the fit, and the weights with the smallest
/// loss on these samples are taken. A network that has converged fits the noise of values.
const VALIDATION: usize = 5;
/// Steps from one validation to the next.
const VALIDATED_EVERY: usize = 10;

/// Multiply-adds of one forward pass of the network that [`train`] trains.
pub(super) fn multiply_adds(features: usize, hidden: usize, outputs: usize) -> usize {
    match hidden {
        0 => features * outputs,
        units => units * (features + outputs),
    }
}

/// Trains a network with one layer of `hidden` tanh units (linear if 0) on the encoded features of `split`;
/// returns its test score.
pub(super) fn train(
    split: &Split,
    hidden: usize,
    loss: &dyn Loss,
    seed: u64,
    backend: &Device,
) -> Score {
    let (minimum, maximum) = split.train.extremes();
    let features = minimum.len();
    let encode = Encode::new(&minimum, &maximum, features, backend);
    let encoded = |data: &DMatrix<f32>| encode.forward(&to_tensor(data, backend), None);
    let mut random = random::stream(seed, "baseline initialisation");
    let sizes: Vec<usize> = [Some(features), (hidden > 0).then_some(hidden), Some(split.outputs())]
        .into_iter()
        .flatten()
        .collect();
    let mut weights: Vec<Tensor<2>> = Vec::new();
    for pair in sizes.windows(2) {
        let bound = (1.0 / pair[0] as f32).sqrt();
        let values = (0..pair[0] * pair[1]).map(|_| random.random_range(-bound..bound)).collect();
        weights.push(from_vec(values, [pair[0], pair[1]], backend));
        weights.push(Tensor::zeros([1, pair[1]], backend));
    }
    let mut optimiser = Adam::default();
    let mut order: Vec<usize> = (0..split.train.len()).collect();
    let mut validation = None;
    if matches!(split.train.targets, Targets::Values(_)) && order.len() >= VALIDATION {
        order.shuffle(&mut random);
        let left_out = order.split_off(order.len() - order.len() / VALIDATION);
        validation = Some(Validation::new(split.train.choose(&left_out), encoded));
    }
    // Data of up to one batch are encoded once; larger data batch by batch, to save memory.
    let whole = (order.len() <= BATCH).then(|| {
        let fitted = split.train.choose(&order);
        (encoded(&fitted.features), fitted.targets)
    });
    for step in 1..=STEPS {
        let (train, targets) = whole.clone().unwrap_or_else(|| {
            let (chosen, _) = order.partial_shuffle(&mut random, BATCH);
            let batch = split.train.choose(chosen);
            (encoded(&batch.features), batch.targets)
        });
        let tracked: Vec<Tensor<2>> =
            weights.iter().map(|weight| weight.clone().autodiff().require_grad()).collect();
        let logits = forward(Tensor::from_inner(train), &tracked);
        let (_, cotangent) = loss.at(&logits.clone().inner(), &targets);
        let mut gradients = (logits * Tensor::from_inner(cotangent)).sum().backward();
        let gradients = tracked
            .iter()
            .map(|weight| {
                let gradient = weight.grad_remove(&mut gradients);
                gradient.expect("every weight is part of the logits")
            })
            .collect();
        optimiser.step(repeat(LEARNING_RATE), weights.iter_mut().collect(), gradients);
        if let Some(validation) = validation.as_mut().filter(|_| step % VALIDATED_EVERY == 0) {
            validation.judge(&weights, loss);
        }
    }
    let weights = validation.map_or(weights, |validation| validation.best);
    let logits = forward(encoded(&split.test.features), &weights);
    loss.score(&to_matrix(logits), &split.test.targets)
}

/// Training samples that are left out of the fit, and the weights that did best on them.
struct Validation {
    features: Tensor<2>,
    targets: Targets,
    smallest: f32,
    best: Vec<Tensor<2>>,
}

impl Validation {
    fn new(samples: Dataset, encoded: impl Fn(&DMatrix<f32>) -> Tensor<2>) -> Self {
        let features = encoded(&samples.features);
        Self { features, targets: samples.targets, smallest: f32::INFINITY, best: Vec::new() }
    }

    /// Takes `weights` if their loss is the smallest so far.
    fn judge(&mut self, weights: &[Tensor<2>], loss: &dyn Loss) {
        let (found, _) = loss.at(&forward(self.features.clone(), weights), &self.targets);
        if self.best.is_empty() || found < self.smallest {
            self.smallest = found;
            self.best = weights.to_vec();
        }
    }
}

fn forward(x: Tensor<2>, weights: &[Tensor<2>]) -> Tensor<2> {
    let last = weights.len() / 2 - 1;
    weights.chunks_exact(2).enumerate().fold(x, |x, (layer, pair)| {
        let z = x.matmul(pair[0].clone()) + pair[1].clone();
        if layer < last { z.tanh() } else { z }
    })
}
