//! Several neural twins of one device, fitted from different starts: their mean, and where they disagree.
//!
//! Where shots are few the networks go their own ways; so their spread tells where the next shots are
//! worth most (query by committee; Seung, Opper & Sompolinsky 1992), and their mean errs less than each.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use nalgebra::DMatrix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::{Interface, validate};

use crate::bridge::{to_tensor, to_vec};
use crate::error::CalibrationError;
use crate::fit::{FitConfig, fit_neural};
use crate::neural::{NeuralTwin, NeuralTwinConfig};
use crate::refine::{EnsembleLearner, Learner};
use crate::shots::Shots;
use crate::store::save_network;
use crate::twin::DigitalTwin;

/// How an ensemble is made; in a recipe, `twin = { ensemble = {} }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EnsembleConfig {
    /// Twins.
    #[serde(deserialize_with = "validate::count")]
    pub members: usize,
    /// Size of each.
    pub member: NeuralTwinConfig,
}

impl Default for EnsembleConfig {
    fn default() -> Self {
        Self { members: 3, member: NeuralTwinConfig::default() }
    }
}

/// Neural twins of one device, at least one.
#[derive(Clone)]
pub struct Ensemble {
    members: Vec<NeuralTwin>,
}

impl Ensemble {
    /// Of `members`; none of none.
    #[must_use]
    pub fn new(members: Vec<NeuralTwin>) -> Option<Self> {
        (!members.is_empty()).then_some(Self { members })
    }

    /// Fits every member to `shots`, from a start and in an order of its own; `progress` hears the
    /// passes done, of how many.
    ///
    /// # Errors
    /// As [`fit_neural`].
    pub fn fit(
        config: &EnsembleConfig,
        fit: &FitConfig,
        interface: &Interface,
        shots: &Shots,
        seed: u64,
        device: &Device,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Self, CalibrationError> {
        let passes = config.members * fit.epochs;
        let members = (0..config.members)
            .map(|member| {
                let seed = seed.wrapping_add((member as u64) << 40);
                let heard = |done, _| progress(member * fit.epochs + done, passes);
                let (twin, _) =
                    fit_neural(&config.member, fit, interface, shots, seed, device, heard)?;
                Ok(twin)
            })
            .collect::<Result<_, CalibrationError>>()?;
        Ok(Self { members })
    }

    /// How far the members disagree on each shot: the variance of their readings, in units of the
    /// readings' own, averaged over the outputs. `inputs` and `parameters` have a column a shot.
    #[must_use]
    pub fn disagreement(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DMatrix<f32>,
        device: &Device,
    ) -> Vec<f32> {
        let (x, theta) = (to_tensor(inputs, device), to_tensor(parameters, device));
        let readings: Vec<Tensor<2>> = self
            .members
            .iter()
            .map(|member| {
                let y = member.predict(x.clone(), theta.clone());
                self.members[0].normalise_readings(y)
            })
            .collect();
        let mean = average(readings.clone());
        let spread = readings.into_iter().map(|y| (y - mean.clone()).square());
        to_vec(average(spread.collect()).mean_dim(1))
    }
}

fn average(values: Vec<Tensor<2>>) -> Tensor<2> {
    let count = values.len() as f64;
    let sum = values.into_iter().reduce(|sum, value| sum + value);
    sum.expect("an ensemble has members") / count
}

impl DigitalTwin for Ensemble {
    fn interface(&self) -> &Interface {
        self.members[0].interface()
    }

    fn predict(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
        let readings = self.members.iter().map(|twin| twin.predict(x.clone(), theta.clone()));
        average(readings.collect())
    }

    fn vjp(
        &self,
        x: Tensor<2>,
        theta: Tensor<2>,
        y: Tensor<2>,
        dy: Tensor<2>,
    ) -> (Tensor<2>, Tensor<2>) {
        let of_members = self
            .members
            .iter()
            .map(|twin| twin.vjp(x.clone(), theta.clone(), y.clone(), dy.clone()));
        let (dx, dtheta) = of_members.unzip();
        (average(dx), average(dtheta))
    }

    fn multiply_adds(&self) -> u64 {
        self.members.iter().map(DigitalTwin::multiply_adds).sum()
    }

    fn learner(&self, backend: &Device) -> Option<Box<dyn Learner>> {
        Some(Box::new(EnsembleLearner::new(&self.members, backend)))
    }

    /// Saves each member as `NAME.0`, `NAME.1`, …
    fn save(&self, folder: &Path, name: &str) -> Result<(), CalibrationError> {
        for (number, member) in self.members.iter().enumerate() {
            save_network(member, folder, &format!("{name}.{number}"))?;
        }
        Ok(())
    }
}
