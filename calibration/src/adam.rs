//! Adam in one pass over each parameter.
//!
//! A physical layer's parameters are on the CPU in every step, since the device is set to them. burn's Adam
//! reads them and their gradient a dozen times, once for each tensor operation; for a layer with millions
//! of parameters that takes longer than the adjoint.

use burn::tensor::{Device, Tensor};
use rayon::prelude::*;

use crate::bridge::{from_vec, is_cpu, to_vec, values};
use crate::dense::rows_a_part;
use crate::state::{State, take};

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;

/// Factor of a learning rate that falls to zero along a half cosine, when the share `done` (0 to 1) of the
/// steps is done (Loshchilov & Hutter 2017, eq. 5, without restarts).
#[must_use]
pub fn half_cosine(done: f64) -> f64 {
    0.5 * (1.0 + (std::f64::consts::PI * done).cos())
}

/// Adam (Kingma & Ba 2015, algorithm 1) over a list of tensors.
pub struct Adam {
    epsilon: f32,
    /// Steps made.
    time: i32,
    /// Moments of each tensor's gradient.
    moments: Vec<Moments>,
}

/// First and second moment of a gradient.
#[allow(
    clippy::large_enum_variant,
    reason = "there is one for each tensor, which is larger by far"
)]
enum Moments {
    /// On the CPU.
    Cpu(Vec<f32>, Vec<f32>),
    /// On another backend, `[1, 1]` before the first step.
    Tensors(Tensor<2>, Tensor<2>),
}

impl Moments {
    fn new(device: &Device) -> Self {
        if is_cpu(device) {
            return Self::Cpu(Vec::new(), Vec::new());
        }
        let zero = Tensor::zeros([1, 1], device);
        Self::Tensors(zero.clone(), zero)
    }

    fn to_tensors(&self, like: &Tensor<2>) -> [Tensor<2>; 2] {
        match self {
            Self::Cpu(first, second) => {
                [first, second].map(|moment| from_vec(moment.clone(), like.dims(), &like.device()))
            }
            Self::Tensors(first, second) => [first.clone(), second.clone()],
        }
    }

    fn from_tensors(first: Tensor<2>, second: Tensor<2>) -> Self {
        if is_cpu(&first.device()) {
            return Self::Cpu(to_vec(first), to_vec(second));
        }
        Self::Tensors(first, second)
    }
}

impl Default for Adam {
    fn default() -> Self {
        Self::with_epsilon(1e-8)
    }
}

impl Adam {
    /// An optimiser with this ε: gradients much smaller than `epsilon` change little.
    #[must_use]
    pub fn with_epsilon(epsilon: f32) -> Self {
        Self { epsilon, time: 0, moments: Vec::new() }
    }

    /// Its moments and the number of steps, for a later process; `like`: the tensors that it updates.
    #[must_use]
    pub fn state(&self, like: &[&Tensor<2>]) -> State {
        let mut state = State::new();
        if let (Some(_), Some(tensor)) = (self.moments.first(), like.first()) {
            let time = from_vec(vec![self.time as f32], [1, 1], &tensor.device());
            state.insert("time".to_owned(), time);
        }
        for (place, (moments, tensor)) in self.moments.iter().zip(like).enumerate() {
            let [first, second] = moments.to_tensors(tensor);
            state.insert(format!("{place}.first"), first);
            state.insert(format!("{place}.second"), second);
        }
        state
    }

    /// Restores a [`state`](Self::state).
    ///
    /// # Errors
    /// Says which tensor is missing.
    pub fn restore(&mut self, mut state: State) -> Result<(), String> {
        // Empty before the first step.
        if state.is_empty() {
            *self = Self::with_epsilon(self.epsilon);
            return Ok(());
        }
        self.time = take(&mut state, "time")?.into_scalar::<f32>() as i32;
        let moments = (0..state.len() / 2).map(|place| {
            let mut moment = |name: &str| take(&mut state, &format!("{place}.{name}"));
            Ok(Moments::from_tensors(moment("first")?, moment("second")?))
        });
        self.moments = moments.collect::<Result<_, String>>()?;
        Ok(())
    }

    /// Moves each tensor down its gradient at its learning rate. The operands match in number, order
    /// and shape, and are the same tensors in every step.
    pub fn step(
        &mut self,
        learning_rates: impl IntoIterator<Item = f64>,
        tensors: Vec<&mut Tensor<2>>,
        gradients: Vec<Tensor<2>>,
    ) {
        self.time += 1;
        let second = (1.0 - BETA_2.powi(self.time)).sqrt();
        let factor = second / (1.0 - BETA_1.powi(self.time));
        let operands = tensors.into_iter().zip(gradients).zip(learning_rates);
        for (place, ((tensor, gradient), rate)) in operands.enumerate() {
            if place == self.moments.len() {
                self.moments.push(Moments::new(&tensor.device()));
            }
            let move_by = Move { factor, epsilon: self.epsilon * second, rate: rate as f32 };
            match &mut self.moments[place] {
                Moments::Cpu(first, second) => move_by.on_cpu(tensor, gradient, first, second),
                Moments::Tensors(first, second) => {
                    move_by.in_tensors(tensor, gradient, first, second);
                }
            }
        }
    }
}

/// A step by factor · m / (√v + ε) · rate.
struct Move {
    factor: f32,
    epsilon: f32,
    rate: f32,
}

