//! What a classification and a training cost: shots, operations, energy, beside a digital network.

use serde::{Deserialize, Serialize};

use super::build::Experiment;
use super::digital_peer::{DigitalPeer, PeerSearch};
use super::recipe::{AccountingConfig, Recipe};
use crate::network::Source;
use crate::rules::Passes;

/// Shots, operations and energy of some work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Shots on all devices.
    pub shots: u64,
    /// Energy of the shots, in joules, where every device says what one takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_joules: Option<f64>,
    /// Multiply-adds on the host, to leading order.
    pub host_multiply_adds: u64,
    /// Energy of those, in joules.
    pub host_joules: f64,
}

/// A run's costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accounting {
    /// Of the classification of one sample on the devices.
    pub classification: Cost,
    /// Of the whole run: all shots, and the training's operations (not those of a calibration's fit).
    pub training: Cost,
    /// The smallest digital network that does as well; none where it was not looked for, or none of
    /// those tried does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digital_peer: Option<PeerCost>,
    /// Which digital networks were tried; nothing where none was looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_search: Option<PeerSearch>,
    /// Seconds that the training takes on two cores at the least, reckoned from its operations and, of real
    /// devices, from what a shot takes.
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

/// What a training takes at the least on two cores: seconds of a step beside its arithmetic, and multiply-adds
/// a second of steps and of simulated devices. Measured were 0.6 to 24 thousand million a second.
const SECONDS_A_STEP: f64 = 5e-4;
const TRAINED_A_SECOND: f64 = 25e9;
const SIMULATED_A_SECOND: f64 = 10e9;

/// Predictions of a twin, or forward passes of a digital stage, that its vector-Jacobian product takes.
const ADJOINT: f64 = 3.0;

impl Accounting {
    /// Adds the digital network that `search` found.
    pub(super) fn compare_with(&mut self, search: PeerSearch, config: &AccountingConfig) {
        let joules = |count: u64| count as f64 * config.joules_per_multiply_add;
        self.digital_peer = search
            .found
            .clone()
            .map(|network| PeerCost { joules: joules(network.multiply_adds), network });
        self.peer_search = Some(search);
    }

    /// Of `experiment`, trained as `recipe` says through the twins that it has; without a digital network.
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
