//! The sampling designs, and drawing from them.

use crate::by_name;
use nalgebra::DMatrix;
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::{Interface, random, validate};

use super::gaussian::{self, GaussianConfig};
use super::task_like::{self, TaskDrives, TaskLikeConfig};
use super::{latin_hypercube, raster, sobol, uniform};
use crate::ensemble::EnsembleConfig;
use crate::error::CalibrationError;
use crate::fit::FitConfig;
use crate::neural::NeuralTwinConfig;

/// A sampling design; in a recipe, `design = "uniform"` or `design = { task_like = {…} }`.
///
/// ```
/// use twinprop_calibration::design::DesignConfig;
/// use twinprop_devices::PhysicalLayer;
/// use twinprop_devices::mechanical::{Pendula, PendulaConfig};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let device = Pendula::nominal(&PendulaConfig { count: 3, ..Default::default() });
/// let interface = device.interface();
/// let (inputs, parameters) = DesignConfig::LatinHypercube.draw(interface, 64, None, 1)?;
/// assert_eq!(inputs.shape(), (interface.inputs.len(), 64));
/// assert_eq!(parameters.shape(), (interface.parameters.len(), 64));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(transform = by_name::in_schema)]
#[non_exhaustive]
pub enum DesignConfig {
    /// Every channel uniform over its range, independently.
    Uniform,
    /// Every channel stratified: with N shots, each of N equal slices of its range is hit once
    /// (McKay, Beckman & Conover, Technometrics 21, 239, 1979).
    LatinHypercube,
    /// Points of an Owen-scrambled Sobol sequence, which also fill pairs of channels evenly; best with
    /// a power of two of shots.
    Sobol,
    /// Inputs normal about the middle of their ranges, and parameters uniform over theirs.
    Gaussian(GaussianConfig),
    /// Drives of the network's task, and parameters about their initial values.
    TaskLike(TaskLikeConfig),
    /// Shots where twins that were fitted to the earlier shots disagree.
    Active(ActiveConfig),
}

/// How active shots are chosen; in a recipe, `design = { active = {} }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ActiveConfig {
    /// Design of the first shots, of the candidates, and of the shots that judge the twin.
    pub from: Box<DesignConfig>,
    /// Share of the shots that follow it, between 0 and 1.
    #[serde(deserialize_with = "validate::open_fraction")]
    pub start: f64,
    /// Rounds in which the other shots are chosen.
    #[serde(deserialize_with = "validate::count")]
    pub rounds: usize,
    /// Candidates a shot.
    #[serde(deserialize_with = "validate::count")]
    pub candidates: usize,
    /// The twins of a round.
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
    /// `[n_parameters × shots]`, in its units and ranges and in random order. Only
    /// [`TaskLike`](Self::TaskLike) needs `task`. An active design draws from the design that it
    /// starts from; its other shots follow from measurements: [`ActiveConfig::measure`].
    ///
    /// # Errors
    /// [`CalibrationError::TooFewShots`] for a task-like design without a task.
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
            Self::Gaussian(config) => gaussian::draw(config, width, &channels, shots, &mut random),
            Self::Active(config) => return config.from.draw(interface, shots, task, seed),
            Self::TaskLike(config) => {
                let task = task.ok_or_else(|| {
                    CalibrationError::TooFewShots(
                        "a task-like design needs the drives of a network's task, and none were given; choose the design `latin_hypercube`".to_owned(),
                    )
                })?;
                task_like::draw(config, task, &channels, shots, &mut random)
            }
        };
        raster::draw(&channels, &mut drives, &mut random);
        // Validation and test shots are taken from the end, so the order must carry no meaning.
        let mut order: Vec<usize> = (0..shots).collect();
        order.shuffle(&mut random);
        drives = drives.select_columns(&order);
        let inputs = drives.rows(0, width).into_owned();
        let parameters = drives.rows(width, channels.len() - width).into_owned();
        Ok((inputs, parameters))
    }
}
