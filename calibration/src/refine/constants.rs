//! An equation whose constants keep learning.

use burn::tensor::Device;
use nalgebra::{DMatrix, DVectorView};
use twinprop_devices::{Channels, Differentiable};

use super::Learner;
use crate::equation::EquationTwin;
use crate::error::CalibrationError;
use crate::identify::{ConstantFit, IdentifyConfig};
use crate::moments::deviations_above;
use crate::shots::Run;
use crate::state::State;
use crate::twin::DigitalTwin;

/// Deviation of an output whose readings hardly move, as a share of the mean of its bank: it must not
/// weigh more than all others.
const DEVIATION_FLOOR: f32 = 0.1;

/// A copy of an equation that learns its constants.
pub(crate) struct ConstantLearner {
    equation: Box<dyn Differentiable>,
    fit: ConstantFit,
}

impl ConstantLearner {
    /// Of `equation`; none where it has no constants.
    pub fn new(equation: Box<dyn Differentiable>, backend: &Device) -> Option<Self> {
        let fit = ConstantFit::new(&*equation, &[], backend);
        fit.has_constants().then_some(Self { equation, fit })
    }

    /// The equation on what it has learned.
    pub fn equation(&self) -> &dyn Differentiable {
        &*self.equation
    }

    /// A copy of it.
    pub fn copy(&self) -> Box<dyn Differentiable> {
        self.equation.clone()
    }
}

impl Learner for ConstantLearner {
    fn first_rate(&self) -> f64 {
        IdentifyConfig::default().learning_rate
    }

    fn steady_rate(&self) -> f64 {
        // A constant strays by about this.
        0.003
    }

    fn learn(&mut self, runs: &[&Run], rate: f64) -> Result<f32, CalibrationError> {
        if !self.fit.is_weighed() {
            self.fit.weigh_by(&deviations(runs, &self.equation.interface().outputs));
        }
        let error = self.fit.step(&mut *self.equation, runs, rate)?;
        if error.is_finite() {
            Ok(error)
        } else {
            Err(CalibrationError::RefinementDiverged { error })
        }
    }

    fn state(&self) -> State {
        self.fit.state()
    }

    fn restore(&mut self, state: State) -> Result<(), String> {
        self.fit.restore(state, &mut *self.equation)
    }

    fn twin(&self) -> Box<dyn DigitalTwin> {
        Box::new(EquationTwin::learned(self.copy()))
    }
}

/// Standard deviation of each output over `runs`, none much smaller than the others of its bank.
fn deviations(runs: &[&Run], outputs: &Channels) -> Vec<f32> {
    let columns: Vec<_> = runs.iter().flat_map(|run| run.outputs.column_iter()).collect();
    if columns.is_empty() {
        return Vec::new();
    }
    let scaled = outputs.in_binary_units(&DMatrix::from_columns(&columns));
    let floor = |bank: &[f32]| DEVIATION_FLOOR * DVectorView::from_slice(bank, bank.len()).mean();
    deviations_above(&scaled, outputs, floor)
}
