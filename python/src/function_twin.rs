//! Python functions as a twin: a prediction and its vector-Jacobian product.

use std::sync::mpsc::Sender;
use std::sync::{Mutex, PoisonError};

use nalgebra::DMatrix;
use twinprop::burn::tensor::{Device as Backend, Tensor};
use twinprop::calibration::bridge::{to_matrix, to_tensor};
use twinprop::calibration::{CalibrationError, DigitalTwin};
use twinprop::devices::{DeviceError, Interface};

use crate::arrays::of_each_shot;
use crate::callback::{Argument, Call, Expected};
use crate::job::Message;

/// A twin of two registered functions, while a job uses it.
///
/// Both functions get `theta` with a row for every shot, or one for all.
pub struct FunctionTwin {
    interface: Interface,
    predict: u64,
    vjp: u64,
    job: Sender<Message>,
    /// What a function raised, in words.
    failed: Mutex<Option<String>>,
}

impl FunctionTwin {
    /// The twin of function `predict`, `(x, theta) -> y`, and function `vjp`, `(x, theta, dy) -> (dx, dtheta)` with a row of
    /// `dtheta` for each row of `theta`; the thread behind `job` calls both.
    pub fn new(interface: Interface, predict: u64, vjp: u64, job: Sender<Message>) -> Self {
        Self { interface, predict, vjp, job, failed: Mutex::new(None) }
    }

    fn call(
        &self,
        number: u64,
        arguments: Vec<DMatrix<f32>>,
        expected: Vec<Expected>,
    ) -> Vec<DMatrix<f32>> {
        let sizes: Vec<_> = expected.iter().map(|one| (one.channels, one.shots)).collect();
        let arguments = arguments.into_iter().map(Argument::Matrix).collect();
        let made = Call::new(number, arguments, expected).make(Some(self.job.clone()));
        made.unwrap_or_else(|problem| {
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(problem);
            let nan = |(rows, columns)| DMatrix::from_element(rows, columns, f32::NAN);
            sizes.into_iter().map(nan).collect()
        })
    }
}

impl DigitalTwin for FunctionTwin {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn predict(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
        let (x, theta) = (to_matrix(x), to_matrix(theta));
        let (shots, channels) = (x.ncols(), self.interface.outputs.len());
        let theta = rows_of(theta, shots);
        let expected = vec![Expected { name: "y", shots, channels }];
        to_tensor(&self.call(self.predict, vec![x, theta], expected)[0], &Backend::flex())
    }

    fn vjp(
        &self,
        x: Tensor<2>,
        theta: Tensor<2>,
        _y: Tensor<2>,
        dy: Tensor<2>,
    ) -> (Tensor<2>, Tensor<2>) {
        let (x, theta, dy) = (to_matrix(x), to_matrix(theta), to_matrix(dy));
        let (shots, groups) = (x.ncols(), theta.ncols());
        let theta = rows_of(theta, shots);
        let Interface { inputs, parameters, .. } = &self.interface;
        let expected = vec![
            Expected { name: "dx", shots, channels: inputs.len() },
            Expected { name: "dtheta", shots: theta.ncols(), channels: parameters.len() },
        ];
        let found = self.call(self.vjp, vec![x, theta, dy], expected);
        let run = found[1].ncols() / groups;
        let summed = DMatrix::from_fn(parameters.len(), groups, |row, group| {
            found[1].view((row, group * run), (1, run)).sum()
        });
        (to_tensor(&found[0], &Backend::flex()), to_tensor(&summed, &Backend::flex()))
    }

    fn failure(&self) -> Option<CalibrationError> {
        let problem = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let device = self.interface.device.clone();
        Some(DeviceError::Host { device, problem }.into())
    }

    fn multiply_adds(&self) -> u64 {
        // Unknown; at least one for each pair of an input and an output.
        (self.interface.inputs.len() * self.interface.outputs.len()) as u64
    }
}

/// One setting as it is, several repeated for each shot of their runs.
fn rows_of(theta: DMatrix<f32>, shots: usize) -> DMatrix<f32> {
    if theta.ncols() <= 1 { theta } else { of_each_shot(&theta, shots) }
}
