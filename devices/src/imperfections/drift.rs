//! Drift: constants that move while a device is used, as it warms up or ages.
//!
//! ```text
//! κ_i(t) = κ_i(0) + δ_i c(t / T)      δ_i ~ σ N(0, 1), drawn once a device
//! c(s) = min(s, 1) (ageing)   or   1 − exp(−3 s) (warming up)
//! ```
//!
//! Constants κ are relative to the data sheet, so σ is a share of what it says. Time is counted in
//! shots, or in the seconds that they take on the device.

use nalgebra::{DMatrix, DVector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{DeviceError, Differentiable, Interface, PhysicalLayer, Usage, random, validate};

/// How a device drifts; in a recipe, `drift = { deviation = 0.1, over = { shots = 1000000 } }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DriftConfig {
    /// Standard deviation σ of the final change of the constants.
    #[serde(deserialize_with = "validate::positive")]
    pub deviation: f64,
    /// Duration T of the drift.
    pub over: Span,
    /// Its course over time.
    #[serde(default)]
    pub course: DriftCourse,
}

/// A duration of use.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Span {
    /// In shots.
    Shots(#[serde(deserialize_with = "validate::positive")] f64),
    /// In seconds of shots.
    Seconds(#[serde(deserialize_with = "validate::positive")] f64),
}

/// The course of a drift over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DriftCourse {
    /// At a constant rate until T, then none.
    #[default]
    Ageing,
    /// Exponential: 95 % of the change within T.
    WarmingUp,
}

impl DriftCourse {
    /// Share of the change at `time`, in units of T.
    fn share(self, time: f64) -> f64 {
        match self {
            Self::Ageing => time.min(1.0),
            Self::WarmingUp => 1.0 - (-3.0 * time).exp(),
        }
    }
}

/// The change is made in so many equal parts, so that the constants are not set at every shot.
const POSITIONS: f64 = 1024.0;

/// How the constants of one device move while it is used.
#[derive(Clone, Debug)]
pub struct DriftPath {
    course: DriftCourse,
    /// T in shots.
    shots_of_drift: f64,
    /// κ(0) and δ.
    start: Vec<f32>,
    change: Vec<f32>,
}

impl DriftPath {
    /// The path of `device`, which is unused; `seed` draws the change of its constants.
    pub fn new(device: &dyn Differentiable, config: &DriftConfig, seed: u64) -> Self {
        let mut random = random::stream(seed, "drift");
        let start: Vec<f32> = device.constants().iter().map(|constant| constant.value).collect();
        let mut change = || (config.deviation * random::deviate(&mut random)) as f32;
        let change = start.iter().map(|_| change()).collect();
        let shots_of_drift = match config.over {
            Span::Shots(shots) => shots,
            Span::Seconds(seconds) => seconds / device.interface().seconds_per_shot,
        };
        Self { course: config.course, shots_of_drift, start, change }
    }

    /// How many of 1,024 equal parts of the change are made after `shots` shots.
    #[must_use]
    pub fn position_after(&self, shots: u64) -> f64 {
        (self.course.share(shots as f64 / self.shots_of_drift) * POSITIONS).floor()
    }

    /// The constants after `position` parts of the change.
    #[must_use]
    pub fn constants_at(&self, position: f64) -> Vec<f32> {
        let share = (position / POSITIONS) as f32;
        let constants = self.start.iter().zip(&self.change);
        constants.map(|(start, change)| start + share * change).collect()
    }
}

/// A device with drifting constants.
pub struct Drift<D> {
    device: D,
    path: DriftPath,
    shots: u64,
    /// Parts of the change made so far.
    position: f64,
}

impl<D: Differentiable> Drift<D> {
    /// `device`, unused; `seed` draws the change of its constants.
    pub fn new(device: D, config: &DriftConfig, seed: u64) -> Self {
        let path = DriftPath::new(&device, config, seed);
        Self { device, path, shots: 0, position: 0.0 }
    }

    /// How many of the next `most` shots, at least one, are played with the same constants.
    fn shots_until_a_move(&self, most: usize) -> usize {
        let now = self.path.position_after(self.shots);
        let moves = |next: &usize| self.path.position_after(self.shots + *next as u64) != now;
        (1..most).find(moves).unwrap_or(most)
    }

    /// Sets the constants for the next shot.
    fn settle(&mut self) {
        let position = self.path.position_after(self.shots);
        if position != self.position {
            self.position = position;
            self.device.set_constants(&self.path.constants_at(position));
        }
    }
}

impl<D: Differentiable> PhysicalLayer for Drift<D> {
    fn interface(&self) -> &Interface {
        self.device.interface()
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.settle();
        self.shots += inputs.ncols() as u64;
        self.device.measure(inputs, parameters, outputs)
    }

    /// The constants move between the shots as if each were measured alone.
    fn measure_each(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        let shots = self.interface().check_shapes_of_each(inputs, parameters, outputs)?;
        let mut first = 0;
        while first < shots {
            self.settle();
            let count = self.shots_until_a_move(shots - first);
            self.shots += count as u64;
            let columns = |matrix: &DMatrix<f32>| matrix.columns(first, count).into_owned();
            let mut readings = columns(outputs);
            self.device.measure_each(&columns(inputs), &columns(parameters), &mut readings)?;
            outputs.columns_mut(first, count).copy_from(&readings);
            first += count;
        }
        Ok(())
    }

    fn usage(&self) -> Usage {
        Usage { shots: self.shots, ..self.device.usage() }
    }

    fn resume(&mut self, usage: &Usage) {
        self.shots = usage.shots;
        self.device.resume(usage);
    }
}
