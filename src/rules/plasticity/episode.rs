//! One episode: a fresh network learns a task online, and answers queries.

use rand_chacha::ChaCha8Rng;
use twinprop_devices::vectorised;

use super::Architecture;
use super::adjoint::{QueryGradient, StepPoint, TraceCotangents, query, reverse_step};
use super::kernels::{Real, dot, real};
use super::online::{Feedback, OnlineTrace, Sample, Theta, errors, step};
use super::terms::{Coefficients, Term};

/// Samples to learn from, and queries; a sample is its values and its class.
#[derive(Clone, Debug, Default)]
pub struct LearningTask<R> {
    /// Training samples, each learned once, in this order.
    pub training: Vec<(Vec<R>, usize)>,
    /// Queries afterwards.
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

/// Result of an episode.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Mean cross-entropy of the queries; not finite where learning has diverged.
    pub loss: f64,
    /// Share of the queries that are answered right.
    pub accuracy: f64,
    /// Angle at each hidden node, from the first, between the queries' mean error signal and backpropagation's, in
    /// degrees.
    pub angles: Vec<f64>,
}

/// Learns one task after the other in the same buffers: a step allocates nothing.
pub struct OnlineLearner<R> {
    architecture: Architecture,
    kind: FeedbackKind,
    feedback: Vec<R>,
    /// The weights before each step and after the last; without a gradient, two buffers in turn.
    weights: Vec<Vec<R>>,
    traces: Vec<OnlineTrace<R>>,
    cotangents: TraceCotangents<R>,
    adjoint: Vec<R>,
}

impl<R: Real> OnlineLearner<R> {
    /// With buffers for a network of `architecture`.
    #[must_use]
    pub fn new(architecture: Architecture, kind: FeedbackKind) -> Self {
        let cotangents = TraceCotangents::new(&architecture);
        let [feedback, adjoint] = [(); 2].map(|()| vec![R::zero(); architecture.weights()]);
        let (weights, traces) = (Vec::new(), Vec::new());
        Self { architecture, kind, feedback, weights, traces, cotangents, adjoint }
    }

    /// A fresh network, drawn from `random`, learns `task` by the rule of `theta`.
    pub fn learn(
        &mut self,
        theta: &Coefficients,
        task: &LearningTask<R>,
        random: &mut ChaCha8Rng,
    ) -> Outcome {
        self.draw(random, 2);
        let theta = of(theta);
        vectorised(|| {
            let last = self.steps(&theta, task, 1);
            self.answer(task, last, false)
        })
    }

    /// The same, and the gradient of the queries' mean loss by each coefficient, in the order of
    /// [`Term::ALL`], through all steps.
    pub fn learn_with_gradient(
        &mut self,
        theta: &Coefficients,
        task: &LearningTask<R>,
        random: &mut ChaCha8Rng,
    ) -> (Outcome, [f64; Term::COUNT]) {
        self.draw(random, task.training.len() + 1);
        let theta = of(theta);
        vectorised(|| {
            let last = self.steps(&theta, task, usize::MAX);
            let outcome = self.answer(task, last, true);
            (outcome, self.reverse(&theta, last))
        })
    }

    /// Draws a network and its feedback, and allocates at least `buffers` buffers of weights and traces.
    fn draw(&mut self, random: &mut ChaCha8Rng, buffers: usize) {
        let size = self.architecture.weights();
        while self.weights.len() < buffers {
            self.weights.push(vec![R::zero(); size]);
            self.traces.push(OnlineTrace::new(&self.architecture));
        }
        self.architecture.draw(&mut self.weights[0], random);
        self.architecture.draw(&mut self.feedback, random);
    }

    /// Learns with the buffers 0 to `highest` in turn; returns the index of the last weights.
    #[inline(always)]
    fn steps(&mut self, theta: &Theta<R>, task: &LearningTask<R>, highest: usize) -> usize {
        let mut place = 0;
        for (x, label) in &task.training {
            let next = if place < highest { place + 1 } else { 0 };
            let [from, to] = neighbours(&mut self.weights, place, next);
            let feedback = feedback_of(self.kind, &self.feedback);
            let trace = &mut self.traces[place];
            let sample = Sample { x, label: *label };
            step(&self.architecture, theta, feedback, from, to, sample, trace);
            place = next;
        }
        place
    }

    /// Answers the queries with the weights at `place`; `with_gradient`, `adjoint` becomes the gradient of their mean
    /// loss.
    #[inline(always)]
    fn answer(&mut self, task: &LearningTask<R>, place: usize, with_gradient: bool) -> Outcome {
        let Self { architecture, feedback, weights, traces, cotangents, adjoint, kind } = self;
        let (weights, trace) = (&weights[place], &mut traces[place]);
        let count = task.queries.len().max(1) as f64;
        let classes = architecture.node(architecture.layers());
        adjoint.fill(R::zero());
        let (mut loss, mut right) = (0.0, 0.0);
        let mut sums = [vec![R::zero(); classes.start], vec![R::zero(); classes.start]];
        for (x, label) in &task.queries {
            let sample = Sample { x, label: *label };
            let share = real(count.recip());
            let gradient = with_gradient.then_some(QueryGradient {
                share,
                adjoint: &mut *adjoint,
                cotangents: &mut *cotangents,
            });
            loss += to_f64(query(architecture, weights, sample, trace, gradient));
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

    /// Pulls the gradient in `adjoint` back through the steps that ended at `last`.
    #[inline(always)]
    fn reverse(&mut self, theta: &Theta<R>, last: usize) -> [f64; Term::COUNT] {
        let Self { architecture, kind, feedback, weights, traces, cotangents, adjoint } = self;
        let mut dtheta = [R::zero(); Term::COUNT];
        for place in (0..last).rev() {
            let feedback = feedback_of(*kind, feedback);
            let at = StepPoint { weights: &weights[place], trace: &traces[place] };
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
        all.get_disjoint_mut([from, to]).unwrap_or_else(|_| unreachable!("the places differ"));
    [from.as_mut_slice(), to.as_mut_slice()]
}
