//! One online step: a sample goes forward, its error comes back through the feedback, every matrix changes by
//! the terms.
//!
//! With p = −c₀ e + θ₉ y, u = −c₁ y − θ₂ e − θ₄ 1, q = Wᵀ y, s = q · e′, r = (W y′) · e, a the mean of y,
//! c₀ = θ₀ + θ₅ a + θ₇ s and c₁ = θ₁ + θ₆ s + θ₈ r, with primes for the node below, the ten terms together are
//!
//! W ← (1 − θ₃) W + p y′ᵀ + u e′ᵀ − θ₉ y qᵀ:
//!
//! three outer products for any Θ.

use super::Architecture;
use super::kernels::{Real, add_scaled, dot, real};
use super::terms::Term;

/// Θ, a number a term.
pub(super) type Theta<R> = [R; Term::COUNT];

/// The matrices that bring errors down.
#[derive(Clone, Copy)]
pub(super) enum Feedback<'a, R> {
    /// Matrices of their own, as the architecture has them.
    Fixed(&'a [R]),
    /// The network's own matrices, transposed: backpropagation.
    Symmetric,
}

impl<'a, R> Feedback<'a, R> {
    /// The fixed matrices, or else `weights`.
    pub fn or(self, weights: &'a [R]) -> &'a [R] {
        match self {
            Self::Fixed(matrices) => matrices,
            Self::Symmetric => weights,
        }
    }
}

/// A sample: its values and its class.
#[derive(Clone, Copy)]
pub(super) struct Sample<'a, R> {
    pub x: &'a [R],
    pub label: usize,
}

/// Values at the nodes in a step.
#[derive(Clone)]
pub(super) struct OnlineTrace<R> {
    /// Activations; of node 0 the data, of the last the softmax.
    pub y: Vec<R>,
    /// Error signals.
    pub e: Vec<R>,
    /// Errors that come down to a node, before its derivative is applied.
    pub m: Vec<R>,
    /// Sums that go up to a node, before its rectifier is applied.
    pub z: Vec<R>,
    /// Wᵀ y of the node above.
    pub q: Vec<R>,
}

impl<R: Real> OnlineTrace<R> {
    pub fn new(architecture: &Architecture) -> Self {
        let zeros = || vec![R::zero(); architecture.values()];
        Self { y: zeros(), e: zeros(), m: zeros(), z: zeros(), q: zeros() }
    }
}

/// The derivative of a soft rectifier, from its value: 1 − exp(−βy).
#[inline(always)]
pub(super) fn derivative<R: Real>(beta: R, y: R) -> R {
    R::one() - (-beta * y).exp()
}

#[inline(always)]
fn softplus<R: Real>(beta: R, z: R) -> R {
    let bound = if z > R::zero() { z } else { R::zero() };
    bound + (-beta * z.abs()).exp().ln_1p() / beta
}

/// Turns `y` into its softmax.
fn softmax<R: Real>(y: &mut [R]) {
    let largest = y.iter().fold(y[0], |largest, &z| if z > largest { z } else { largest });
    let mut sum = R::zero();
    for y in y.iter_mut() {
        *y = (*y - largest).exp();
        sum += *y;
    }
    y.iter_mut().for_each(|y| *y /= sum);
}

/// Two nodes that follow each other: the values of `layer` and of the next.
#[inline(always)]
pub(super) fn pair<'a, R>(
    architecture: &Architecture,
    layer: usize,
    all: &'a mut [R],
) -> (&'a mut [R], &'a mut [R]) {
    let (below, above) = (architecture.node(layer), architecture.node(layer + 1));
    let (head, tail) = all.split_at_mut(below.end);
    (&mut head[below.start..], &mut tail[..above.end - above.start])
}

/// Sends `x` forward; with `back`, computes q as well.
#[inline(always)]
pub(super) fn forward<R: Real>(
    architecture: &Architecture,
    weights: &[R],
    x: &[R],
    trace: &mut OnlineTrace<R>,
    back: bool,
) {
    let beta = real(architecture.beta());
    let last = architecture.layers() - 1;
    trace.y[architecture.node(0)].copy_from_slice(x);
    for layer in 0..=last {
        let matrix = &weights[architecture.matrix(layer)];
        let width = architecture.width(layer);
        let (below, y) = pair(architecture, layer, &mut trace.y);
        let (_, z) = pair(architecture, layer, &mut trace.z);
        let q = &mut trace.q[architecture.node(layer)];
        q.fill(R::zero());
        for (row, (y, z)) in matrix.chunks_exact(width).zip(y.iter_mut().zip(z)) {
            *z = dot(row, below);
            *y = *z;
            if layer < last {
                *y = softplus(beta, *z);
                if back {
                    add_scaled(q, *y, row);
                }
            }
        }
        if layer == last {
            softmax(y);
            if back {
                for (row, &y) in matrix.chunks_exact(width).zip(&*y) {
                    add_scaled(q, y, row);
                }
            }
        }
    }
}

