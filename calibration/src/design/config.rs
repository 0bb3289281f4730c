//! The designs, and drawing from them.

use nalgebra::DMatrix;
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::{Interface, random, validate};

use super::task_like::{self, TaskDrives, TaskLikeConfig};
use super::{latin_hypercube, sobol, uniform};
use crate::ensemble::EnsembleConfig;
use crate::error::CalibrationError;
use crate::fit::FitConfig;
use crate::neural::NeuralTwinConfig;

/// A sampling design; in a recipe, `design = "uniform"` or `design = { task_like = {…} }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DesignConfig {
    /// Every channel uniform over its range, independently.
    Uniform,
    /// Every channel stratified: with N shots, each of N equal slices of its range is hit once
    /// (McKay, Beckman & Conover, Technometrics 21, 239, 1979).
    LatinHypercube,
    /// Points of an Owen-scrambled Sobol sequence, which fill also pairs of channels evenly; best with a
    /// power of two of shots.
    Sobol,
    /// Drives that the network will ask for, parameters around their initialisation.
    TaskLike(TaskLikeConfig),
    /// Shots where twins of the earlier ones disagree.
    Active(ActiveConfig),
}

/// How active shots are chosen; in a recipe, `design = { active = {} }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ActiveConfig {
    /// The design of the first shots, of the candidates, and of the shots that judge the twin.
    pub from: Box<DesignConfig>,
    /// Share of the shots that follow it.
    #[serde(deserialize_with = "validate::open_fraction")]
    pub start: f64,
    /// Rounds in which the others are chosen.
    #[serde(deserialize_with = "validate::count")]
    pub rounds: usize,
    /// Candidates a shot.
    #[serde(deserialize_with = "validate::count")]
    pub candidates: usize,
    /// The twins that disagree.
    pub ensemble: EnsembleConfig,
    /// Their fit.
    pub fit: FitConfig,
}

impl Default for ActiveConfig {
    fn default() -> Self {
        Self {
            from: Box::new(DesignConfig::Uniform),
            start: 0.25,
            rounds: 3,
            candidates: 8,
            ensemble: EnsembleConfig {
                members: 3,
                member: NeuralTwinConfig { width: 64, depth: 1, ..Default::default() },
            },
            fit: FitConfig { batch: 64, ..FitConfig::default() },
        }
    }
}

impl DesignConfig {
    /// Draws `shots` shots for a device: inputs `[n_inputs × shots]` and parameters
    /// `[n_parameters × shots]`, in its units and ranges and in random order. `task` is what the
    /// network will ask for; only [`TaskLike`](Self::TaskLike) needs it. An active design draws what it
    /// starts from; its other shots come of measurements ([`ActiveConfig::measure`]).
    ///
    /// # Errors
    /// [`CalibrationError::TooFewShots`] where a task-like design has no task to look at.
    pub fn draw(
        &self,
        interface: &Interface,
        shots: usize,
        task: Option<&TaskDrives>,
        seed: u64,
    ) -> Result<(DMatrix<f32>, DMatrix<f32>), CalibrationError> {
        let width = interface.inputs.len();
        let channels = interface.inputs.clone().and(interface.parameters.clone());
        let mut random = random::stream(seed, "calibration design");
        let mut drives = match self {
            Self::Uniform => uniform::draw(&channels, shots, &mut random),
            Self::LatinHypercube => latin_hypercube::draw(&channels, shots, &mut random),
            Self::Sobol => sobol::draw(&channels, shots, &mut random),
            Self::Active(config) => return config.from.draw(interface, shots, task, seed),
            Self::TaskLike(config) => {
                let task = task.ok_or_else(|| {
                    CalibrationError::TooFewShots(
                        "a task-like design needs the network's drives, and there are none; choose the design `latin_hypercube`".to_owned(),
                    )
                })?;
                task_like::draw(config, task, &channels, shots, &mut random)
            }
        };
        // Validation and test shots are taken from the end, so the order must carry no meaning.
        let mut order: Vec<usize> = (0..shots).collect();
        order.shuffle(&mut random);
        drives = drives.select_columns(&order);
        let inputs = drives.rows(0, width).into_owned();
        let parameters = drives.rows(width, channels.len() - width).into_owned();
        Ok((inputs, parameters))
    }
}
