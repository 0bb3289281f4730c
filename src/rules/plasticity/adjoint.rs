//! The exact adjoint of an [online step](super::online): from the cotangent of the weights after it to the cotangents
//! of the weights before it and of Θ, in two passes over the matrices.

use super::Architecture;
use super::kernels::{Real, add_scaled, dot, real};
use super::online::{
    Feedback, OnlineTrace, Sample, Shared, Sides, Theta, derivative, forward, pair,
};

/// A step at which the adjoint is taken.
#[derive(Clone, Copy)]
pub(super) struct StepPoint<'a, R> {
    /// The weights before the step.
    pub weights: &'a [R],
    /// Values at the nodes in the step.
    pub trace: &'a OnlineTrace<R>,
}

/// Where the gradient of a query's loss goes.
pub(super) struct QueryGradient<'a, R> {
    /// Share of the query in the gradient.
    pub share: R,
    /// The cotangent of the weights, to which the gradient is added.
    pub adjoint: &'a mut [R],
    /// Buffers.
    pub cotangents: &'a mut TraceCotangents<R>,
}

/// Buffers for the adjoint of a step: cotangents of a trace's values.
pub(super) struct TraceCotangents<R> {
    y: Vec<R>,
    e: Vec<R>,
    z: Vec<R>,
    m: Vec<R>,
    q: Vec<R>,
}

impl<R: Real> TraceCotangents<R> {
    pub fn new(architecture: &Architecture) -> Self {
        let zeros = || vec![R::zero(); architecture.values()];
        Self { y: zeros(), e: zeros(), z: zeros(), m: zeros(), q: zeros() }
    }

    fn clear(&mut self) {
        for values in [&mut self.y, &mut self.e, &mut self.z, &mut self.m, &mut self.q] {
            values.fill(R::zero());
        }
    }
}

/// Turns `adjoint` from the cotangent of the weights after the step `at` into the cotangent of the weights before it,
/// and adds the cotangent of Θ to `dtheta`.
#[inline(always)]
pub(super) fn reverse_step<R: Real>(
    architecture: &Architecture,
    theta: &Theta<R>,
    feedback: Feedback<R>,
    at: StepPoint<R>,
    cotangents: &mut TraceCotangents<R>,
    adjoint: &mut [R],
    dtheta: &mut Theta<R>,
) {
    let StepPoint { weights, trace } = at;
    cotangents.clear();
    for layer in 0..architecture.layers() {
        reverse_change(architecture, theta, layer, at, cotangents, adjoint, dtheta);
    }
    reverse_errors(architecture, feedback.or(weights), trace, cotangents);
    let symmetric = matches!(feedback, Feedback::Symmetric);
    let kept = R::one() - theta[3];
    for layer in (0..architecture.layers()).rev() {
        let TraceCotangents { y: dy, z: dz, m: dm, q: dq, .. } = &mut *cotangents;
        let (node, range) = (architecture.node(layer), architecture.matrix(layer));
        let sides = Sides::of(architecture, layer, trace);
        let (dy_below, dy) = pair(architecture, layer, dy);
        let (_, dz) = pair(architecture, layer, dz);
        let (dq, dm) = (&dq[node.clone()], &dm[node.clone()]);
        let rows = || weights[range.clone()].chunks_exact(node.len());
        for (row, dy) in rows().zip(dy.iter_mut()) {
            *dy += dot(row, dq);
        }
        let is_last = layer + 1 == architecture.layers();
        reverse_activation(architecture, is_last, sides.above.y, dy, dz);
        for (place, (adjoint, row)) in
            adjoint[range.clone()].chunks_exact_mut(node.len()).zip(rows()).enumerate()
        {
            let (y, e, dz) = (sides.above.y[place], sides.above.e[place], dz[place]);
            add_scaled(dy_below, dz, row);
            let tied = if symmetric { e } else { R::zero() };
            let below = sides.below.y.iter().zip(dq).zip(dm);
            for (adjoint, ((&a, &dq), &dm)) in adjoint.iter_mut().zip(below) {
                *adjoint = kept * *adjoint + y * dq + dz * a + tied * dm;
            }
        }
    }
}

