//! An ensemble whose members keep learning.

use burn::tensor::Device;

use super::Learner;
use super::network::NetworkLearner;
use crate::ensemble::Ensemble;
use crate::error::CalibrationError;
use crate::neural::NeuralTwin;
use crate::shots::Run;
use crate::state::{State, as_part, take_part};
use crate::twin::DigitalTwin;

/// Copies of an ensemble's members that learn, each for itself.
pub(crate) struct EnsembleLearner {
    members: Vec<NetworkLearner<NeuralTwin>>,
}

impl EnsembleLearner {
    /// Of copies of `members`, at least one.
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

    /// Returns the members' mean error, each on its own.
    fn learn(&mut self, runs: &[&Run], rate: f64) -> Result<f32, CalibrationError> {
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
        let members = self.members.iter().map(|member| member.network().clone()).collect();
        Box::new(Ensemble::new(members).expect("it has the members that it was made of"))
    }
}
