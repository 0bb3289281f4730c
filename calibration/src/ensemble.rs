//! Several neural twins of one device, fitted from different initial weights: their mean, and where they
//! disagree.
//!
//! Where shots are few, the networks differ. Their spread shows where further shots help most (query by
//! committee; Seung, Opper & Sompolinsky 1992), and their mean is usually better than each of them.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use nalgebra::DMatrix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::{Interface, validate};

use crate::bridge::{to_tensor, to_vec};
use crate::error::CalibrationError;
use crate::fit::FitConfig;
use crate::network_twin::NetworkLearner;
use crate::neural::{NeuralTwin, NeuralTwinConfig, Perceptron};
use crate::state::{State, as_part, take_part};
use crate::twin::{DigitalTwin, Learner};
use twinprop_devices::shots::{ShotRun, Shots};

/// How an ensemble is made; in a recipe, `twin = { ensemble = {} }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EnsembleConfig {
    /// Number of twins.
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
    /// An ensemble of `members`; `None` without members.
    #[must_use]
    pub fn new(members: Vec<NeuralTwin>) -> Option<Self> {
        (!members.is_empty()).then_some(Self { members })
    }

    /// Fits every member to `shots`, with initial weights and an order of the shots of its own;
    /// `progress` gets the passes that are done, and their number.
    ///
    /// # Errors
    /// As [`NetworkTwin::fit`](crate::NetworkTwin::fit), and [`CalibrationError::EmptyEnsemble`] without
    /// members.
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
                    NeuralTwin::fit(&config.member, fit, interface, shots, seed, device, heard)?;
                Ok(twin)
            })
            .collect::<Result<_, CalibrationError>>()?;
        Self::new(members).ok_or(CalibrationError::EmptyEnsemble)
    }

    /// How much the members disagree on each shot: the variance of their predictions over the variance
    /// of the readings, averaged over the outputs. `inputs` and `parameters` have a column a shot.
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
                self.members[0].units().normalise_readings(y)
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
    sum.expect("an ensemble has at least one member") / count
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
            member.save(folder, &format!("{name}.{number}"))?;
        }
        Ok(())
    }
}

/// Copies of an ensemble's members that learn, each on its own.
pub(crate) struct EnsembleLearner {
    members: Vec<NetworkLearner<Perceptron>>,
}

impl EnsembleLearner {
    /// Copies of `members`, of which there is at least one.
    pub fn new(members: &[NeuralTwin], backend: &Device) -> Self {
        Self { members: members.iter().map(|twin| NetworkLearner::new(twin, backend)).collect() }
    }
}

impl Learner for EnsembleLearner {
    fn first_rate(&self) -> f64 {
        self.members[0].first_rate()
    }

    fn steady_rate(&self) -> f64 {
        self.members[0].steady_rate()
    }

    /// Returns the mean of the members' errors.
    fn learn(&mut self, runs: &[&ShotRun], rate: f64) -> Result<f32, CalibrationError> {
        let mut sum = 0.0;
        for member in &mut self.members {
            sum += member.learn(runs, rate)?;
        }
        Ok(sum / self.members.len() as f32)
    }

    fn state(&self) -> State {
        let members = self.members.iter().enumerate();
        members.flat_map(|(place, member)| as_part(&place.to_string(), member.state())).collect()
    }

    fn restore(&mut self, mut state: State) -> Result<(), String> {
        let mut members = self.members.iter_mut().enumerate();
        members.try_for_each(|(place, member)| {
            member.restore(take_part(&mut state, &place.to_string()))
        })
    }

    fn twin(&self) -> Box<dyn DigitalTwin> {
        let members = self.members.iter().map(|member| member.network_twin().clone()).collect();
        Box::new(Ensemble::new(members).expect("an ensemble has at least one member"))
    }
}