/// Adds to the cotangents of the nodes, Θ and q from the change of one matrix.
#[inline(always)]
fn reverse_change<R: Real>(
    architecture: &Architecture,
    theta: &Theta<R>,
    layer: usize,
    StepPoint { weights, trace }: StepPoint<R>,
    cotangents: &mut TraceCotangents<R>,
    adjoint: &[R],
    dtheta: &mut Theta<R>,
) {
    let TraceCotangents { y: dy, e: de, z: dz, q: dq, .. } = cotangents;
    let (node, range) = (architecture.node(layer), architecture.matrix(layer));
    let sides = Sides::of(architecture, layer, trace);
    let Shared { c0, c1, activity, s, r } = sides.shared(theta);
    let (dy_below, dy) = pair(architecture, layer, dy);
    let (de_below, de) = pair(architecture, layer, de);
    let (_, dz) = pair(architecture, layer, dz);
    let dq = &mut dq[node.clone()];
    let (mut dc0, mut dc1) = (R::zero(), R::zero());
    let rows = weights[range.clone()].chunks_exact(node.len());
    for (place, (adjoint, row)) in adjoint[range].chunks_exact(node.len()).zip(rows).enumerate() {
        let (y, e) = (sides.above.y[place], sides.above.e[place]);
        let dp = dot(adjoint, sides.below.y);
        let du = dot(adjoint, sides.below.e);
        let through_q = dot(adjoint, sides.q);
        dtheta[3] -= dot(adjoint, row);
        let p = theta[9] * y - c0 * e;
        let u = -(c1 * y + theta[2] * e + theta[4]);
        add_scaled(dy_below, p, adjoint);
        add_scaled(de_below, u, adjoint);
        add_scaled(dq, -theta[9] * y, adjoint);
        dy[place] += theta[9] * (dp - through_q) - c1 * du;
        de[place] -= c0 * dp + theta[2] * du;
        dc0 -= dp * e;
        dc1 -= du * y;
        dtheta[2] -= du * e;
        dtheta[4] -= du;
        dtheta[9] += y * (dp - through_q);
    }
    dtheta[0] += dc0;
    dtheta[5] += dc0 * activity;
    dtheta[7] += dc0 * s;
    dtheta[1] += dc1;
    dtheta[6] += dc1 * s;
    dtheta[8] += dc1 * r;
    let (ds, dr) = (theta[7] * dc0 + theta[6] * dc1, theta[8] * dc1);
    let each = theta[5] * dc0 / real(dy.len() as f64);
    dy.iter_mut().for_each(|dy| *dy += each);
    add_scaled(dq, ds, sides.below.e);
    add_scaled(de_below, ds, sides.q);
    add_scaled(dz, dr, sides.above.e);
    add_scaled(de, dr, sides.above.z);
}

/// Pulls the cotangents of all errors back to the values that the errors come from, up to the softmax.
#[inline(always)]
fn reverse_errors<R: Real>(
    architecture: &Architecture,
    feedback: &[R],
    trace: &OnlineTrace<R>,
    cotangents: &mut TraceCotangents<R>,
) {
    let beta = real(architecture.beta());
    let TraceCotangents { y: dy, e: de, m: dm, .. } = cotangents;
    for layer in 0..architecture.layers() {
        let node = architecture.node(layer);
        let (below, above) = pair(architecture, layer, de);
        let dm = &mut dm[node.clone()];
        let values = trace.y[node.clone()].iter().zip(&trace.m[node.clone()]);
        for (((dm, &de), dy), (&y, &m)) in
            dm.iter_mut().zip(&*below).zip(&mut dy[node.clone()]).zip(values)
        {
            let slope = derivative(beta, y);
            *dm = de * slope;
            *dy += de * m * beta * (R::one() - slope);
        }
        let matrix = &feedback[architecture.matrix(layer)];
        for (row, de) in matrix.chunks_exact(node.len()).zip(above) {
            *de += dot(row, dm);
        }
    }
    let classes = architecture.node(architecture.layers());
    add_scaled(&mut dy[classes.clone()], R::one(), &de[classes]);
}

/// Adds `dy`, pulled back through the softmax or a rectifier with the values `y`, to `dz`.
#[inline(always)]
fn reverse_activation<R: Real>(
    architecture: &Architecture,
    is_last: bool,
    y: &[R],
    dy: &[R],
    dz: &mut [R],
) {
    let beta = real(architecture.beta());
    let mean = if is_last { dot(y, dy) } else { R::zero() };
    for ((dz, &dy), &y) in dz.iter_mut().zip(dy).zip(y) {
        *dz += if is_last { y * (dy - mean) } else { dy * derivative(beta, y) };
    }
}

/// Cross-entropy of `sample`; its answer is left in `trace`, and its gradient is added to the optional `gradient`.
#[inline(always)]
pub(super) fn query<R: Real>(
    architecture: &Architecture,
    weights: &[R],
    Sample { x, label }: Sample<R>,
    trace: &mut OnlineTrace<R>,
    gradient: Option<QueryGradient<R>>,
) -> R {
    forward(architecture, weights, x, trace, false);
    let classes = architecture.node(architecture.layers());
    let logits = &trace.z[classes.clone()];
    let largest = logits.iter().fold(logits[0], |most, &z| if z > most { z } else { most });
    let sum = logits.iter().fold(R::zero(), |sum, &z| sum + (z - largest).exp());
    let loss = sum.ln() + largest - logits[label];
    let Some(QueryGradient { share, adjoint, cotangents }) = gradient else { return loss };
    cotangents.clear();
    let TraceCotangents { y: dy, z: dz, .. } = cotangents;
    for (dz, &y) in dz[classes.clone()].iter_mut().zip(&trace.y[classes.clone()]) {
        *dz = share * y;
    }
    dz[classes.start + label] -= share;
    for layer in (0..architecture.layers()).rev() {
        let (node, range) = (architecture.node(layer), architecture.matrix(layer));
        let y = &trace.y[node.clone()];
        let (dy_below, _) = pair(architecture, layer, dy);
        let (dz_below, dz) = pair(architecture, layer, dz);
        let rows = weights[range.clone()].chunks_exact(node.len());
        for ((adjoint, row), &dz) in adjoint[range].chunks_exact_mut(node.len()).zip(rows).zip(&*dz)
        {
            add_scaled(dy_below, dz, row);
            add_scaled(adjoint, dz, y);
        }
        if layer > 0 {
            reverse_activation(architecture, false, y, dy_below, dz_below);
        }
    }
    loss
}