/// Brings the error of `label` down to every node of `trace`, after [`forward`].
#[inline(always)]
pub(super) fn errors<R: Real>(
    architecture: &Architecture,
    feedback: &[R],
    label: usize,
    trace: &mut OnlineTrace<R>,
) {
    let beta = real(architecture.beta());
    let top = architecture.layers();
    let classes = architecture.node(top);
    trace.e[classes.clone()].copy_from_slice(&trace.y[classes.clone()]);
    trace.e[classes.start + label] -= R::one();
    for layer in (0..top).rev() {
        let matrix = &feedback[architecture.matrix(layer)];
        let node = architecture.node(layer);
        let (below, above) = pair(architecture, layer, &mut trace.e);
        let m = &mut trace.m[node.clone()];
        m.fill(R::zero());
        for (row, &e) in matrix.chunks_exact(node.len()).zip(&*above) {
            add_scaled(m, e, row);
        }
        for ((e, &m), &y) in below.iter_mut().zip(&*m).zip(&trace.y[node]) {
            *e = m * derivative(beta, y);
        }
    }
}

/// Values that the terms of one matrix share.
pub(super) struct Shared<R> {
    pub c0: R,
    pub c1: R,
    /// a, s and r.
    pub activity: R,
    pub s: R,
    pub r: R,
}

/// The nodes on both sides of a matrix.
pub(super) struct Sides<'a, R> {
    pub below: Node<'a, R>,
    pub above: Node<'a, R>,
    pub q: &'a [R],
}

pub(super) struct Node<'a, R> {
    pub y: &'a [R],
    pub e: &'a [R],
    pub z: &'a [R],
}

impl<'a, R: Real> Sides<'a, R> {
    pub fn of(architecture: &Architecture, layer: usize, trace: &'a OnlineTrace<R>) -> Self {
        let node = |node: usize| {
            let range = architecture.node(node);
            Node { y: &trace.y[range.clone()], e: &trace.e[range.clone()], z: &trace.z[range] }
        };
        let q = &trace.q[architecture.node(layer)];
        Self { below: node(layer), above: node(layer + 1), q }
    }

    #[inline(always)]
    pub fn shared(&self, theta: &Theta<R>) -> Shared<R> {
        let total = self.above.y.iter().fold(R::zero(), |sum, &y| sum + y);
        let activity = total / real(self.above.y.len() as f64);
        let s = dot(self.q, self.below.e);
        let r = dot(self.above.z, self.above.e);
        let c0 = theta[0] + theta[5] * activity + theta[7] * s;
        let c1 = theta[1] + theta[6] * s + theta[8] * r;
        Shared { c0, c1, activity, s, r }
    }
}

/// One step from `weights` to `next` on `sample`.
#[inline(always)]
pub(super) fn step<R: Real>(
    architecture: &Architecture,
    theta: &Theta<R>,
    feedback: Feedback<R>,
    weights: &[R],
    next: &mut [R],
    Sample { x, label }: Sample<R>,
    trace: &mut OnlineTrace<R>,
) {
    forward(architecture, weights, x, trace, true);
    errors(architecture, feedback.or(weights), label, trace);
    for layer in 0..architecture.layers() {
        let range = architecture.matrix(layer);
        let sides = Sides::of(architecture, layer, trace);
        let Shared { c0, c1, .. } = sides.shared(theta);
        let width = architecture.width(layer);
        let rows = weights[range.clone()].chunks_exact(width);
        let kept = R::one() - theta[3];
        for (place, (next, row)) in next[range].chunks_exact_mut(width).zip(rows).enumerate() {
            let (y, e) = (sides.above.y[place], sides.above.e[place]);
            let p = theta[9] * y - c0 * e;
            let u = -(c1 * y + theta[2] * e + theta[4]);
            let back = -theta[9] * y;
            let below = sides.below.y.iter().zip(sides.below.e).zip(sides.q);
            for ((next, &w), ((&a, &d), &q)) in next.iter_mut().zip(row).zip(below) {
                *next = kept * w + p * a + u * d + back * q;
            }
        }
    }
}
