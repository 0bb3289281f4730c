//! The smallest digital network that does as well as the physical one.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::digital_network::{BATCH, STEPS, multiply_adds, train};
use crate::data::Split;
use crate::loss::Loss;
use crate::training::TestScore;

/// Hidden units of the networks among which one that does as well is looked for, after the linear one.
const SIZES: [usize; 8] = [2, 4, 8, 16, 32, 64, 128, 256];

/// The smallest digital network that does as well as a physical one: a linear network, or one hidden layer
/// of tanh units, in powers of two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DigitalPeer {
    /// Its hidden units; none in a linear network.
    pub hidden_units: usize,
    /// How well it does on the test data.
    #[serde(flatten)]
    pub test: TestScore,
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
            0 => "a linear network".to_owned(),
            units => format!("{units} hidden units"),
        };
        let tried = self.tried.iter().map(|peer| {
            let test = peer.test.measure().format(peer.test.value());
            format!("{} {test}", size(peer.hidden_units))
        });
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

/// Seconds that the training of a network of `features`, `hidden` units and `outputs` takes on two cores,
/// reckoned. Beside the products, there and back, every value of a batch is picked and scaled, every unit has
/// its function, and a step has its own time.
fn seconds_of(features: usize, hidden: usize, outputs: usize, batch: usize) -> f64 {
    const PASSES: usize = 3;
    const A_VALUE: usize = 20;
    let weights = multiply_adds(features, hidden, outputs);
    let of_a_sample = PASSES * weights + A_VALUE * (features + hidden + outputs);
    STEPS as f64 * (SECONDS_A_STEP + (batch * of_a_sample) as f64 / MULTIPLY_ADDS_A_SECOND)
}

/// Seconds of a step beside its arithmetic, and multiply-adds a second: measured were 1 ms, and 5 to 9 thousand
/// million.
const SECONDS_A_STEP: f64 = 1e-3;
const MULTIPLY_ADDS_A_SECOND: f64 = 5e9;

/// The smallest network whose test score is at least `enough`, among those that can be trained in `budget` seconds
/// together, as they are estimated. Larger networks are taken to do better.
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
        test: train(split, hidden_units, loss, seed, backend).into(),
        multiply_adds: multiply_adds(features, hidden_units, outputs) as u64,
    };
    let batch = split.train.len().min(BATCH);
    let mut left = budget;
    let mut search = PeerSearch { found: None, tried: Vec::new(), stopped_at: None };
    // The linear one first, then by halves.
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
