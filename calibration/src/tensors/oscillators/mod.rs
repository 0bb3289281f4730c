//! Coupled nonlinear oscillators in tensors.
//!
//! The equation is that of [`Oscillators`]. A shot is a row here, and the matrix is not formed: with r_j = Σ_i J_ij
//! and s = sin((1 + η) Q), row by row,
//!
//! ```text
//! a = s J − (1 + r) ∘ s + e
//! ```
//!
//! since J's diagonal cancels. The couplings' gradient is a single product over all stages, ∂L/∂J = sᵀ ∂L/∂a. Where a
//! backend runs kernels, all stages of up to about a thousand oscillators are one, forward and backward.

#[cfg(feature = "kernels")]
mod kernel;

use burn::tensor::{Device, Tensor};
use twinprop_devices::mechanical::{OscillatorConstants, Oscillators};

use super::equation::SettingEquation;
use super::nystrom::Nystrom;
use super::sums::{column_sums, parts_of};
use crate::bridge::from_vec;
use crate::twin::Linearised;

/// Coupled nonlinear oscillators on a backend.
pub struct OscillatorTensors {
    count: usize,
    nystrom: Nystrom,
    /// 1 + η.
    bend: f64,
    /// The fabricated copy's error of J, `[N, N]`.
    coupling_error: Option<Tensor<2>>,
}

impl OscillatorTensors {
    /// `oscillators` on `backend`.
    #[must_use]
    pub fn new(oscillators: &Oscillators, backend: &Device) -> Self {
        let OscillatorConstants { count, steps, step, bend, coupling_error } =
            oscillators.as_built();
        let coupling_error = coupling_error
            .map(|error| from_vec(error.as_slice().to_vec(), [count, count], backend));
        let nystrom = Nystrom { steps, step: f64::from(step) };
        Self { count, nystrom, bend: f64::from(bend), coupling_error }
    }

    /// J, r and e.
    fn couplings(&self, theta: &Tensor<2>) -> Couplings {
        let square = self.count * self.count;
        let free = theta.clone().narrow(1, 0, square).reshape([self.count, self.count]);
        let mut symmetric = (free.clone() + free.transpose()) * 0.5;
        if let Some(error) = &self.coupling_error {
            symmetric = symmetric + error.clone();
        }
        Couplings {
            restoring: column_sums(symmetric.clone()) + 1.0,
            symmetric,
            drives: theta.clone().narrow(1, square, self.count),
        }
    }
}

impl SettingEquation for OscillatorTensors {
    fn respond_at(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
        let couplings = self.couplings(&theta);
        #[cfg(feature = "kernels")]
        if let Some([last, ..]) =
            kernel::integrate(self.nystrom, &couplings.matrices(), self.bend, &x, false)
        {
            return last;
        }
        self.nystrom.integrate(x, |angle| couplings.accelerations((angle * self.bend).sin()))
    }

    fn linearise_at(&self, x: Tensor<2>, theta: Tensor<2>) -> Box<dyn Linearised> {
        let couplings = self.couplings(&theta);
        let nystrom = self.nystrom;
        #[cfg(feature = "kernels")]
        if let Some([_, sines, slopes]) =
            kernel::integrate(nystrom, &couplings.matrices(), self.bend, &x, true)
        {
            return Box::new(Trajectory { nystrom, couplings, sines, slopes });
        }
        let (mut sines, mut slopes) = (Vec::new(), Vec::new());
        nystrom.integrate(x, |angle| {
            let angle = angle * self.bend;
            let sine = angle.clone().sin();
            slopes.push(angle.cos() * self.bend);
            sines.push(sine.clone());
            couplings.accelerations(sine)
        });
        let (sines, slopes) = (Tensor::cat(sines, 0), Tensor::cat(slopes, 0));
        Box::new(Trajectory { nystrom, couplings, sines, slopes })
    }
}

/// The matrices of the accelerations, which are linear in them.
struct Couplings {
    /// J, `[N, N]`.
    symmetric: Tensor<2>,
    /// 1 + r, `[1, N]`.
    restoring: Tensor<2>,
    /// e, `[1, N]`.
    drives: Tensor<2>,
}

impl Couplings {
    #[cfg(feature = "kernels")]
    fn matrices(&self) -> kernel::Matrices<'_> {
        let Self { symmetric, restoring, drives } = self;
        kernel::Matrices { symmetric, restoring, drives }
    }

    /// s J − (1 + r) ∘ s, for the sines of a batch or a cotangent of accelerations: it is symmetric.
    fn pull(&self, rows: Tensor<2>) -> Tensor<2> {
        self.product(rows.clone()) - rows * self.restoring.clone()
    }

    /// s J. A batch is short and J is wide, so that tiles of the result would keep a fraction of a GPU busy with
    /// long sums: the sums are cut into parts, each a product of its own.
    fn product(&self, rows: Tensor<2>) -> Tensor<2> {
        let [shots, count] = rows.dims();
        #[cfg(feature = "kernels")]
        if let Some(product) = super::wide_product::wide_product(&rows, &self.symmetric) {
            return product;
        }
        let parts = parts_of(count);
        if parts == 1 {
            return rows.matmul(self.symmetric.clone());
        }
        let length = count / parts;
        let rows = rows.reshape([shots, parts, length]).swap_dims(0, 1);
        let products = rows.matmul(self.symmetric.clone().reshape([parts, length, count]));
        products.sum_dim(0).reshape([shots, count])
    }

    fn accelerations(&self, sines: Tensor<2>) -> Tensor<2> {
        self.pull(sines) + self.drives.clone()
    }
}

/// A batch's trajectory, with the values that the adjoint needs.
struct Trajectory {
    nystrom: Nystrom,
    couplings: Couplings,
    /// sin((1 + η) Q) of every slot, `[slots · shots, N]`.
    sines: Tensor<2>,
    /// Its derivative by Q.
    slopes: Tensor<2>,
}

impl Trajectory {
    /// Cotangents of the initial angles, and of the accelerations of every slot, `[slots · shots, N]`, from those of the
    /// final angles.
    fn pull_back(&self, of_last: Tensor<2>) -> [Tensor<2>; 2] {
        #[cfg(feature = "kernels")]
        if let Some(pulled) =
            kernel::pull_back(self.nystrom, &self.couplings.matrices(), &self.slopes, &of_last)
        {
            return pulled;
        }
        let shots = of_last.dims()[0];
        // The last slot first.
        let mut pulls = Vec::new();
        let of_angle = self.nystrom.pull_back(of_last, |slot, pull: Tensor<2>| {
            pulls.push(pull.clone());
            self.couplings.pull(pull) * self.slopes.clone().narrow(0, slot * shots, shots)
        });
        pulls.reverse();
        [of_angle, Tensor::cat(pulls, 0)]
    }
}

impl Linearised for Trajectory {
    fn vjp(&self, _y: Tensor<2>, dy: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let [of_angle, pulls] = self.pull_back(dy);
        let sines = self.sines.clone();
        let of_restoring = (sines.clone() * pulls.clone()).sum_dim(0).neg();
        let of_drives = pulls.clone().sum_dim(0);
        let of_couplings = sines.transpose().matmul(pulls) + of_restoring;
        let of_free = (of_couplings.clone() + of_couplings.transpose()) * 0.5;
        let width = of_free.shape().num_elements();
        (of_angle, Tensor::cat(vec![of_free.reshape([1, width]), of_drives], 1))
    }
}
