//! A network whose weights keep learning.

use std::iter::repeat;

use burn::tensor::{Device, Tensor};

use super::Learner;
use crate::adam::Adam;
use crate::bridge::from_vec;
use crate::error::CalibrationError;
use crate::fit::{FitConfig, Network};
use crate::shots::Run;
use crate::state::{State, as_part, take, take_part};
use crate::twin::DigitalTwin;

/// A copy of a network that learns its weights.
pub(crate) struct NetworkLearner<N> {
    twin: N,
    optimiser: Adam,
    backend: Device,
}

impl<N: Network> NetworkLearner<N> {
    /// Of a copy of `twin`.
    pub fn new(twin: &N, backend: &Device) -> Self {
        Self { twin: twin.clone(), optimiser: Adam::default(), backend: backend.clone() }
    }

    /// The network with what it has learned.
    pub fn network(&self) -> &N {
        &self.twin
    }

    /// `values` of each run one below the other, `[rows, columns]`.
    fn stack<'a>(&self, values: impl Iterator<Item = &'a [f32]>, columns: usize) -> Tensor<2> {
        let values: Vec<f32> = values.flatten().copied().collect();
        let rows = values.len() / columns.max(1);
        from_vec(values, [rows, columns], &self.backend)
    }
}

impl<N: Network + DigitalTwin + 'static> Learner for NetworkLearner<N> {
    fn first_rate(&self) -> f64 {
        FitConfig::default().learning_rate
    }

    fn steady_rate(&self) -> f64 {
        self.first_rate()
    }

    fn learn(&mut self, runs: &[&Run], rate: f64) -> Result<f32, CalibrationError> {
        let Some(first) = runs.first() else { return Ok(0.0) };
        // Runs of one length are groups that share their parameters; otherwise each shot has its own.
        let is_even = runs.iter().all(|run| run.len() == first.len());
        let times = |run: &Run| if is_even { 1 } else { run.len() };
        let settings =
            runs.iter().flat_map(|run| std::iter::repeat_n(run.parameters.as_slice(), times(run)));
        let inputs = self.stack(runs.iter().map(|run| run.inputs.as_slice()), first.inputs.nrows());
        let settings = self.stack(settings, first.parameters.len());
        let readings =
            self.stack(runs.iter().map(|run| run.outputs.as_slice()), first.outputs.nrows());
        let (error, gradients) = self.twin.learn(inputs, settings, readings);
        let error = error.into_scalar::<f32>();
        if !error.is_finite() {
            return Err(CalibrationError::RefinementDiverged { error });
        }
        self.optimiser.step(repeat(rate), self.twin.weights_mut().iter_mut().collect(), gradients);
        Ok(error)
    }

    fn state(&self) -> State {
        let weights: Vec<&Tensor<2>> = self.twin.weights().iter().collect();
        let named = weights.iter().enumerate();
        let mut state: State =
            named.map(|(place, &weight)| (format!("weight.{place}"), weight.clone())).collect();
        state.extend(as_part("adam", self.optimiser.state(&weights)));
        state
    }

    fn restore(&mut self, mut state: State) -> Result<(), String> {
        for (place, weight) in self.twin.weights_mut().iter_mut().enumerate() {
            *weight = take(&mut state, &format!("weight.{place}"))?;
        }
        self.optimiser.restore(take_part(&mut state, "adam"))
    }

    fn twin(&self) -> Box<dyn DigitalTwin> {
        Box::new(self.twin.clone())
    }
}
