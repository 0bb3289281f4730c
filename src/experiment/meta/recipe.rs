//! The recipe of a meta-training: a TOML file.

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
    /// Seed of all random numbers.
    #[serde(default)]
    pub seed: u64,
    /// Widths of the hidden layers, from the input on.
    pub hidden: Vec<usize>,
    /// Sharpness β of the hidden layers' softplus, ln(1 + exp(βx)) / β.
    #[serde(deserialize_with = "validate::positive")]
    pub beta: f64,
    /// Size of the tasks.
    pub tasks: TasksConfig,
    /// How Θ is learned.
    #[serde(default)]
    pub meta: MetaConfig,
    /// Data sets with equally many features; the tasks draw from the classes of all.
    pub data: Vec<DataConfig>,
}

/// Size of a task: some classes, a few samples of each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TasksConfig {
    /// Share of each data set's classes, drawn by the seed, that is used only in the final tests.
    #[serde(deserialize_with = "validate::open_fraction")]
    pub held_out: f64,
    /// Classes per task.
    #[serde(deserialize_with = "validate::count")]
    pub classes: usize,
    /// Training samples per class.
    #[serde(deserialize_with = "validate::count")]
    pub training: usize,
    /// Query samples per class, which test what was learned.
    #[serde(deserialize_with = "validate::count")]
    pub queries: usize,
}

/// How Θ is learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MetaConfig {
    /// Number of episodes; each learns one task and updates Θ.
    #[serde(deserialize_with = "validate::count")]
    pub episodes: usize,
    /// Learning rate of Adam.
    #[serde(deserialize_with = "validate::positive")]
    pub learning_rate: f64,
    /// Largest norm of Θ's gradient; longer gradients, as in episodes that nearly diverge, are scaled down.
    #[serde(deserialize_with = "validate::positive")]
    pub clip: f64,
    /// Weight λ of the L1 penalty Σ |θ|, added to the loss of the queries.
    #[serde(deserialize_with = "validate::non_negative")]
    pub l1: f64,
    /// Initial Θ.
    pub start: Coefficients,
    /// Terms that the learned rule may use.
    pub terms: Vec<Term>,
    /// Number of held-out tasks that test a rule.
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
                return Err("key `data`: it is missing; add a [[data]] table".to_owned());
            }
            if recipe.hidden.contains(&0) {
                return Err("key `hidden`: a layer needs at least one unit".to_owned());
            }
            Ok(())
        })
    }

    /// The recipe with absolute data paths; relative paths are resolved from the recipe's `folder` and `data_dir`.
    pub(super) fn located(mut self, folder: &Path, data_dir: Option<&Path>) -> Result<Self, Error> {
        for data in &mut self.data {
            data.source.make_absolute(folder, data_dir)?;
        }
        Ok(self)
    }
}
