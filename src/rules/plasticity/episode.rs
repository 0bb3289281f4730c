//! One episode: a fresh network learns a task online, and answers queries.

use rand_chacha::ChaCha8Rng;
use twinprop_devices::vectorised;

use super::Architecture;
use super::adjoint::{Cotangents, query, reverse_step};
use super::kernels::{Real, dot, real};
use super::online::{Feedback, Theta, Trace, errors, step};
use super::terms::{Coefficients, Term};

/// Samples to learn from, one after the other, and samples to be asked about; a sample is its values and
/// its class.
#[derive(Clone, Debug, Default)]
pub struct Task<R> {
    /// Learned from, once each, in this order.
    pub training: Vec<(Vec<R>, usize)>,
    /// Asked about afterwards.
    pub queries: Vec<(Vec<R>, usize)>,
}

/// Whether errors come down through matrices of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedbackKind {
    /// Drawn at random, and fixed.
    Fixed,
    /// The network's own, transposed: with the pseudo-gradient alone, backpropagation.
    Symmetric,
}

/// What came of an episode.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Mean cross-entropy of the queries; not finite where learning has diverged.
    pub loss: f64,
    /// Share of the queries that are answered right.
    pub accuracy: f64,
    /// Angle at each hidden node, from the first, between the queries' mean error signal and the one that
    /// backpropagation has, in degrees.
    pub angles: Vec<f64>,
}

/// Networks that learn tasks, one after the other, in the same room: a step allocates nothing.
pub struct Learner<R> {
    architecture: Architecture,
    kind: FeedbackKind,
    feedback: Vec<R>,
    /// The weights before each step and after the last; without a gradient, of two steps in turns.
    weights: Vec<Vec<R>>,
    traces: Vec<Trace<R>>,
    cotangents: Cotangents<R>,
    adjoint: Vec<R>,
}

impl<R: Real> Learner<R> {
    /// With room for a network as `architecture` has it.
    #[must_use]
    pub fn new(architecture: Architecture, kind: FeedbackKind) -> Self {
        let cotangents = Cotangents::new(&architecture);
        let [feedback, adjoint] = [(); 2].map(|()| vec![R::zero(); architecture.weights()]);
        let (weights, traces) = (Vec::new(), Vec::new());
        Self { architecture, kind, feedback, weights, traces, cotangents, adjoint }
    }

    /// A fresh network, drawn from `random`, learns `task` by the rule of `theta`.
    pub fn learn(
        &mut self,
        theta: &Coefficients,
        task: &Task<R>,
        random: &mut ChaCha8Rng,
    ) -> Outcome {
        self.draw(random, 2);
        let theta = of(theta);
        vectorised(|| {
            let last = self.steps(&theta, task, 1);
            self.ask(task, last, false)
        })
    }

    /// The same, and the gradient of the queries' mean loss by each coefficient, in the order of
    /// [`Term::ALL`], through all steps.
    pub fn learn_with_gradient(
        &mut self,
        theta: &Coefficients,
        task: &Task<R>,
        random: &mut ChaCha8Rng,
    ) -> (Outcome, [f64; Term::COUNT]) {
        self.draw(random, task.training.len() + 1);
        let theta = of(theta);
        vectorised(|| {
            let last = self.steps(&theta, task, usize::MAX);
            let outcome = self.ask(task, last, true);
            (outcome, self.reverse(&theta, last))
        })
    }

    /// Draws a network and its feedback, and makes room for the weights of `steps` steps.
    fn draw(&mut self, random: &mut ChaCha8Rng, steps: usize) {
        let size = self.architecture.weights();
        while self.weights.len() < steps {
            self.weights.push(vec![R::zero(); size]);
            self.traces.push(Trace::new(&self.architecture));
        }
        self.architecture.draw(&mut self.weights[0], random);
        self.architecture.draw(&mut self.feedback, random);
    }

