//! Coupled nonlinear oscillators in tensors.
//!
//! The equation and its discretisation are those of [`Oscillators`] and of Runge-Kutta-Nyström (Hairer, Nørsett &
//! Wanner, Solving Ordinary Differential Equations I, 1993, II.14). A shot is a row here, and the matrix is not
//! formed: with r_j = Σ_i J_ij and s = sin((1 + η) Q), row by row,
//!
//! ```text
//! a = s J − (1 + r) ∘ s + e
//! ```
//!
//! since J's diagonal cancels. The adjoint passes through the stages in reverse; the couplings' gradient is a
//! single product over all stages, ∂L/∂J = sᵀ ∂L/∂a.

use burn::tensor::{Device, Tensor};
use twinprop_devices::mechanical::nystrom::{STAGE, is_computed, is_used};
use twinprop_devices::mechanical::{OscillatorConstants, Oscillators};

use super::equation::SettingEquation;
use super::sums::{column_sums, parts_of};
use crate::bridge::from_vec;
use crate::twin::Linearised;

/// Weights of the velocity and of the last acceleration but one in the stages' angles, with a step of `h`.
fn stage_weights(h: f64) -> [(f64, f64); 4] {
    STAGE.map(|(velocity, acceleration)| (f64::from(velocity) * h, f64::from(acceleration) * h * h))
}

/// Smallest number of oscillators with a matrix product by a kernel of this crate.
#[cfg(feature = "kernels")]
const NARROWEST: usize = 256;

/// Coupled nonlinear oscillators on a backend.
pub struct OscillatorTensors {
    count: usize,
    steps: usize,
    /// h.
    step: f64,
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
        Self { count, steps, step: f64::from(step), bend: f64::from(bend), coupling_error }
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

    /// The accelerations that are computed, in order: step, stage.
    fn stages(&self) -> Vec<(usize, usize)> {
        let all = (0..self.steps).flat_map(|step| (0..4).map(move |stage| (step, stage)));
        all.filter(|&(step, stage)| is_computed(step, stage, self.steps)).collect()
    }

    /// The final angles from the first ones; `sines_at` gets every stage's angles.
    fn integrate(
        &self,
        mut angle: Tensor<2>,
        couplings: &Couplings,
        mut sines_at: impl FnMut(Tensor<2>) -> Tensor<2>,
    ) -> Tensor<2> {
        let h = self.step;
        let mut velocity = angle.zeros_like();
        for step in 0..self.steps {
            let mut accelerations: Vec<Tensor<2>> = Vec::with_capacity(4);
            for (stage, (of_velocity, of_acceleration)) in stage_weights(h).into_iter().enumerate()
            {
                if !is_used(step, stage, self.steps) {
                    break;
                }
                if !is_computed(step, stage, self.steps) {
                    accelerations.push(accelerations[0].clone());
                    continue;
                }
                let mut at = angle.clone();
                if of_velocity > 0.0 {
                    at = at + velocity.clone() * of_velocity;
                }
                if of_acceleration > 0.0 {
                    at = at + accelerations[stage - 2].clone() * of_acceleration;
                }
                accelerations.push(couplings.accelerations(sines_at(at)));
            }
            let mut accelerations = accelerations.into_iter();
            let mut next = || accelerations.next();
            let (Some(first), Some(second), Some(third)) = (next(), next(), next()) else { break };
            let middle = second + third;
            angle = angle + velocity.clone() * h + (first.clone() + middle.clone()) * (h * h / 6.0);
            // The velocity after the last step is not used.
            if let Some(fourth) = next() {
                velocity = velocity + (first + middle * 2.0 + fourth) * (h / 6.0);
            }
        }
        angle
    }
}

impl SettingEquation for OscillatorTensors {
    fn respond_at(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
        self.integrate(x, &self.couplings(&theta), |angle| (angle * self.bend).sin())
    }

