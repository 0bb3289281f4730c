//! burn's Adam over a list of tensors.

use burn::optim::{Adam, AdamConfig, AdamState, Optimizer};
use burn::tensor::Tensor;

/// Factor of a learning rate that falls to zero along a half cosine, when the share `done` (0 to 1) of the
/// steps is done (Loshchilov & Hutter 2017, eq. 5, without restarts).
#[must_use]
pub fn half_cosine(done: f64) -> f64 {
    0.5 * (1.0 + (std::f64::consts::PI * done).cos())
}

/// Adam (Kingma & Ba 2015) with one state a tensor.
pub struct AdamList {
    adam: Adam,
    states: Vec<Option<AdamState<2>>>,
}

impl AdamList {
    /// An optimiser for `count` tensors.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self::with_epsilon(count, 1e-8)
    }

    /// One in which gradients much smaller than `epsilon` move little.
    #[must_use]
    pub fn with_epsilon(count: usize, epsilon: f32) -> Self {
        let adam = AdamConfig::new().with_epsilon(epsilon).build();
        Self { adam, states: (0..count).map(|_| None).collect() }
    }

    /// Moves each tensor down its gradient. `tensors` and `gradients` match in number, order and
    /// shape.
    pub fn step(
        &mut self,
        learning_rate: f64,
        tensors: Vec<&mut Tensor<2>>,
        gradients: Vec<Tensor<2>>,
    ) {
        for ((tensor, gradient), state) in tensors.into_iter().zip(gradients).zip(&mut self.states)
        {
            let (moved, next) =
                self.adam.step(learning_rate, tensor.clone(), gradient, state.take());
            *tensor = moved;
            *state = next;
        }
    }
}
