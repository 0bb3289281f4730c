//! What a classification and a training cost: shots, operations, energy, beside a digital network.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::validate;

use super::baseline::DigitalPeer;
use super::build::Experiment;
use super::recipe::Recipe;
use crate::network::Source;
use crate::rules::Passes;

/// What a run's energy is worked out from; in a recipe, `[accounting]`. A device's own is its
/// `joules_per_shot`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccountingConfig {
    /// Energy of a multiply-add on the host, in joules. As it stands: a multiplication and an addition of
    /// 32-bit floats in 45 nm, without the memory's share (Horowitz, ISSCC 2014, fig. 1.1.9).
    #[serde(deserialize_with = "validate::positive")]
    pub joules_per_multiply_add: f64,
    /// Whether the smallest digital network of the same accuracy is looked for.
    pub digital_peer: bool,
}

impl Default for AccountingConfig {
    fn default() -> Self {
        Self { joules_per_multiply_add: 4.6e-12, digital_peer: true }
    }
}

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

/// Predictions of a twin, or forward passes of a digital stage, that its vector-Jacobian product takes.
const ADJOINT: f64 = 3.0;

impl Accounting {
    /// Of `experiment`, trained as `recipe` says through the twins that it has.
    pub(super) fn of(experiment: &Experiment, recipe: &Recipe, peer: Option<DigitalPeer>) -> Self {
        let Experiment { network, laboratory, split, .. } = experiment;
        let joules = |count: u64| count as f64 * recipe.accounting.joules_per_multiply_add;
        let stages = || network.stages.iter();
        let mut shots_of = vec![0; laboratory.instruments.len()];
        for stage in stages() {
            if let Some(place) = stage.instrument() {
                shots_of[place] += stage.slots() as u64;
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
        let Passes { forward, backward } = training.rules.passes(training.rule, network);
        let predicted = if training.rule.forward() == Source::Predicted { forward } else { 0.0 };
        let adjoint = backward * ADJOINT;
        let of_a_sample =
            (forward + adjoint) * digital as f64 + (predicted + adjoint) * twins as f64;
        let steps = ((training.epochs * split.train.len()) as f64 * of_a_sample) as u64;
        let played: Vec<u64> =
            laboratory.instruments.iter().map(|one| one.device.shots()).collect();
        let training = Cost {
            shots: laboratory.shots(),
            device_joules: energy_of(&played),
            host_multiply_adds: steps,
            host_joules: joules(steps),
        };
        let digital_peer =
            peer.map(|network| PeerCost { joules: joules(network.multiply_adds), network });
        Self { classification, training, digital_peer }
    }
}
