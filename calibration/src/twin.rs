//! The contracts of a digital twin, and of its copy that learns.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use nalgebra::DMatrix;
use twinprop_devices::neuromorphic::SpikeGradient;
use twinprop_devices::{Inside, Interface};

use crate::bridge::{to_matrix, to_tensor};
use crate::error::CalibrationError;
use crate::state::State;
use twinprop_devices::shots::ShotRun;

/// A differentiable model of one physical layer.
///
/// A twin of one's own needs an interface and a prediction; burn differentiates it:
///
/// ```
/// use twinprop_calibration::DigitalTwin;
/// use twinprop_calibration::bridge::{from_vec, to_vec};
/// use twinprop_calibration::burn::tensor::{Device, Tensor};
/// use twinprop_devices::{Channels, Interface};
///
/// /// An amplifier: y = θ x.
/// struct Amplifier {
///     interface: Interface,
/// }
///
/// impl DigitalTwin for Amplifier {
///     fn interface(&self) -> &Interface {
///         &self.interface
///     }
///
///     fn predict(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
///         x * theta
///     }
///
///     fn multiply_adds(&self) -> u64 {
///         1
///     }
/// }
///
/// let interface = Interface {
///     device: "amplifier".to_owned(),
///     inputs: Channels::bank("signal", 1, "V", -1.0, 1.0),
///     parameters: Channels::bank("gain", 1, "1", 0.0, 10.0),
///     outputs: Channels::bank("signal", 1, "V", -10.0, 10.0),
///     seconds_per_shot: 1e-3,
/// };
/// let twin = Amplifier { interface };
/// let backend = Device::flex();
/// // Two shots on one setting.
/// let x = from_vec(vec![0.5, -0.2], [2, 1], &backend);
/// let theta = from_vec(vec![3.0], [1, 1], &backend);
/// let y = twin.predict(x.clone(), theta.clone());
/// let dy = from_vec(vec![1.0, 1.0], [2, 1], &backend);
/// let (dx, dtheta) = twin.vjp(x, theta, y, dy);
/// assert_eq!(to_vec(dx), [3.0, 3.0]);
/// assert!((to_vec(dtheta)[0] - 0.3).abs() < 1e-6);
/// ```
///
/// Shots come in groups that share parameters: the rows of `x` are `groups` runs of equal length,
/// and row `g` of `theta` holds the parameters of run `g`. One group is a batch on one setting of
/// the device; as many groups as shots is a calibration, where every shot has its own.
pub trait DigitalTwin: Send + Sync {
    /// The interface of the device that the twin stands for.
    fn interface(&self) -> &Interface;

    /// Predicts measurements. `x`: `[shots, n_inputs]`; `theta`: `[groups, n_parameters]`, both in
    /// the device's units; returns `[shots, n_outputs]`. Differentiable by burn where
    /// [`vjp`](Self::vjp) is not overridden.
    fn predict(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2>;

    /// Vector-Jacobian product at (`x`, `theta`, `y`): the outputs' cotangents `dy`
    /// `[shots, n_outputs]` → cotangents of `x` `[shots, n_inputs]` and of `theta`
    /// `[groups, n_parameters]`.
    ///
    /// `y` `[shots, n_outputs]`, in the device's units, are the readings that the device gave at
    /// (`x`, `theta`) or, in silico, that the twin predicted. A twin needs them if its
    /// derivative depends on the readings, such as one of a spiking device, differentiated at its
    /// measured spike times; of this crate, the equation of an auto-ranging optical stack uses
    /// them.
    ///
    /// The default differentiates [`predict`](Self::predict) with burn; a twin with a cheaper
    /// adjoint overrides it.
    fn vjp(
        &self,
        x: Tensor<2>,
        theta: Tensor<2>,
        _y: Tensor<2>,
        dy: Tensor<2>,
    ) -> (Tensor<2>, Tensor<2>) {
        autodiff_vjp(self, x, theta, dy)
    }

    /// The part of [`vjp`](Self::vjp) at (`x`, `theta`) that needs no cotangents, done while the device
    /// plays; `None` for a twin where that part is small.
    fn linearise(&self, _x: Tensor<2>, _theta: Tensor<2>) -> Option<Box<dyn Linearised>> {
        None
    }

    /// Whether [`vjp`](Self::vjp) depends on the readings that it gets.
    fn uses_readings(&self) -> bool {
        false
    }

    /// What it predicts about places inside the device that no channel reads, for `shots`, a run of shots of one setting;
    /// nothing by default.
    fn inside(&self, _shots: &ShotRun) -> Vec<Inside> {
        Vec::new()
    }

    /// Multiply-adds of one shot's prediction, to leading order; a vector-Jacobian product takes about
    /// three times as many.
    fn multiply_adds(&self) -> u64;

    /// Why an earlier call of [`predict`](Self::predict) or [`vjp`](Self::vjp) failed, for a twin that is computed
    /// elsewhere; such a call has returned NaN. Asked before a result is used; an answer is given once.
    fn failure(&self) -> Option<CalibrationError> {
        None
    }

    /// A copy that keeps learning from shots on `backend` while the twin is used; `None` for a twin
    /// with nothing to learn.
    fn learner(&self, _backend: &Device) -> Option<Box<dyn Learner>> {
        None
    }

    /// The twin with another derivative of its spikes; `None` for a twin of a device without spikes.
    fn with_spike_gradient(&self, _gradient: SpikeGradient) -> Option<Box<dyn DigitalTwin>> {
        None
    }

    /// Saves what was fitted in files `NAME.…` of `folder`; by default nothing.
    ///
    /// # Errors
    /// [`CalibrationError::File`] names the file that could not be written.
    fn save(&self, _folder: &Path, _name: &str) -> Result<(), CalibrationError> {
        Ok(())
    }
}

/// A copy of a twin that learns from shots.
pub trait Learner: Send {
    /// Adam's learning rate in the first step of a fit, in the unit of the learned values.
    fn first_rate(&self) -> f64;