impl Move {
    fn on_cpu(
        &self,
        tensor: &mut Tensor<2>,
        gradient: Tensor<2>,
        first_moment: &mut Vec<f32>,
        second_moment: &mut Vec<f32>,
    ) {
        let Self { factor, epsilon, rate } = *self;
        let (shape, device) = (tensor.dims(), tensor.device());
        let gradient = &*values(gradient);
        first_moment.resize(gradient.len(), 0.0);
        second_moment.resize(gradient.len(), 0.0);
        // Taken out: the only owner of the memory need not copy it.
        let mut moved = to_vec(std::mem::replace(tensor, Tensor::zeros([1, 1], &device)));
        let part = values_a_part(shape);
        moved
            .par_chunks_mut(part)
            .zip(gradient.par_chunks(part))
            .zip(first_moment.par_chunks_mut(part))
            .zip(second_moment.par_chunks_mut(part))
            .for_each(|(((values, gradient), first_moment), second_moment)| {
                let moments = first_moment.iter_mut().zip(second_moment);
                for ((value, g), (m, v)) in values.iter_mut().zip(gradient).zip(moments) {
                    *m = *m * BETA_1 + g * (1.0 - BETA_1);
                    *v = *v * BETA_2 + g * g * (1.0 - BETA_2);
                    *value -= *m * factor / (v.sqrt() + epsilon) * rate;
                }
            });
        *tensor = from_vec(moved, shape, &device);
    }

    fn in_tensors(
        &self,
        tensor: &mut Tensor<2>,
        gradient: Tensor<2>,
        first_moment: &mut Tensor<2>,
        second_moment: &mut Tensor<2>,
    ) {
        // Taken out, so that their memory can be reused.
        let take = |place: &mut Tensor<2>| {
            let empty = Tensor::zeros([1, 1], &place.device());
            std::mem::replace(place, empty)
        };
        let m = take(first_moment) * BETA_1 + gradient.clone() * (1.0 - BETA_1);
        let v = take(second_moment) * BETA_2 + gradient.square() * (1.0 - BETA_2);
        let change = m.clone() * (self.factor * self.rate) / (v.clone().sqrt() + self.epsilon);
        *tensor = take(tensor) - change;
        (*first_moment, *second_moment) = (m, v);
    }
}

/// Values of each part of a tensor of `[rows, width]` values: the rows of a part of a dense layer's weights, and as many
/// values of another tensor.
fn values_a_part([rows, width]: [usize; 2]) -> usize {
    if rows == 1 { rows_a_part(width, 1) } else { rows_a_part(rows, width) * width }.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kingma & Ba 2015, Algorithm 1, in double precision.
    struct Reference {
        x: f64,
        m: f64,
        v: f64,
    }

    impl Reference {
        fn step(&mut self, t: i32, rate: f64, gradient: f64) {
            let (beta_1, beta_2, epsilon) = (0.9_f64, 0.999_f64, 1e-8);
            self.m = beta_1 * self.m + (1.0 - beta_1) * gradient;
            self.v = beta_2 * self.v + (1.0 - beta_2) * gradient * gradient;
            let m = self.m / (1.0 - beta_1.powi(t));
            let v = self.v / (1.0 - beta_2.powi(t));
            self.x -= rate * m / (v.sqrt() + epsilon);
        }
    }

    #[test]
    fn steps_are_those_of_the_paper() {
        let device = Device::flex();
        let at = |i: usize| i as f32 - 2.5;
        let start = || from_vec((0..6).map(at).collect(), [2, 3], &device);
        let (mut on_cpu, mut in_tensors) = (start(), start());
        let mut adam = Adam::default();
        let zero = Tensor::zeros([1, 1], &device);
        let moments = vec![Moments::Tensors(zero.clone(), zero)];
        let mut elsewhere = Adam { moments, ..Adam::default() };
        let mut reference: Vec<Reference> =
            (0..6).map(|i| Reference { x: f64::from(at(i)), m: 0.0, v: 0.0 }).collect();
        for step in 0..20 {
            let slope = f64::from(step) * 0.3 - 1.0;
            let gradient = (on_cpu.clone() * slope).sin();
            adam.step([0.05], vec![&mut on_cpu], vec![gradient]);
            let of_tensors = (in_tensors.clone() * slope).sin();
            elsewhere.step([0.05], vec![&mut in_tensors], vec![of_tensors]);
            for one in &mut reference {
                one.step(step + 1, 0.05, (one.x * slope).sin());
            }
        }
        for (place, tensor) in [("on the CPU", on_cpu), ("in tensors", in_tensors)] {
            for (ours, reference) in to_vec(tensor).iter().zip(&reference) {
                let difference = (f64::from(*ours) - reference.x).abs();
                assert!(difference < 2e-6, "{place}: {ours} {}", reference.x);
            }
        }
    }

    #[test]
    fn a_restored_optimiser_continues_with_the_same_steps() {
        let device = Device::flex();
        let mut whole = from_vec(vec![1.0, -2.0], [1, 2], &device);
        let gradient = |x: &Tensor<2>| x.clone() * 0.3;
        let mut adam = Adam::default();
        let step = |adam: &mut Adam, x: &mut Tensor<2>| {
            let of_x = gradient(x);
            adam.step([0.1], vec![x], vec![of_x]);
        };
        step(&mut adam, &mut whole);
        let (mut parted, mut other) = (whole.clone(), Adam::default());
        other.restore(adam.state(&[&whole])).expect("the state is complete");
        step(&mut adam, &mut whole);
        step(&mut other, &mut parted);
        assert_eq!(to_vec(whole), to_vec(parted));
    }
}
