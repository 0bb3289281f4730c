//! How often a rule goes through a network in a training step: what its host time and energy come from.

use super::{Inference, Layers, Rule, RulesConfig};
use crate::network::Network;

/// Passes through a whole network that a step takes for each of its samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Passes {
    /// Forward, each of them measured where the rule measures.
    pub forward: f64,
    /// Vector-Jacobian products.
    pub backward: f64,
}

impl RulesConfig {
    /// Those of `rule` with its options on `network`.
    #[must_use]
    pub fn passes(&self, rule: Rule, network: &Network) -> Passes {
        let layers = Layers::of(network).count();
        let coding = &self.predictive_coding;
        let steps = coding.steps.unwrap_or(layers);
        let (forward, backward) = match (rule, coding.algorithm) {
            (Rule::PredictiveCoding, Inference::FixedPrediction) => {
                // One layer more in every sweep, until the error has reached the lowest.
                let products: usize = (1..=steps).map(|sweep| sweep.min(layers - 1)).sum();
                (1.0, 1.0 + products as f64 / layers as f64)
            }
            (Rule::PredictiveCoding, Inference::Strict) => {
                ((2 + steps) as f64, 1.0 + (steps * (layers - 1)) as f64 / layers as f64)
            }
            (Rule::Spsa, _) => ((1 + 2 * self.spsa.directions) as f64, 0.0),
            (Rule::FiniteDifferences, _) => {
                let parameters = network.parameters();
                let elements =
                    parameters.iter().map(|(_, value)| value.dims()[0] * value.dims()[1]);
                ((1 + 2 * elements.sum::<usize>()) as f64, 0.0)
            }
            _ => (1.0, 1.0),
        };
        Passes { forward, backward }
    }
}