    /// Adam's learning rate while the twin is used, for steps that follow each other without an end.
    fn steady_rate(&self) -> f64;

    /// Takes one step on `runs` with Adam's learning rate `rate`. Returns the mean squared error
    /// before it, in units of each channel's variance.
    ///
    /// # Errors
    /// [`CalibrationError::RefinementDiverged`] where the error is not finite; the learner stays as it
    /// was before the step.
    fn learn(&mut self, runs: &[&ShotRun], rate: f64) -> Result<f32, CalibrationError>;

    /// The learned values and the optimiser's moments, for a later process.
    fn state(&self) -> State;

    /// Restores a [`state`](Self::state).
    ///
    /// # Errors
    /// Says which tensor is missing.
    fn restore(&mut self, state: State) -> Result<(), String>;

    /// A twin with what was learned so far.
    fn twin(&self) -> Box<dyn DigitalTwin>;
}

/// A twin linearised at one point; it stays valid when the twin changes.
pub trait Linearised: Send + Sync {
    /// The twin's [`vjp`](DigitalTwin::vjp) there, with the readings `y` and the outputs' cotangents
    /// `dy`, each `[shots, n_outputs]` → cotangents of `x` and `theta`.
    fn vjp(&self, y: Tensor<2>, dy: Tensor<2>) -> (Tensor<2>, Tensor<2>);

    /// The same for `theta` alone, where no stage before the device is trained.
    fn parameter_vjp(&self, y: Tensor<2>, dy: Tensor<2>) -> Tensor<2> {
        self.vjp(y, dy).1
    }
}

/// `twin` linearised at (`x`, `theta`): by [`DigitalTwin::linearise`] or, without it, by a later call of
/// [`DigitalTwin::vjp`].
#[must_use]
pub fn at_point(
    twin: &Arc<dyn DigitalTwin>,
    x: Tensor<2>,
    theta: Tensor<2>,
) -> Box<dyn Linearised> {
    twin.linearise(x.clone(), theta.clone())
        .unwrap_or_else(|| Box::new(AtPoint { twin: Arc::clone(twin), x, theta }))
}

/// A twin and a point, for a call of [`DigitalTwin::vjp`].
struct AtPoint {
    twin: Arc<dyn DigitalTwin>,
    x: Tensor<2>,
    theta: Tensor<2>,
}

impl Linearised for AtPoint {
    fn vjp(&self, y: Tensor<2>, dy: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        self.twin.vjp(self.x.clone(), self.theta.clone(), y, dy)
    }
}

/// The vector-Jacobian product of [`DigitalTwin::predict`] by burn's autodiff; operands as for
/// [`DigitalTwin::vjp`].
pub fn autodiff_vjp<T: DigitalTwin + ?Sized>(
    twin: &T,
    x: Tensor<2>,
    theta: Tensor<2>,
    dy: Tensor<2>,
) -> (Tensor<2>, Tensor<2>) {
    let x = x.autodiff().require_grad();
    let theta = theta.autodiff().require_grad();
    let y = twin.predict(x.clone(), theta.clone());
    let mut gradients = (y * Tensor::from_inner(dy)).sum().backward();
    // An operand that the prediction does not use has no gradient: it is zero.
    let dx = x.grad_remove(&mut gradients).unwrap_or_else(|| x.inner().zeros_like());
    let dtheta = theta.grad_remove(&mut gradients).unwrap_or_else(|| theta.inner().zeros_like());
    (dx, dtheta)
}

/// The twin's readings `[n_outputs × shots]` for shots with a parameter column each.
#[must_use]
pub fn predict(
    twin: &dyn DigitalTwin,
    inputs: &DMatrix<f32>,
    parameters: &DMatrix<f32>,
    backend: &Device,
) -> DMatrix<f32> {
    to_matrix(twin.predict(to_tensor(inputs, backend), to_tensor(parameters, backend)))
}