    fn linearise_at(&self, x: Tensor<2>, theta: Tensor<2>) -> Box<dyn Linearised> {
        let couplings = self.couplings(&theta);
        let (mut sines, mut slopes) = (Vec::new(), Vec::new());
        self.integrate(x, &couplings, |angle| {
            let angle = angle * self.bend;
            let sine = angle.clone().sin();
            slopes.push(angle.cos() * self.bend);
            sines.push(sine.clone());
            sine
        });
        let (step, stages) = (self.step, self.stages());
        Box::new(Trajectory { couplings, step, stages, sines, slopes })
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
    /// s J − (1 + r) ∘ s, for the sines of a batch or a cotangent of accelerations: it is symmetric.
    fn pull(&self, rows: Tensor<2>) -> Tensor<2> {
        self.product(rows.clone()) - rows * self.restoring.clone()
    }

    /// s J. A batch is short and J is wide, so that tiles of the result would keep a fraction of a GPU busy with
    /// long sums: the sums are cut into parts, each a product of its own.
    fn product(&self, rows: Tensor<2>) -> Tensor<2> {
        let [shots, count] = rows.dims();
        #[cfg(feature = "kernels")]
        if count >= NARROWEST
            && let Some(product) = super::wide_product::wide_product(&rows, &self.symmetric)
        {
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
    couplings: Couplings,
    step: f64,
    /// Step and stage of every acceleration.
    stages: Vec<(usize, usize)>,
    /// sin((1 + η) Q) of each, `[shots, N]`.
    sines: Vec<Tensor<2>>,
    /// Its derivative by Q.
    slopes: Vec<Tensor<2>>,
}

impl Linearised for Trajectory {
    fn vjp(&self, _y: Tensor<2>, dy: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let h = self.step;
        let weights = stage_weights(h);
        let last = self.stages.last().map_or(0, |&(step, _)| step);
        let mut of_angle = dy;
        let mut of_velocity = of_angle.zeros_like();
        // Cotangents of the accelerations: of the present step by stage, and of all finished stages, the last first.
        let mut pulls: [Option<Tensor<2>>; 4] = [const { None }; 4];
        let mut done: Vec<Tensor<2>> = Vec::with_capacity(self.stages.len());
        for (place, &(step, stage)) in self.stages.iter().enumerate().rev() {
            if pulls.iter().all(Option::is_none) {
                let in_angle = of_angle.clone() * (h * h / 6.0);
                let in_velocity = of_velocity.clone() * (h / 6.0);
                let middle = in_angle.clone() + in_velocity.clone() * 2.0;
                pulls = [
                    Some(in_angle + in_velocity.clone()),
                    Some(middle.clone()),
                    Some(middle),
                    (step < last).then_some(in_velocity),
                ];
                of_velocity = of_velocity + of_angle.clone() * h;
            }
            let Some(mut pull) = pulls[stage].take() else { continue };
            if (step, stage) == (0, 0)
                && let Some(second) = pulls[1].take()
            {
                // The first two stages have the same acceleration.
                pull = pull + second;
            }
            let pulled = self.couplings.pull(pull.clone()) * self.slopes[place].clone();
            done.push(pull);
            of_angle = of_angle + pulled.clone();
            let (in_velocity, in_acceleration) = weights[stage];
            if in_acceleration > 0.0 {
                let earlier = &mut pulls[stage - 2];
                *earlier = earlier.take().map(|earlier| earlier + pulled.clone() * in_acceleration);
            }
            if in_velocity > 0.0 {
                of_velocity = of_velocity + pulled * in_velocity;
            }
        }
        done.reverse();
        let (sines, pulls) = (Tensor::cat(self.sines.clone(), 0), Tensor::cat(done, 0));
        let of_restoring = (sines.clone() * pulls.clone()).sum_dim(0).neg();
        let of_drives = pulls.clone().sum_dim(0);
        let of_couplings = sines.transpose().matmul(pulls) + of_restoring;
        let of_free = (of_couplings.clone() + of_couplings.transpose()) * 0.5;
        let width = of_free.shape().num_elements();
        (of_angle, Tensor::cat(vec![of_free.reshape([1, width]), of_drives], 1))
    }
}
