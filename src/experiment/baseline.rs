//! What digital methods reach on the same inputs: how much of a result is the physics'.

use burn::tensor::Device;

use super::digital_network::train;
use super::ridge;
use crate::data::{Split, Targets};
use crate::loss::Loss;
use crate::training::TestScore;

/// A digital method's result.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// What it is.
    pub name: &'static str,
    /// How well it does on the test data.
    pub test: TestScore,
}

/// A linear equaliser, for symbols: classes of a time series that are named by numbers. `None` for other classes.
#[must_use]
pub fn linear_equaliser(split: &Split) -> Option<Baseline> {
    let test = TestScore::of(ridge::equaliser(split)?, &[]);
    Some(Baseline { name: "linear equaliser", test })
}

/// Hidden units of the small network.
const HIDDEN: usize = 64;

/// A linear method (softmax for classes, ridge regression for values) and a network of 64 tanh units, trained by `loss`
/// on the encoded features of `split`.
#[must_use]
pub fn baselines(split: &Split, loss: &dyn Loss, seed: u64, backend: &Device) -> Vec<Baseline> {
    let in_unit = |score| TestScore::of(score, &split.schema.targets);
    let network = |hidden| in_unit(train(split, hidden, loss, seed, backend));
    let linear = match &split.train.targets {
        Targets::Classes(_) => Baseline { name: "linear softmax", test: network(0) },
        Targets::Values(_) => {
            Baseline { name: "ridge regression", test: in_unit(ridge::test(split, loss)) }
        }
    };
    vec![linear, Baseline { name: "digital MLP, 64 units", test: network(HIDDEN) }]
}
