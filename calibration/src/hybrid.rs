//! A hybrid twin: a device's equation, and a small network that learns the equation's error.
//!
//! ```text
//! y = f(x, θ; κ) + r(x, θ)        f: the equation, κ: its constants; r: a neural twin of y − f
//! ```
//!
//! The equation has a good gradient after few shots; the network adds the effects that the equation
//! lacks. If the network predicts the error on held-out shots no better than a constant, the twin omits
//! it: it was fitted to noise, and would degrade the gradient.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_devices::{Differentiable, Inside, Interface};

use crate::equation::{ConstantLearner, EquationTwin};
use crate::error::CalibrationError;
use crate::fit::FitConfig;
use crate::identify::{IdentifyConfig, identify};
use crate::network_twin::NetworkLearner;
use crate::neural::{NeuralTwin, NeuralTwinConfig, Perceptron};
use crate::state::{State, as_part, take_part};
use crate::store::save_constants;
use crate::twin::{DigitalTwin, Learner, predict};
use twinprop_devices::shots::{ShotRun, Shots};

/// How a hybrid twin is made; in a recipe, `twin = { hybrid = {} }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HybridConfig {
    /// How the equation's constants are learned.
    pub constants: IdentifyConfig,
    /// Size of the network.
    pub residual: NeuralTwinConfig,
}

impl Default for HybridConfig {
    fn default() -> Self {
        let residual = NeuralTwinConfig { width: 32, depth: 1, ..Default::default() };
        Self { constants: IdentifyConfig::default(), residual }
    }
}

/// An equation, and a network for the remainder of the readings.
pub struct HybridTwin {
    equation: EquationTwin,
    residual: Option<NeuralTwin>,
}

/// The network is used where its error is below this share of the remainder's variance.
const WORTH_IT: f32 = 0.97;

impl HybridTwin {
    /// A twin of fitted parts.
    #[must_use]
    pub fn new(equation: Box<dyn Differentiable>, residual: Option<NeuralTwin>) -> Self {
        Self { equation: EquationTwin::new(equation), residual }
    }

    /// Learns the constants of `equation`, then fits the network to the remainder of the readings of
    /// `shots`. `progress` gets the passes that are done, and their number.
    ///
    /// # Errors
    /// As [`identify`] and [`NetworkTwin::fit`](crate::NetworkTwin::fit).
    pub fn fit(
        mut equation: Box<dyn Differentiable>,
        config: &HybridConfig,
        fit: &FitConfig,
        shots: &Shots,
        seed: u64,
        device: &Device,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Self, CalibrationError> {
        let passes = config.constants.epochs + fit.epochs;
        identify(&mut *equation, &config.constants, shots, seed, device, |done, _| {
            progress(done, passes);
        })?;
        let interface = equation.interface().clone();
        let equation = EquationTwin::new(equation);
        let explained = predict(&equation, &shots.inputs, &shots.parameters, device);
        let remainder = Shots { outputs: &shots.outputs - explained, ..shots.clone() };
        let (residual, history) = NeuralTwin::fit(
            &config.residual,
            fit,
            &interface,
            &remainder,
            seed,
            device,
            |done, _| {
                progress(config.constants.epochs + done, passes);
            },
        )?;
        let best = history.validation.iter().copied().fold(f32::INFINITY, f32::min);
        Ok(Self { equation, residual: (best < WORTH_IT).then_some(residual) })
    }

    /// The equation, on its constants.
    #[must_use]
    pub fn equation(&self) -> &dyn Differentiable {
        self.equation.equation()
    }

    /// The network, unless it was left out.
    #[must_use]
    pub fn residual(&self) -> Option<&NeuralTwin> {
        self.residual.as_ref()
    }
}

impl DigitalTwin for HybridTwin {
    fn interface(&self) -> &Interface {
        self.equation.interface()
    }

