//! Search for the smallest digital network that does as well as the physical one.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::digital_network::{BATCH, STEPS, multiply_adds, train};
use crate::data::Split;
use crate::loss::Loss;
use crate::training::TestScore;

/// Hidden units of the networks that the search may try, after the linear network.
const SIZES: [usize; 8] = [2, 4, 8, 16, 32, 64, 128, 256];

/// The smallest digital network that does as well as a physical one: a linear network, or one hidden layer
/// of tanh units, in powers of two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DigitalPeer {
    /// Hidden units; 0 for a linear network.
    pub hidden_units: usize,
    /// Test score.
    #[serde(flatten)]
    pub test: TestScore,
    /// Multiply-adds of an answer.
    pub multiply_adds: u64,
}

/// Result of the search for the smallest digital network that does as well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerSearch {
    /// The smallest network tried that does as well; `None` if no network does.
    pub found: Option<DigitalPeer>,
    /// The networks tried, in order.
    pub tried: Vec<DigitalPeer>,
    /// Hidden units of the network that the remaining time did not allow; `None` if the search was complete.
    pub stopped_at: Option<usize>,
}

impl PeerSearch {
    /// The result in words.
    #[must_use]
    pub fn in_words(&self) -> String {
        let size = |units: usize| match units {
            0 => "a linear network".to_owned(),
            units => format!("{units} hidden units"),
        };
        let tried = self.tried.iter().map(|peer| {
            let test = peer.test.measure().format(peer.test.value());
            format!("{} {test}", size(peer.hidden_units))
        });
        let tried = match tried.collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "none was tried".to_owned(),
            tried => format!("tried: {tried}"),
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
                "; stopped before {}: the search would take more than accounting.peer_share of the training's time",
                size(units)
            )
        });
        format!("{found}; {tried}{stopped}")
    }
}

/// Estimated seconds of training a network with `features`, `hidden` units and `outputs` on two cores: products of
/// the forward and backward pass, picking and scaling of every value, functions of the units, and overhead of a
/// step.
fn seconds_of(features: usize, hidden: usize, outputs: usize, batch: usize) -> f64 {
    const PASSES: usize = 3;
    const A_VALUE: usize = 20;
    let weights = multiply_adds(features, hidden, outputs);
    let of_a_sample = PASSES * weights + A_VALUE * (features + hidden + outputs);
    STEPS as f64 * (SECONDS_A_STEP + (batch * of_a_sample) as f64 / MULTIPLY_ADDS_A_SECOND)
}

/// Overhead of a step in seconds, and multiply-adds per second. Measured: 1 ms, and 5e9 to 9e9.
const SECONDS_A_STEP: f64 = 1e-3;
const MULTIPLY_ADDS_A_SECOND: f64 = 5e9;

/// Searches for the smallest network with a test score of at least `enough`. The estimated time of all trainings
/// stays within `budget` seconds. Assumes that larger networks do better.
#[must_use]
pub fn digital_peer(
    split: &Split,
    loss: &dyn Loss,
    enough: f32,
    budget: f64,
    seed: u64,
    backend: &Device,
) -> PeerSearch {
    let (features, outputs) = (split.train.features.nrows(), split.outputs());
    let peer = |hidden_units: usize| DigitalPeer {
        hidden_units,
        test: TestScore::of(train(split, hidden_units, loss, seed, backend), &split.schema.targets),
        multiply_adds: multiply_adds(features, hidden_units, outputs) as u64,
    };
    let batch = split.train.len().min(BATCH);
    let mut left = budget;
    let mut search = PeerSearch { found: None, tried: Vec::new(), stopped_at: None };
    // The linear network first, then bisection.
    let (mut too_small, mut large_enough) = (0, SIZES.len());
    let mut next = Some(0);
    while let Some(hidden) = next {
        left -= seconds_of(features, hidden, outputs, batch);
        if left < 0.0 {
            search.stopped_at = Some(hidden);
            break;
        }
        let tried = peer(hidden);
        let does = tried.test.value() >= enough;
        search.tried.push(tried.clone());
        match (hidden, does) {
            (0, true) => large_enough = 0,
            (0, false) => {}
            (_, true) => large_enough = usize::midpoint(too_small, large_enough),
            (_, false) => too_small = usize::midpoint(too_small, large_enough) + 1,
        }
        if does {
            search.found = Some(tried);
        }
        next = (too_small < large_enough).then(|| SIZES[usize::midpoint(too_small, large_enough)]);
    }
    search
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::DMatrix;

    use crate::data::Dataset;
    use crate::loss::CrossEntropy;

    /// Two classes, inside and outside a circle: no linear network separates them.
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
    fn the_search_for_a_peer_stays_within_its_budget_and_reports_what_it_tried() {
        let (split, device) = (circles(), Device::flex());
        let search =
            |budget| digital_peer(&split, &CrossEntropy::default(), 0.95, budget, 1, &device);
        let none = search(0.0);
        assert_eq!((none.tried.len(), none.stopped_at), (0, Some(0)));
        let linear = seconds_of(2, 0, 2, 80);
        let one = search(1.01 * linear);
        assert_eq!((one.tried.len(), one.stopped_at), (1, Some(SIZES[4])));
        assert!(one.found.is_none() && one.in_words().contains("accounting.peer_share"), "{one:?}");
        let all = search(f64::INFINITY);
        let found = all.found.clone().unwrap();
        assert!(found.test.value() >= 0.95 && found.hidden_units > 0 && all.stopped_at.is_none());
        let smaller = all.tried.iter().filter(|tried| tried.hidden_units < found.hidden_units);
        assert!(
            smaller.clone().count() > 0 && smaller.clone().all(|tried| tried.test.value() < 0.95)
        );
        assert_eq!(all, search(f64::INFINITY));
    }
}
