//! A chain of pendula in tensors.
//!
//! The equation is that of [`Pendula`]. A spring's torque takes the angle of a pendulum's neighbour, which is a selection
//! of columns; a pendulum at an end of the chain is its own neighbour, so that no torque acts there:
//!
//! ```text
//! a_n = −w_n sin θ_n + c_n (θ_{n+1} − θ_n) + c_{n−1} (θ_{n−1} − θ_n)
//! ```
//!
//! for all shots of all settings at once. The torques of the springs are a symmetric matrix times θ, so the adjoint
//! computes them by the same function.

use burn::tensor::{Device, Int, Tensor};
use twinprop_devices::mechanical::{Pendula, PendulaConstants};

use super::equation::{TensorEquation, join, split};
use super::nystrom::Nystrom;
use super::sums::shot_sums;
use crate::bridge::from_vec;
use crate::twin::Linearised;

/// A chain of pendula on a backend.
pub struct PendulaTensors {
    nystrom: Nystrom,
    chain: Chain,
}

/// The constants of a chain of N pendula.
#[derive(Clone)]
struct Chain {
    count: usize,
    /// f, `[1, N]`.
    frequency: Tensor<2>,
    /// g, `[1, N]`; the last is zero, as the last pendulum has no spring behind it.
    spring: Tensor<2>,
    /// The parameter that sets each of these springs; any for the last.
    spring_parameter: Tensor<1, Int>,
    /// Each pendulum's neighbour on either side, or itself at an end.
    next: Tensor<1, Int>,
    previous: Tensor<1, Int>,
}

impl PendulaTensors {
    /// `pendula` on `backend`.
    #[must_use]
    pub fn new(pendula: &Pendula, backend: &Device) -> Self {
        let PendulaConstants { steps, step, frequency, spring } = pendula.as_built();
        let count = frequency.len();
        let row = |values: &[f32]| from_vec(values.to_vec(), [1, count], backend);
        let places = |place: &dyn Fn(usize) -> usize| {
            let places: Vec<i64> = (0..count).map(|n| place(n) as i64).collect();
            Tensor::<1, Int>::from_data(places.as_slice(), backend)
        };
        let last = count - 1;
        let chain = Chain {
            count,
            frequency: row(frequency),
            spring: row(&[spring, &[0.0]].concat()),
            spring_parameter: places(&|n| if n < last { count + n } else { last }),
            next: places(&|n| (n + 1).min(last)),
            previous: places(&|n| n.saturating_sub(1)),
        };
        Self { nystrom: Nystrom { steps, step: f64::from(step) }, chain }
    }

    fn stiffness(&self, theta: &Tensor<2>) -> Stiffness {
        let chain = self.chain.clone();
        let [settings, _] = theta.dims();
        let of_shots = |values: Tensor<2>| values.reshape([settings, 1, chain.count]);
        let set = theta.clone().narrow(1, 0, chain.count);
        let coupling =
            theta.clone().select(1, chain.spring_parameter.clone()) * chain.spring.clone();
        Stiffness {
            restoring: of_shots((set.clone() * chain.frequency.clone()).square()),
            before: of_shots(coupling.clone().select(1, chain.previous.clone())),
            coupling: of_shots(coupling),
            frequency: set,
            chain,
        }
    }
}

impl TensorEquation for PendulaTensors {
    fn respond(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
        let stiffness = self.stiffness(&theta);
        let angle = split(x, theta.dims()[0]);
        join(self.nystrom.integrate(angle, |angle| stiffness.accelerations(angle)))
    }

    fn linearise(&self, x: Tensor<2>, theta: Tensor<2>) -> Box<dyn Linearised> {
        let stiffness = self.stiffness(&theta);
        let mut angles = Vec::new();
        self.nystrom.integrate(split(x, theta.dims()[0]), |angle| {
            angles.push(angle.clone());
            stiffness.accelerations(angle)
        });
        Box::new(Swing { nystrom: self.nystrom, stiffness, angles })
    }
}

/// w and c of each setting, with what they come from.
struct Stiffness {
    chain: Chain,
    /// ω, `[settings, N]`.
    frequency: Tensor<2>,
    /// w, `[settings, 1, N]`.
    restoring: Tensor<3>,
    /// c of the spring behind each pendulum, and of that before it, `[settings, 1, N]`.
    coupling: Tensor<3>,
    before: Tensor<3>,
}

impl Stiffness {
    /// What the next pendulum has more than each, zero for the last.
    fn stretches(&self, angle: &Tensor<3>) -> Tensor<3> {
        angle.clone().select(2, self.chain.next.clone()) - angle.clone()
    }

    /// The torques of the springs from the angles and their `stretches`.
    fn torques(&self, angle: &Tensor<3>, stretches: Tensor<3>) -> Tensor<3> {
        let to_previous = angle.clone().select(2, self.chain.previous.clone()) - angle.clone();
        stretches * self.coupling.clone() + to_previous * self.before.clone()
    }

    fn accelerations(&self, angle: Tensor<3>) -> Tensor<3> {
        let torques = self.torques(&angle, self.stretches(&angle));
        torques - angle.sin() * self.restoring.clone()
    }
}

/// A batch's motion, with the values that the adjoint needs.
struct Swing {
    nystrom: Nystrom,
    stiffness: Stiffness,
    /// The angles of every slot, `[settings, shots, N]`.
    angles: Vec<Tensor<3>>,
}

impl Linearised for Swing {
    fn vjp(&self, _y: Tensor<2>, dy: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let stiffness = &self.stiffness;
        let [settings, count] = stiffness.frequency.dims();
        let of_final = split(dy, settings);
        // Cotangents of w and of c, shot by shot.
        let mut of_restoring = of_final.zeros_like();
        let mut of_coupling = of_final.zeros_like();
        let of_angle = self.nystrom.pull_back(of_final, |slot, pull: Tensor<3>| {
            let angle = self.angles[slot].clone();
            let (sine, cosine) = (angle.clone().sin(), angle.clone().cos());
            let pull_stretches = stiffness.stretches(&pull);
            of_restoring = of_restoring.clone() - sine * pull.clone();
            of_coupling =
                of_coupling.clone() - stiffness.stretches(&angle) * pull_stretches.clone();
            let torques = stiffness.torques(&pull, pull_stretches);
            torques - cosine * pull * stiffness.restoring.clone()
        });
        let chain = &stiffness.chain;
        let slope = stiffness.frequency.clone() * chain.frequency.clone().square() * 2.0;
        let of_frequency = shot_sums(of_restoring) * slope;
        let of_spring = shot_sums(of_coupling) * chain.spring.clone();
        // The last spring is none.
        let of_theta = Tensor::cat(vec![of_frequency, of_spring], 1).narrow(1, 0, 2 * count - 1);
        (join(of_angle), of_theta)
    }
}