    fn predict(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
        let explained = self.equation.predict(x.clone(), theta.clone());
        match &self.residual {
            Some(residual) => explained + residual.predict(x, theta),
            None => explained,
        }
    }

    fn vjp(
        &self,
        x: Tensor<2>,
        theta: Tensor<2>,
        y: Tensor<2>,
        dy: Tensor<2>,
    ) -> (Tensor<2>, Tensor<2>) {
        let (dx, dtheta) = self.equation.vjp(x.clone(), theta.clone(), y.clone(), dy.clone());
        match &self.residual {
            Some(residual) => {
                // A neural twin's derivative does not depend on the readings.
                let (more_dx, more_dtheta) = residual.vjp(x, theta, y, dy);
                (dx + more_dx, dtheta + more_dtheta)
            }
            None => (dx, dtheta),
        }
    }

    fn uses_readings(&self) -> bool {
        self.equation.uses_readings()
    }

    fn inside(&self, shots: &ShotRun) -> Vec<Inside> {
        self.equation.inside(shots)
    }

    fn multiply_adds(&self) -> u64 {
        let residual = self.residual.as_ref().map_or(0, DigitalTwin::multiply_adds);
        self.equation.multiply_adds() + residual
    }

    fn learner(&self, backend: &Device) -> Option<Box<dyn Learner>> {
        Some(Box::new(HybridLearner::new(self, backend)?))
    }

    fn save(&self, folder: &Path, name: &str) -> Result<(), CalibrationError> {
        save_constants(self.equation(), folder, name)?;
        self.residual.as_ref().map_or(Ok(()), |residual| residual.save(folder, name))
    }
}

/// A copy of a hybrid twin that learns: its equation from the readings, its network from their
/// remainder.
pub(crate) struct HybridLearner {
    constants: ConstantLearner,
    network: Option<NetworkLearner<Perceptron>>,
}

impl HybridLearner {
    /// A copy of `twin`; `None` where its equation has no constants.
    pub fn new(twin: &HybridTwin, backend: &Device) -> Option<Self> {
        let constants = ConstantLearner::new(twin.equation.copy(), backend)?;
        let network = twin.residual().map(|residual| NetworkLearner::new(residual, backend));
        Some(Self { constants, network })
    }
}

impl Learner for HybridLearner {
    fn first_rate(&self) -> f64 {
        self.constants.first_rate()
    }

    fn steady_rate(&self) -> f64 {
        self.constants.steady_rate()
    }

    fn learn(&mut self, runs: &[&ShotRun], rate: f64) -> Result<f32, CalibrationError> {
        let error = self.constants.learn(runs, rate)?;
        let Some(network) = &mut self.network else { return Ok(error) };
        let equation = self.constants.equation();
        let remainders: Vec<ShotRun> = runs
            .iter()
            .map(|run| {
                let mut explained = run.outputs.clone();
                equation.respond(&run.inputs, &run.parameters, &mut explained)?;
                Ok(ShotRun { outputs: &run.outputs - explained, ..(*run).clone() })
            })
            .collect::<Result<_, CalibrationError>>()?;
        let remainders: Vec<&ShotRun> = remainders.iter().collect();
        let slower = network.first_rate() / self.constants.first_rate();
        network.learn(&remainders, rate * slower)?;
        Ok(error)
    }

    fn state(&self) -> State {
        let mut state = as_part("constants", self.constants.state());
        if let Some(network) = &self.network {
            state.extend(as_part("network", network.state()));
        }
        state
    }

    fn restore(&mut self, mut state: State) -> Result<(), String> {
        self.constants.restore(take_part(&mut state, "constants"))?;
        match &mut self.network {
            Some(network) => network.restore(take_part(&mut state, "network")),
            None => Ok(()),
        }
    }

    fn twin(&self) -> Box<dyn DigitalTwin> {
        let equation = self.constants.copy();
        let network = self.network.as_ref().map(|network| network.network_twin().clone());
        Box::new(HybridTwin::new(equation, network))
    }
}
