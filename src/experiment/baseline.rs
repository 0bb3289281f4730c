//! What digital networks reach on the same inputs: how much of a result is the physics'.

use burn::tensor::{Device, Tensor};
use rand::RngExt;
use serde::Serialize;
use twinprop_calibration::AdamList;
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

/// Full-batch steps and learning rate of Adam; both networks have converged by then.
const STEPS: usize = 1000;
const LEARNING_RATE: f64 = 0.02;

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
    let encoded = |data: &nalgebra::DMatrix<f32>| {
        let x = to_tensor(data, backend);
        encode.forward(&x, &mut Laboratory::default(), Source::Measured).unwrap_or(x)
    };
    let (train, test) = (encoded(&split.train.features), encoded(&split.test.features));
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
    let mut optimiser = AdamList::new(weights.len());
    for _ in 0..STEPS {
        let tracked: Vec<Tensor<2>> =
            weights.iter().map(|weight| weight.clone().autodiff().require_grad()).collect();
        let logits = forward(Tensor::from_inner(train.clone()), &tracked);
        let (_, cotangent) = cross_entropy(&logits.clone().inner(), &split.train.labels);
        let mut gradients = (logits * Tensor::from_inner(cotangent)).sum().backward();
        let gradients = tracked
            .iter()
            .map(|weight| {
                let gradient = weight.grad_remove(&mut gradients);
                gradient.expect("every weight is part of the logits")
            })
            .collect();
        optimiser.step(LEARNING_RATE, weights.iter_mut().collect(), gradients);
    }
    accuracy(&predictions(&forward(test, &weights)), &split.test.labels)
}

fn forward(x: Tensor<2>, weights: &[Tensor<2>]) -> Tensor<2> {
    let last = weights.len() / 2 - 1;
    weights.chunks_exact(2).enumerate().fold(x, |x, (layer, pair)| {
        let z = x.matmul(pair[0].clone()) + pair[1].clone();
        if layer < last { z.tanh() } else { z }
    })
}
