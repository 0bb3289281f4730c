//! A physics twin: a simulated device's equation and its adjoint.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use burn::tensor::{Device, Tensor};
use nalgebra::{DMatrix, DVector, DVectorView};
use twinprop_devices::neuromorphic::SpikeGradient;
use twinprop_devices::{
    Channels, Differentiable, Inside, Interface, LinearisedEquation, ShotsOfSettings,
};

use crate::bridge::{from_vec, into_tensor, to_matrix, to_vec, values};
use crate::error::CalibrationError;
use crate::identify::{ConstantFit, IdentifyConfig};
use crate::moments::deviations_above;
use crate::spiking::{save_slope, with_gradient};
use crate::state::State;
use crate::store::save_constants;
use crate::tensors::{TensorEquation, in_tensors};
use crate::twin::{DigitalTwin, Learner, Linearised};
use twinprop_devices::shots::ShotRun;

/// A simulated device's noiseless equation and its hand-written adjoint.
///
/// With the nominal constants it is the data sheet, known without a shot; with the fabricated constants
/// it is exact, the upper bound that `ideal` training uses.
pub struct EquationTwin {
    equation: Box<dyn Differentiable>,
    is_learned: bool,
    /// The same in tensors, on a backend that is not the CPU's.
    tensors: OnceLock<Option<Arc<dyn TensorEquation>>>,
}

impl EquationTwin {
    /// The twin of `equation`.
    #[must_use]
    pub fn new(equation: Box<dyn Differentiable>) -> Self {
        Self { equation, is_learned: false, tensors: OnceLock::new() }
    }

    /// The twin of `equation` after its constants were learned from shots: they are saved with it.
    #[must_use]
    pub fn learned(equation: Box<dyn Differentiable>) -> Self {
        Self { equation, is_learned: true, tensors: OnceLock::new() }
    }

    /// The equation.
    #[must_use]
    pub fn equation(&self) -> &dyn Differentiable {
        &*self.equation
    }

    /// The equation in tensors of `backend`.
    fn tensors(&self, backend: &Device) -> Option<&Arc<dyn TensorEquation>> {
        self.tensors.get_or_init(|| in_tensors(&*self.equation, backend)).as_ref()
    }

    /// A copy of the equation.
    pub(crate) fn copy(&self) -> Box<dyn Differentiable> {
        self.equation.clone()
    }
}

const FITS: &str = "a caller sizes x, theta and dy by the twin's interface";

impl DigitalTwin for EquationTwin {
    fn interface(&self) -> &Interface {
        self.equation.interface()
    }

    fn predict(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
        let device = x.device();
        if let Some(tensors) = self.tensors(&device) {
            return tensors.respond(x, theta);
        }
        let Interface { inputs, outputs, parameters, .. } = self.interface();
        let (shape, [count, of_setting]) = ([x.dims()[0], outputs.len()], theta.dims());
        assert_eq!([x.dims()[1], of_setting], [inputs.len(), parameters.len()], "{FITS}");
        let (x, theta) = (values(x), values(theta));
        let shots = ShotsOfSettings { count, inputs: &x, parameters: &theta };
        let mut y = vec![0.0; shape[0] * shape[1]];
        self.equation.respond_settings(shots, &mut y).expect(FITS);
        from_vec(y, shape, &device)
    }

    fn vjp(
        &self,
        x: Tensor<2>,
        theta: Tensor<2>,
        y: Tensor<2>,
        dy: Tensor<2>,
    ) -> (Tensor<2>, Tensor<2>) {
        let (device, shape) = (x.device(), theta.dims());
        if let Some(tensors) = self.tensors(&device) {
            return tensors.linearise(x, theta).vjp(y, dy);
        }
        let Interface { inputs, outputs, parameters, .. } = self.interface();
        let (of_x, [count, of_setting]) = (x.dims(), shape);
        assert_eq!([of_x[1], of_setting], [inputs.len(), parameters.len()], "{FITS}");
        assert_eq!(dy.dims(), [of_x[0], outputs.len()], "{FITS}");
        assert!(!self.uses_readings() || y.dims() == dy.dims(), "{FITS}");
        let (x, theta, dy) = (values(x), values(theta), values(dy));
        let shots = ShotsOfSettings { count, inputs: &x, parameters: &theta };
        let readings = self.uses_readings().then(|| values(y));
        let readings = readings.as_deref().unwrap_or(&[]);
        let (mut dx, mut dtheta) = (vec![0.0; x.len()], vec![0.0; theta.len()]);
        self.equation.vjp_settings(shots, readings, &dy, &mut dx, &mut dtheta).expect(FITS);
        (from_vec(dx, of_x, &device), from_vec(dtheta, shape, &device))
    }

    fn linearise(&self, x: Tensor<2>, theta: Tensor<2>) -> Option<Box<dyn Linearised>> {
        let (device, [settings, parameters]) = (x.device(), theta.dims());
        if let Some(tensors) = self.tensors(&device) {
            return Some(tensors.linearise(x, theta));
        }
        if settings > 1 {
            return None;
        }
        let (x, theta) = (to_matrix(x), DVector::from_vec(to_vec(theta)));
        let equation = self.equation.linearise(&x, &theta)?;
        let uses_readings = self.equation.uses_readings();
        Some(Box::new(LinearisedOnCpu {
            equation,
            uses_readings,
            inputs: x.shape(),
            parameters,
            device,
        }))
    }

