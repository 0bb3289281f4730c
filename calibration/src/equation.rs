//! A twin by physics: a simulated device's equation and its adjoint.

use burn::tensor::Tensor;
use nalgebra::{DMatrix, DVector};
use twinprop_devices::{Differentiable, Interface};

use crate::bridge::{from_vec, to_matrix, to_tensor};
use crate::twin::DigitalTwin;

/// A simulated device's noiseless equation and its hand-written adjoint.
///
/// With the nominal constants it is what a lab knows without a shot; with the fabricated ones it is
/// never wrong, the upper bound that `ideal` training uses.
pub struct EquationTwin {
    equation: Box<dyn Differentiable>,
}

impl EquationTwin {
    /// The twin of `equation`.
    #[must_use]
    pub fn new(equation: Box<dyn Differentiable>) -> Self {
        Self { equation }
    }
}

const FITS: &str = "a caller sizes x, theta and dy by the twin's interface";

impl DigitalTwin for EquationTwin {
    fn interface(&self) -> &Interface {
        self.equation.interface()
    }

    fn predict(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
        let device = x.device();
        let bins = self.interface().outputs.len();
        let (x, theta) = (to_matrix(x), to_matrix(theta));
        let run = x.ncols() / theta.ncols();
        let mut y = DMatrix::zeros(bins, x.ncols());
        let mut part = DMatrix::zeros(bins, run);
        for (group, theta) in theta.column_iter().enumerate() {
            let x = x.columns(group * run, run).into_owned();
            self.equation.respond(&x, &theta.into_owned(), &mut part).expect(FITS);
            y.columns_mut(group * run, run).copy_from(&part);
        }
        to_tensor(&y, &device)
    }

    fn vjp(&self, x: Tensor<2>, theta: Tensor<2>, dy: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let device = x.device();
        let [groups, width] = theta.dims();
        let (x, theta, dy) = (to_matrix(x), to_matrix(theta), to_matrix(dy));
        let run = x.ncols() / groups;
        let mut dx = DMatrix::zeros(x.nrows(), x.ncols());
        let mut part = DMatrix::zeros(x.nrows(), run);
        let mut dtheta = Vec::with_capacity(groups * width);
        let mut dparameters = DVector::zeros(width);
        for (group, theta) in theta.column_iter().enumerate() {
            let x = x.columns(group * run, run).into_owned();
            let dy = dy.columns(group * run, run).into_owned();
            self.equation
                .vjp(&x, &theta.into_owned(), &dy, &mut part, &mut dparameters)
                .expect(FITS);
            dx.columns_mut(group * run, run).copy_from(&part);
            dtheta.extend_from_slice(dparameters.as_slice());
        }
        (to_tensor(&dx, &device), from_vec(dtheta, [groups, width], &device))
    }
}
