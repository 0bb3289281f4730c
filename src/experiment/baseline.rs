//! What digital networks reach on the same inputs: how much of a result is the physics', and how large a
//! network does as well.

use std::iter::repeat;

use burn::tensor::{Device, Tensor};
use nalgebra::DMatrix;
use rand::RngExt;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use twinprop_calibration::Adam;
use twinprop_calibration::bridge::{from_vec, to_matrix, to_tensor};
use twinprop_devices::random;

use crate::data::Split;
use crate::loss::{CrossEntropy, Loss};
use crate::network::{DigitalStage, Encode};

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

/// The search for the smallest digital network that does as well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerSearch {
    /// The smallest of those tried that does as well, if one does.
    pub found: Option<DigitalPeer>,
    /// Those tried, in their order.
    pub tried: Vec<DigitalPeer>,
    /// Hidden units of the one for which there was no work left, if it ended for that.
    pub stopped_at: Option<usize>,
}

impl PeerSearch {
    /// What was found, and what not, and why.
    #[must_use]
    pub fn in_words(&self) -> String {
        let size = |units: usize| match units {
            0 => "a linear softmax".to_owned(),
            units => format!("{units} hidden units"),
        };
        let tried = self
            .tried
            .iter()
            .map(|peer| format!("{} {:.1} %", size(peer.hidden_units), 100.0 * peer.test_accuracy));
        let tried = match tried.collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "none was tried".to_owned(),
            tried => format!("tried were {tried}"),
        };
        let found = match &self.found {
            Some(peer) if self.stopped_at.is_some() => {
                format!("{} or fewer", size(peer.hidden_units))
            }
            Some(peer) => size(peer.hidden_units),
            None => "none found".to_owned(),
        };
        let stopped = self.stopped_at.map_or_else(String::new, |units| {
            format!(
                "; stopped before {}, which would have taken more than accounting.peer_share of the training's time",
                size(units)
            )
        });
        format!("{found}; {tried}{stopped}")
    }
}

/// Seconds that the training of a network of `features`, `hidden` units and `classes` takes on two cores,
/// reckoned. Beside the products, there and back, every value of a batch is picked and scaled, every unit has
/// its function, and a step has its own time.
fn seconds_of(features: usize, hidden: usize, classes: usize, batch: usize) -> f64 {
    const PASSES: usize = 3;
    const A_VALUE: usize = 20;
    let weights = match hidden {
        0 => features * classes,
        units => units * (features + classes),
    };
    let of_a_sample = PASSES * weights + A_VALUE * (features + hidden + classes);
    STEPS as f64 * (SECONDS_A_STEP + (batch * of_a_sample) as f64 / MULTIPLY_ADDS_A_SECOND)
}

/// Seconds of a step beside its arithmetic, and multiply-adds a second: measured were 1 ms, and 5 to 9 thousand
/// million.
const SECONDS_A_STEP: f64 = 1e-3;
const MULTIPLY_ADDS_A_SECOND: f64 = 5e9;

