//! A hybrid twin whose constants and weights keep learning.

use burn::tensor::Device;

use super::Learner;
use super::constants::ConstantLearner;
use super::network::NetworkLearner;
use crate::error::CalibrationError;
use crate::hybrid::HybridTwin;
use crate::neural::NeuralTwin;
use crate::shots::Run;
use crate::state::{State, as_part, take_part};
use crate::twin::DigitalTwin;

/// A copy of a hybrid twin: its equation learns from the readings, its network from what the equation
/// leaves of them.
pub(crate) struct HybridLearner {
    constants: ConstantLearner,
    network: Option<NetworkLearner<NeuralTwin>>,
}

impl HybridLearner {
    /// Of a copy of `twin`; none where its equation has no constants.
    pub fn new(twin: &HybridTwin, backend: &Device) -> Option<Self> {
        let constants = ConstantLearner::new(twin.copy_of_equation(), backend)?;
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

    fn learn(&mut self, runs: &[&Run], rate: f64) -> Result<f32, CalibrationError> {
        let error = self.constants.learn(runs, rate)?;
        let Some(network) = &mut self.network else { return Ok(error) };
        let equation = self.constants.equation();
        let left: Vec<Run> = runs
            .iter()
            .map(|run| {
                let mut explained = run.outputs.clone();
                equation.respond(&run.inputs, &run.parameters, &mut explained)?;
                Ok(Run { outputs: &run.outputs - explained, ..(*run).clone() })
            })
            .collect::<Result<_, CalibrationError>>()?;
        let left: Vec<&Run> = left.iter().collect();
        let slower = network.first_rate() / self.constants.first_rate();
        network.learn(&left, rate * slower)?;
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
        let network = self.network.as_ref().map(|network| network.network().clone());
        Box::new(HybridTwin::new(equation, network))
    }
}
