//! The contract of what learns.

use crate::error::CalibrationError;
use crate::shots::Run;
use crate::state::State;
use crate::twin::DigitalTwin;

/// A twin's copy that learns from shots.
pub trait Learner: Send {
    /// Adam's learning rate in the first step of a fit, in the unit of what is learned.
    fn first_rate(&self) -> f64;

    /// Adam's learning rate for steps that have no end, beside the twin's use.
    fn steady_rate(&self) -> f64;

    /// Takes one step on `runs` with Adam's learning rate `rate`. Returns the mean squared error
    /// before it, in units of each channel's variance.
    ///
    /// # Errors
    /// [`CalibrationError::RefinementDiverged`] where the step would leave the real numbers; what was
    /// learned before stays.
    fn learn(&mut self, runs: &[&Run], rate: f64) -> Result<f32, CalibrationError>;

    /// What it is made of, for a later process.
    fn state(&self) -> State;

    /// Restores what [`state`](Self::state) gave.
    ///
    /// # Errors
    /// In words, where something is missing.
    fn restore(&mut self, state: State) -> Result<(), String>;

    /// What it has learned.
    fn twin(&self) -> Box<dyn DigitalTwin>;
}