/// The smallest network whose accuracy on the test data of `split` is at least `accuracy`, among those that
/// can be trained in `budget` seconds together, as they are reckoned. Larger networks are taken to do better.
#[must_use]
pub fn digital_peer(
    split: &Split,
    accuracy: f32,
    budget: f64,
    seed: u64,
    backend: &Device,
) -> PeerSearch {
    let peer = |hidden_units: usize| {
        let test_accuracy = train(split, (hidden_units > 0).then_some(hidden_units), seed, backend);
        let (features, classes) = (split.train.features.nrows(), split.classes.len());
        let weights = match hidden_units {
            0 => features * classes,
            units => units * (features + classes),
        };
        DigitalPeer { hidden_units, test_accuracy, multiply_adds: weights as u64 }
    };
    let (features, classes) = (split.train.features.nrows(), split.classes.len());
    let batch = split.train.len().min(BATCH);
    let mut left = budget;
    let mut search = PeerSearch { found: None, tried: Vec::new(), stopped_at: None };
    // The linear one first, then by halves.
    let (mut too_small, mut enough) = (0, SIZES.len());
    let mut next = Some(0);
    while let Some(hidden) = next {
        left -= seconds_of(features, hidden, classes, batch);
        if left < 0.0 {
            search.stopped_at = Some(hidden);
            break;
        }
        let tried = peer(hidden);
        let does = tried.test_accuracy >= accuracy;
        search.tried.push(tried.clone());
        match (hidden, does) {
            (0, true) => enough = 0,
            (0, false) => {}
            (_, true) => enough = usize::midpoint(too_small, enough),
            (_, false) => too_small = usize::midpoint(too_small, enough) + 1,
        }
        if does {
            search.found = Some(tried);
        }
        next = (too_small < enough).then(|| SIZES[usize::midpoint(too_small, enough)]);
    }
    search
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
    let encoded = |data: &DMatrix<f32>| encode.forward(&to_tensor(data, backend), None);
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
        .then(|| (encoded(&split.train.features), split.train.targets.clone()));
    let mut order: Vec<usize> = (0..split.train.len()).collect();
    for _ in 0..STEPS {
        let (train, targets) = whole.clone().unwrap_or_else(|| {
            let (chosen, _) = order.partial_shuffle(&mut random, BATCH);
            let batch = split.train.choose(chosen);
            (encoded(&batch.features), batch.targets)
        });
        let tracked: Vec<Tensor<2>> =
            weights.iter().map(|weight| weight.clone().autodiff().require_grad()).collect();
        let logits = forward(Tensor::from_inner(train), &tracked);
        let (_, cotangent) = CrossEntropy.at(&logits.clone().inner(), &targets);
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
    CrossEntropy.score(&to_matrix(logits), &split.test.targets).value()
}

fn forward(x: Tensor<2>, weights: &[Tensor<2>]) -> Tensor<2> {
    let last = weights.len() / 2 - 1;
    weights.chunks_exact(2).enumerate().fold(x, |x, (layer, pair)| {
        let z = x.matmul(pair[0].clone()) + pair[1].clone();
        if layer < last { z.tanh() } else { z }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Dataset;

    /// Two classes on either side of a circle: no linear network tells them apart.
    fn circles() -> Split {
        let points = |count: usize| {
            let at = |sample: usize| {
                let (angle, radius) =
                    (0.7 * sample as f32, if sample.is_multiple_of(2) { 0.3 } else { 1.0 });
                [radius * angle.cos(), radius * angle.sin()]
            };
            let values: Vec<f32> = (0..count).flat_map(at).collect();
            let classes: Vec<usize> = (0..count).map(|sample| sample % 2).collect();
            Dataset::new(DMatrix::from_vec(2, count, values), classes)
        };
        Split::new(points(80), points(40))
    }

    #[test]
    fn the_search_for_a_peer_stays_within_its_budget_and_says_what_it_did() {
        let (split, device) = (circles(), Device::flex());
        let search = |budget| digital_peer(&split, 0.95, budget, 1, &device);
        let none = search(0.0);
        assert_eq!((none.tried.len(), none.stopped_at), (0, Some(0)));
        let linear = seconds_of(2, 0, 2, 80);
        let one = search(1.01 * linear);
        assert_eq!((one.tried.len(), one.stopped_at), (1, Some(SIZES[4])));
        assert!(one.found.is_none() && one.in_words().contains("accounting.peer_share"), "{one:?}");
        let all = search(f64::INFINITY);
        let found = all.found.clone().unwrap();
        assert!(found.test_accuracy >= 0.95 && found.hidden_units > 0 && all.stopped_at.is_none());
        let smaller = all.tried.iter().filter(|tried| tried.hidden_units < found.hidden_units);
        assert!(
            smaller.clone().count() > 0 && smaller.clone().all(|tried| tried.test_accuracy < 0.95)
        );
        assert_eq!(all, search(f64::INFINITY));
    }
}
