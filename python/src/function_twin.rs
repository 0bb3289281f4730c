//! Python functions as a twin: a prediction and its vector-Jacobian product.

use std::sync::mpsc::Sender;

use nalgebra::DMatrix;
use twinprop::calibration::{RemoteModel, RemoteTwin};
use twinprop::devices::{DeviceError, Interface};

use crate::arrays::of_each_shot;
use crate::callback::{Argument, Call, Expected};
use crate::job::Message;

/// The model of two registered functions, while a job uses it.
///
/// Both functions get `theta` with a row for every shot, or one for all.
pub struct Functions {
    interface: Interface,
    predict: u64,
    vjp: u64,
    job: Sender<Message>,
}

impl Functions {
    /// The twin of function `predict`, `(x, theta) -> y`, and function `vjp`, `(x, theta, dy) -> (dx, dtheta)` with a row of
    /// `dtheta` for each row of `theta`; the thread behind `job` calls both.
    pub fn twin(
        interface: Interface,
        predict: u64,
        vjp: u64,
        job: Sender<Message>,
    ) -> RemoteTwin<Self> {
        RemoteTwin::new(Self { interface, predict, vjp, job })
    }

    fn call(
        &self,
        number: u64,
        arguments: Vec<DMatrix<f32>>,
        expected: Vec<Expected>,
    ) -> Result<Vec<DMatrix<f32>>, DeviceError> {
        let arguments = arguments.into_iter().map(Argument::Matrix).collect();
        let made = Call::new(number, arguments, expected).make(Some(self.job.clone()));
        let device = &self.interface.device;
        made.map_err(|problem| DeviceError::Host { device: device.clone(), problem })
    }
}

impl RemoteModel for Functions {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn predict(&self, x: DMatrix<f32>, theta: DMatrix<f32>) -> Result<DMatrix<f32>, DeviceError> {
        let (shots, channels) = (x.ncols(), self.interface.outputs.len());
        let theta = rows_of(theta, shots);
        let expected = vec![Expected { name: "y", shots, channels }];
        Ok(self.call(self.predict, vec![x, theta], expected)?.swap_remove(0))
    }

    fn vjp(
        &self,
        x: DMatrix<f32>,
        theta: DMatrix<f32>,
        dy: DMatrix<f32>,
    ) -> Result<(DMatrix<f32>, DMatrix<f32>), DeviceError> {
        let (shots, groups) = (x.ncols(), theta.ncols());
        let theta = rows_of(theta, shots);
        let Interface { inputs, parameters, .. } = &self.interface;
        let expected = vec![
            Expected { name: "dx", shots, channels: inputs.len() },
            Expected { name: "dtheta", shots: theta.ncols(), channels: parameters.len() },
        ];
        let mut found = self.call(self.vjp, vec![x, theta, dy], expected)?;
        let run = found[1].ncols() / groups;
        let summed = DMatrix::from_fn(parameters.len(), groups, |row, group| {
            found[1].view((row, group * run), (1, run)).sum()
        });
        Ok((found.swap_remove(0), summed))
    }
}

/// One setting as it is, several repeated for each shot of their runs.
fn rows_of(theta: DMatrix<f32>, shots: usize) -> DMatrix<f32> {
    if theta.ncols() <= 1 { theta } else { of_each_shot(&theta, shots) }
}
