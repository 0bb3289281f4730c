//! Runge-Kutta-Nyström in tensors.
//!
//! The equation is that of [`nystrom`](twinprop_devices::mechanical::nystrom): four stages a step, of which the first
//! two coincide in the first step, and the fourth is not computed in the last. The adjoint passes through the
//! stages in reverse.

use burn::tensor::Tensor;
use twinprop_devices::mechanical::nystrom::slot;
#[cfg(feature = "kernels")]
use twinprop_devices::mechanical::nystrom::slots;

/// The integration of q̈ = a(q) from rest.
#[derive(Clone, Copy)]
pub(super) struct Nystrom {
    /// Number of steps.
    pub steps: usize,
    /// h.
    pub step: f64,
}

impl Nystrom {
    /// Number of stages whose accelerations are computed.
    #[cfg(feature = "kernels")]
    pub(super) fn slots(self) -> usize {
        slots(self.steps)
    }

    /// The final angles from the angles `angle` at rest. `accelerate` gets the angles of each slot in order, and returns
    /// a of them.
    pub(super) fn integrate<const D: usize>(
        self,
        mut angle: Tensor<D>,
        mut accelerate: impl FnMut(Tensor<D>) -> Tensor<D>,
    ) -> Tensor<D> {
        let h = self.step;
        let mut velocity = angle.zeros_like();
        for step in 0..self.steps {
            let first = accelerate(angle.clone());
            let half = angle.clone() + velocity.clone() * (0.5 * h);
            let second = if step == 0 { first.clone() } else { accelerate(half.clone()) };
            let third = accelerate(half + first.clone() * (0.25 * h * h));
            let middle = second.clone() + third;
            let moved = angle + velocity.clone() * h;
            if step + 1 < self.steps {
                let fourth = accelerate(moved.clone() + second * (0.5 * h * h));
                velocity = velocity + (first.clone() + middle.clone() * 2.0 + fourth) * (h / 6.0);
            }
            angle = moved + (first + middle) * (h * h / 6.0);
        }
        angle
    }

    /// Cotangents of the initial angles from those of the final ones. `pull` gets a slot and the cotangents of its
    /// accelerations, the last slot first, and returns those of its angles.
    pub(super) fn pull_back<const D: usize>(
        self,
        mut of_angle: Tensor<D>,
        mut pull: impl FnMut(usize, Tensor<D>) -> Tensor<D>,
    ) -> Tensor<D> {
        let h = self.step;
        let mut of_velocity = of_angle.zeros_like();
        for step in (0..self.steps).rev() {
            let in_angle = of_angle.clone() * (h * h / 6.0);
            let in_velocity = of_velocity.clone() * (h / 6.0);
            let mut of_first = in_angle.clone() + in_velocity.clone();
            let of_third = in_angle + in_velocity.clone() * 2.0;
            let mut of_second = of_third.clone();
            let mut of_moved = of_angle;
            if step + 1 < self.steps {
                let of_stage = pull(slot(step, 3), in_velocity);
                of_second = of_second + of_stage.clone() * (0.5 * h * h);
                of_moved = of_moved + of_stage;
            }
            let mut of_half = pull(slot(step, 2), of_third);
            of_first = of_first + of_half.clone() * (0.25 * h * h);
            if step == 0 {
                of_first = of_first + of_second;
            } else {
                of_half = of_half + pull(slot(step, 1), of_second);
            }
            of_velocity = of_velocity + of_moved.clone() * h + of_half.clone() * (0.5 * h);
            of_angle = of_moved + of_half + pull(slot(step, 0), of_first);
        }
        of_angle
    }
}