    fn uses_readings(&self) -> bool {
        self.equation.uses_readings()
    }

    fn inside(&self, shots: &ShotRun) -> Vec<Inside> {
        self.equation.inside(&shots.inputs, &shots.parameters).expect(FITS)
    }

    fn multiply_adds(&self) -> u64 {
        self.equation.multiply_adds()
    }

    fn learner(&self, backend: &Device) -> Option<Box<dyn Learner>> {
        let learner = ConstantLearner::new(self.copy(), backend)?;
        Some(Box::new(learner))
    }

    fn with_spike_gradient(&self, gradient: SpikeGradient) -> Option<Box<dyn DigitalTwin>> {
        let equation = with_gradient(&*self.equation, gradient)?;
        let twin = Self { is_learned: self.is_learned, ..Self::new(equation) };
        Some(Box::new(twin))
    }

    /// Saves the constants, if they were learned, and the slope of a surrogate gradient.
    fn save(&self, folder: &Path, name: &str) -> Result<(), CalibrationError> {
        save_slope(self.equation(), folder, name)?;
        if self.is_learned { save_constants(self.equation(), folder, name) } else { Ok(()) }
    }
}

/// The readings `y`, for an equation that uses them; a matrix without rows for another, which saves their copies.
fn used_readings(y: Tensor<2>, are_used: bool) -> DMatrix<f32> {
    if are_used { to_matrix(y) } else { DMatrix::zeros(0, y.dims()[0]) }
}

/// The equation linearised on the CPU, at drives of one setting.
struct LinearisedOnCpu {
    equation: Box<dyn LinearisedEquation>,
    uses_readings: bool,
    /// Shape of the drives, `[n_inputs × shots]`.
    inputs: (usize, usize),
    parameters: usize,
    device: Device,
}

impl Linearised for LinearisedOnCpu {
    fn vjp(&self, y: Tensor<2>, dy: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let mut dx = DMatrix::zeros(self.inputs.0, self.inputs.1);
        let dtheta = self.pull_back(y, dy, Some(&mut dx));
        (into_tensor(dx, &self.device), dtheta)
    }

    fn parameter_vjp(&self, y: Tensor<2>, dy: Tensor<2>) -> Tensor<2> {
        self.pull_back(y, dy, None)
    }
}

impl LinearisedOnCpu {
    /// The cotangents of `theta`; those of `x` are written to `dx`.
    fn pull_back(&self, y: Tensor<2>, dy: Tensor<2>, dx: Option<&mut DMatrix<f32>>) -> Tensor<2> {
        let mut dtheta = DVector::zeros(self.parameters);
        let y = used_readings(y, self.uses_readings);
        self.equation.vjp(&y, &to_matrix(dy), dx, &mut dtheta);
        from_vec(dtheta.data.into(), [1, self.parameters], &self.device)
    }
}

/// Smallest deviation of an output, as a share of the mean of its bank: an output with almost constant
/// readings must not weigh more than all others.
const DEVIATION_FLOOR: f32 = 0.1;

/// A copy of an equation that learns its constants.
pub(crate) struct ConstantLearner {
    equation: Box<dyn Differentiable>,
    fit: ConstantFit,
}

impl ConstantLearner {
    /// A learner of `equation`; `None` where it has no constants.
    pub fn new(equation: Box<dyn Differentiable>, backend: &Device) -> Option<Self> {
        let fit = ConstantFit::new(&*equation, &[], backend);
        fit.has_constants().then_some(Self { equation, fit })
    }

    /// The equation with the learned constants.
    pub fn equation(&self) -> &dyn Differentiable {
        &*self.equation
    }

    /// A copy of the equation with the learned constants.
    pub fn copy(&self) -> Box<dyn Differentiable> {
        self.equation.clone()
    }
}

impl Learner for ConstantLearner {
    fn first_rate(&self) -> f64 {
        IdentifyConfig::default().learning_rate
    }

    fn steady_rate(&self) -> f64 {
        // Learned constants vary by about this share.
        0.003
    }

    fn learn(&mut self, runs: &[&ShotRun], rate: f64) -> Result<f32, CalibrationError> {
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

/// Standard deviation of each output over `runs`, not much smaller than that of its bank.
fn deviations(runs: &[&ShotRun], outputs: &Channels) -> Vec<f32> {
    let columns: Vec<_> = runs.iter().flat_map(|run| run.outputs.column_iter()).collect();
    if columns.is_empty() {
        return Vec::new();
    }
    let scaled = outputs.in_binary_units(&DMatrix::from_columns(&columns));
    let floor = |bank: &[f32]| DEVIATION_FLOOR * DVectorView::from_slice(bank, bank.len()).mean();
    deviations_above(&scaled, outputs, floor)
}
