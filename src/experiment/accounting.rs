//! Costs of a classification and of a training: shots, operations and energy, compared with a digital network.

use serde::{Deserialize, Serialize};

use super::build::Experiment;
use super::digital_peer::{DigitalPeer, PeerSearch};
use super::recipe::{AccountingConfig, Recipe};
use crate::network::Source;
use crate::rules::Passes;

/// Shots, operations and energy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Shots on all devices.
    pub shots: u64,
    /// Energy of the shots, in joules; `None` unless the recipe states `joules_per_shot` for every device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_joules: Option<f64>,
    /// Multiply-adds on the CPU, to leading order.
    pub host_multiply_adds: u64,
    /// Energy of the multiply-adds, in joules.
    pub host_joules: f64,
}

/// Costs of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accounting {
    /// Cost of classifying one sample on the devices.
    pub classification: Cost,
    /// Cost of the whole run: all shots, and the operations of the training (without fitting the twins).
    pub training: Cost,
    /// The smallest digital network that does as well; `None` without a search, or if no network that was
    /// tried does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digital_peer: Option<PeerCost>,
    /// The digital networks that were tried; `None` without a search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_search: Option<PeerSearch>,
    /// Estimated least seconds of the training on two cores, from its operations and, for real devices, the
    /// time of a shot.
    #[serde(default)]
    pub reckoned_seconds: f64,
}

/// A digital network, and the energy of one of its classifications.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerCost {
    /// The network.
    #[serde(flatten)]
    pub network: DigitalPeer,
    /// Energy of its multiply-adds, in joules.
    pub joules: f64,
}

/// Estimate of a training's least time on two cores: overhead of a step in seconds, and multiply-adds per second
/// of steps and of simulated devices. Measured: 0.6e9 to 24e9 per second.
const SECONDS_A_STEP: f64 = 5e-4;
const TRAINED_A_SECOND: f64 = 25e9;
const SIMULATED_A_SECOND: f64 = 10e9;

/// Cost of a VJP, in forward passes of the same stage or twin.
const ADJOINT: f64 = 3.0;

impl Accounting {
    /// Adds the result of `search`, with the energy of the network that it found.
    pub(super) fn compare_with(&mut self, search: PeerSearch, config: &AccountingConfig) {
        let joules = |count: u64| count as f64 * config.joules_per_multiply_add;
        self.digital_peer = search
            .found
            .clone()
            .map(|network| PeerCost { joules: joules(network.multiply_adds), network });
        self.peer_search = Some(search);
    }

    /// Costs of training `experiment` by `recipe` with its present twins; without a digital peer.
    pub(super) fn of(experiment: &Experiment, recipe: &Recipe) -> Self {
        let Experiment { network, laboratory, split, .. } = experiment;
        let joules = |count: u64| count as f64 * recipe.accounting.joules_per_multiply_add;
        let stages = || network.stages.iter();
        let mut shots_of = vec![0; laboratory.instruments.len()];
        for stage in stages() {
            if let Some(physical) = stage.physical() {
                shots_of[physical.instrument()] += physical.shots() as u64;
            }
        }
        let energy_of = |shots: &[u64]| -> Option<f64> {
            let entries = recipe.devices.values();
            entries.zip(shots).map(|(entry, &n)| Some(entry.joules_per_shot? * n as f64)).sum()
        };
        let digital: u64 = stages().map(|stage| stage.multiply_adds()).sum();
        let classification = Cost {
            shots: shots_of.iter().sum(),
            device_joules: energy_of(&shots_of),
            host_multiply_adds: digital,
            host_joules: joules(digital),
        };
        let twins: u64 = laboratory
            .instruments
            .iter()
            .zip(&shots_of)
            .map(|(instrument, shots)| {
                let twin = instrument.twin.as_deref();
                twin.map_or(0, |twin| twin.multiply_adds()) * shots
            })
            .sum();
        let training = &recipe.training;
        let rule = training.rules.start(training.rule, recipe.seed, training.parts);
        let Passes { forward, backward } = rule.passes(network);
        let predicted = if training.rule.forward() == Source::Predicted { forward } else { 0.0 };
        let adjoint = backward * ADJOINT;
        let of_a_sample =
            (forward + adjoint) * digital as f64 + (predicted + adjoint) * twins as f64;
        let steps = ((training.epochs * split.train.len()) as f64 * of_a_sample) as u64;
        let played: Vec<u64> =
            laboratory.instruments.iter().map(|one| one.device.shots()).collect();
        let of_devices: f64 = laboratory
            .instruments
            .iter()
            .map(|instrument| match &instrument.exact {
                Some(equation) => {
                    let count = equation.multiply_adds() as f64;
                    instrument.device.shots() as f64 * count / SIMULATED_A_SECOND
                }
                None => instrument.device.device_seconds(),
            })
            .sum();
        let count = training.epochs * split.train.len().div_ceil(training.batch);
        let reckoned_seconds =
            count as f64 * SECONDS_A_STEP + steps as f64 / TRAINED_A_SECOND + of_devices;
        let training = Cost {
            shots: laboratory.shots(),
            device_joules: energy_of(&played),
            host_multiply_adds: steps,
            host_joules: joules(steps),
        };
        Self { classification, training, digital_peer: None, peer_search: None, reckoned_seconds }
    }
}
