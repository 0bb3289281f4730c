//! What digital networks reach on the same inputs: how much of a result is the physics', and how large a
//! network does as well.

use std::iter::repeat;

use burn::tensor::{Device, Tensor};
use nalgebra::DMatrix;
use rand::RngExt;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use twinprop_calibration::Adam;
use twinprop_calibration::bridge::{from_vec, to_tensor};
use twinprop_devices::random;

use crate::data::Split;
use crate::network::{Encode, Laboratory, Source, Stage};
use crate::training::{accuracy, cross_entropy, predictions};

/// A digital network's result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Baseline {
    /// What it is.
    pub name: &'static str,
    /// Accuracy on the test data.
    pub test_accuracy: f32,
}

/// Steps, samples of each and learning rate of Adam; the networks have converged by then.
const STEPS: usize = 1000;
const BATCH: usize = 2048;
const LEARNING_RATE: f64 = 0.02;
/// Hidden units of the networks among which one that does as well is looked for, after the linear one.
const SIZES: [usize; 8] = [2, 4, 8, 16, 32, 64, 128, 256];

/// The smallest digital network that does as well as a physical one: a linear softmax, or one hidden layer
/// of tanh units, in powers of two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DigitalPeer {
    /// Its hidden units; none in a linear softmax.
    pub hidden_units: usize,
    /// Its accuracy on the test data.
    pub test_accuracy: f32,
    /// Multiply-adds of a classification.
    pub multiply_adds: u64,
}

/// The smallest network whose accuracy on the test data of `split` is at least `accuracy`; none where the
/// largest falls short. Larger networks are taken to do better.
#[must_use]
pub fn digital_peer(
    split: &Split,
    accuracy: f32,
    seed: u64,
    backend: &Device,
) -> Option<DigitalPeer> {
    let peer = |hidden_units: usize| {
        let test_accuracy = train(split, (hidden_units > 0).then_some(hidden_units), seed, backend);
        let (features, classes) = (split.train.features.nrows(), split.classes.len());
        let weights = match hidden_units {
            0 => features * classes,
            units => units * (features + classes),
        };
        DigitalPeer { hidden_units, test_accuracy, multiply_adds: weights as u64 }
    };
    let does = |peer: &DigitalPeer| peer.test_accuracy >= accuracy;
    let linear = peer(0);
    if does(&linear) {
        return Some(linear);
    }
    let (mut too_small, mut best) = (0, None);
    let mut enough = SIZES.len();
    while too_small < enough {
        let middle = usize::midpoint(too_small, enough);
        let tried = peer(SIZES[middle]);
        if does(&tried) {
            enough = middle;
            best = Some(tried);
        } else {
            too_small = middle + 1;
        }
    }
    best
}

/// Trains a linear softmax and a 64-unit tanh network on the encoded features of `split`.
#[must_use]
pub fn baselines(split: &Split, seed: u64, backend: &Device) -> Vec<Baseline> {
    [("linear softmax", None), ("digital MLP, 64 units", Some(64))]
        .into_iter()
        .map(|(name, hidden)| Baseline { name, test_accuracy: train(split, hidden, seed, backend) })
        .collect()
}

fn train(split: &Split, hidden: Option<usize>, seed: u64, backend: &Device) -> f32 {
    let (minimum, maximum) = split.train.extremes();
    let features = minimum.len();
    let encode = Encode::new(&minimum, &maximum, features, backend);
    let encoded = |data: &DMatrix<f32>| {
        let x = to_tensor(data, backend);
        encode.forward(&x, &mut Laboratory::default(), Source::Measured).unwrap_or(x)
    };
    let mut random = random::stream(seed, "baseline initialisation");
    let sizes: Vec<usize> =
        [Some(features), hidden, Some(split.classes.len())].into_iter().flatten().collect();
    let mut weights: Vec<Tensor<2>> = Vec::new();
    for pair in sizes.windows(2) {
        let bound = (1.0 / pair[0] as f32).sqrt();
        let values = (0..pair[0] * pair[1]).map(|_| random.random_range(-bound..bound)).collect();
        weights.push(from_vec(values, [pair[0], pair[1]], backend));
        weights.push(Tensor::zeros([1, pair[1]], backend));
    }
    let mut optimiser = Adam::default();
    // As a whole where it is no more than a batch: the others are encoded batch by batch, to save memory.
    let whole = (split.train.len() <= BATCH)
        .then(|| (encoded(&split.train.features), split.train.labels.clone()));
    let mut order: Vec<usize> = (0..split.train.len()).collect();
    for _ in 0..STEPS {
        let (train, labels) = whole.clone().unwrap_or_else(|| {
            let (chosen, _) = order.partial_shuffle(&mut random, BATCH);
            let batch = split.train.choose(chosen);
            (encoded(&batch.features), batch.labels)
        });
        let tracked: Vec<Tensor<2>> =
            weights.iter().map(|weight| weight.clone().autodiff().require_grad()).collect();
        let logits = forward(Tensor::from_inner(train), &tracked);
        let (_, cotangent) = cross_entropy(&logits.clone().inner(), &labels);
        let mut gradients = (logits * Tensor::from_inner(cotangent)).sum().backward();
        let gradients = tracked
            .iter()
            .map(|weight| {
                let gradient = weight.grad_remove(&mut gradients);
                gradient.expect("every weight is part of the logits")
            })
            .collect();
        optimiser.step(repeat(LEARNING_RATE), weights.iter_mut().collect(), gradients);
    }
    let logits = forward(encoded(&split.test.features), &weights);
    accuracy(&predictions(&logits), &split.test.labels)
}

fn forward(x: Tensor<2>, weights: &[Tensor<2>]) -> Tensor<2> {
    let last = weights.len() / 2 - 1;
    weights.chunks_exact(2).enumerate().fold(x, |x, (layer, pair)| {
        let z = x.matmul(pair[0].clone()) + pair[1].clone();
        if layer < last { z.tanh() } else { z }
    })
}
