//! What a meta-training is told: a TOML file.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::validate;

use super::super::recipe::read_toml;
use crate::Error;
use crate::data::DataConfig;
use crate::rules::plasticity::{Coefficients, Term};

/// A recipe of `twinprop meta-train`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetaRecipe {
    /// Seed of everything random.
    #[serde(default)]
    pub seed: u64,
    /// Widths of the hidden layers, from the data up.
    pub hidden: Vec<usize>,
    /// Sharpness β of their soft rectifiers.
    #[serde(deserialize_with = "validate::positive")]
    pub beta: f64,
    /// What tasks are.
    pub tasks: TasksConfig,
    /// How Θ is learned.
    #[serde(default)]
    pub meta: MetaConfig,
    /// Data sets of one width; their classes are put side by side.
    pub data: Vec<DataConfig>,
}

/// A task: some of the classes, a few samples of each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TasksConfig {
    /// Share of each data set's classes, drawn by the seed, that the final tests are about and no episode.
    #[serde(deserialize_with = "validate::open_fraction")]
    pub held_out: f64,
    /// Classes of a task.
    #[serde(deserialize_with = "validate::count")]
    pub classes: usize,
    /// Samples of each to learn from.
    #[serde(deserialize_with = "validate::count")]
    pub training: usize,
    /// Samples of each to be asked about.
    #[serde(deserialize_with = "validate::count")]
    pub queries: usize,
}

/// How Θ is learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MetaConfig {
    /// Tasks learned from.
    #[serde(deserialize_with = "validate::count")]
    pub episodes: usize,
    /// Adam's learning rate.
    #[serde(deserialize_with = "validate::positive")]
    pub learning_rate: f64,
    /// Length of the gradient by Θ beyond which it is cut: an episode that all but diverges has a huge one.
    #[serde(deserialize_with = "validate::positive")]
    pub clip: f64,
    /// λ: weight of Σ |θ| beside the queries' loss.
    #[serde(deserialize_with = "validate::non_negative")]
    pub l1: f64,
    /// Θ at the start.
    pub start: Coefficients,
    /// The terms that the learned rule may have.
    pub terms: Vec<Term>,
    /// Held-out tasks that a rule is judged by.
    #[serde(deserialize_with = "validate::count")]
    pub tests: usize,
}

impl Default for MetaConfig {
    fn default() -> Self {
        Self {
            episodes: 600,
            learning_rate: 1e-3,
            clip: 1000.0,
            l1: 0.0,
            start: Coefficients::pseudo_gradient(1e-3),
            terms: Term::ALL.to_vec(),
            tests: 100,
        }
    }
}

impl MetaRecipe {
    /// Reads the recipe at `path` and applies `overrides`, each `key.of.value=value`.
    ///
    /// # Errors
    /// As [`Recipe::read`](crate::experiment::Recipe::read).
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self, Error> {
        read_toml(path, overrides, |recipe: &Self, _| {
            if recipe.data.is_empty() {
                return Err("key `data`: there is none; add a [[data]] table".to_owned());
            }
            if recipe.hidden.contains(&0) {
                return Err("key `hidden`: a layer has a unit at least".to_owned());
            }
            Ok(())
        })
    }

    /// The recipe with the user's paths replaced by where they were found, `folder` being its own.
    pub(super) fn located(mut self, folder: &Path, data_dir: Option<&Path>) -> Result<Self, Error> {
        for data in &mut self.data {
            data.source.make_absolute(folder, data_dir)?;
        }
        Ok(self)
    }
}