    /// Learns, in the first `room` + 1 places over and over; returns where the last weights are.
    #[inline(always)]
    fn steps(&mut self, theta: &Theta<R>, task: &Task<R>, room: usize) -> usize {
        let mut place = 0;
        for (x, label) in &task.training {
            let next = if place < room { place + 1 } else { 0 };
            let [from, to] = neighbours(&mut self.weights, place, next);
            let feedback = feedback_of(self.kind, &self.feedback);
            let trace = &mut self.traces[place];
            step(&self.architecture, theta, feedback, (from, to), (x, *label), trace);
            place = next;
        }
        place
    }

    /// Answers the queries with the weights at `place`; `adjoint` becomes the gradient of their mean loss.
    #[inline(always)]
    fn ask(&mut self, task: &Task<R>, place: usize, with_gradient: bool) -> Outcome {
        let Self { architecture, feedback, weights, traces, cotangents, adjoint, kind } = self;
        let (weights, trace) = (&weights[place], &mut traces[place]);
        let count = task.queries.len().max(1) as f64;
        let classes = architecture.node(architecture.layers());
        adjoint.fill(R::zero());
        let (mut loss, mut right) = (0.0, 0.0);
        let mut sums = [vec![R::zero(); classes.start], vec![R::zero(); classes.start]];
        for (x, label) in &task.queries {
            let back = with_gradient.then_some((&mut adjoint[..], &mut *cotangents));
            let of_sample = (x.as_slice(), *label, real(count.recip()));
            loss += to_f64(query(architecture, weights, of_sample, trace, back));
            let answer = &trace.y[classes.clone()];
            let best = (0..answer.len())
                .fold(0, |best, k| if answer[k] > answer[best] { k } else { best });
            right += f64::from(u8::from(best == *label));
            for (sum, matrices) in
                sums.iter_mut().zip([feedback_of(*kind, feedback).or(weights), weights])
            {
                errors(architecture, matrices, *label, trace);
                sum.iter_mut().zip(&trace.e).for_each(|(sum, &e)| *sum += e);
            }
        }
        let angles = (1..architecture.layers()).map(|node| {
            let [left, right] = [0, 1].map(|which| &sums[which][architecture.node(node)]);
            let lengths = (dot(left, left) * dot(right, right)).sqrt();
            let cosine = to_f64(dot(left, right)) / to_f64(lengths);
            cosine.clamp(-1.0, 1.0).acos().to_degrees()
        });
        Outcome { loss: loss / count, accuracy: right / count, angles: angles.collect() }
    }

    /// Takes the gradient in `adjoint` back through the steps that ended at `last`.
    #[inline(always)]
    fn reverse(&mut self, theta: &Theta<R>, last: usize) -> [f64; Term::COUNT] {
        let Self { architecture, kind, feedback, weights, traces, cotangents, adjoint } = self;
        let mut dtheta = [R::zero(); Term::COUNT];
        for place in (0..last).rev() {
            let feedback = feedback_of(*kind, feedback);
            let at = (weights[place].as_slice(), &traces[place]);
            reverse_step(architecture, theta, feedback, at, cotangents, adjoint, &mut dtheta);
        }
        dtheta.map(to_f64)
    }
}

fn feedback_of<R>(kind: FeedbackKind, matrices: &[R]) -> Feedback<'_, R> {
    match kind {
        FeedbackKind::Fixed => Feedback::Fixed(matrices),
        FeedbackKind::Symmetric => Feedback::Symmetric,
    }
}

fn of<R: Real>(theta: &Coefficients) -> Theta<R> {
    theta.to_array().map(real)
}

fn to_f64<R: Real>(value: R) -> f64 {
    nalgebra::try_convert(value).unwrap_or(f64::NAN)
}

/// Two different places of `all`.
fn neighbours<R>(all: &mut [Vec<R>], from: usize, to: usize) -> [&mut [R]; 2] {
    let [from, to] =
        all.get_disjoint_mut([from, to]).unwrap_or_else(|_| unreachable!("a step leads elsewhere"));
    [from.as_mut_slice(), to.as_mut_slice()]
}
