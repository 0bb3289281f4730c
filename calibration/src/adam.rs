//! burn's Adam over a list of tensors.

use burn::optim::{Adam, AdamConfig, AdamState, AdaptiveMomentumState, Optimizer};
use burn::tensor::Tensor;

use crate::state::{State, take};

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

    /// Its moments and times, to go on with.
    ///
    /// # Panics
    /// Never: a device takes a single number.
    #[must_use]
    pub fn state(&self) -> State {
        let states = self.states.iter().enumerate();
        let known = states.filter_map(|(place, state)| Some((place, &state.as_ref()?.momentum)));
        known
            .flat_map(|(place, AdaptiveMomentumState { time, moment_1, moment_2, .. })| {
                let time = Tensor::from_floats([[*time as f32]], &moment_1.device());
                [
                    (format!("{place}.time"), time),
                    (format!("{place}.first"), moment_1.clone()),
                    (format!("{place}.second"), moment_2.clone()),
                ]
            })
            .collect()
    }

    /// Goes on with what [`state`](Self::state) gave.
    ///
    /// # Errors
    /// In words, where something is missing.
    pub fn restore(&mut self, mut saved: State) -> Result<(), String> {
        for (place, state) in self.states.iter_mut().enumerate() {
            let Some(time) = saved.remove(&format!("{place}.time")) else { continue };
            let mut moment = |which: &str| take(&mut saved, &format!("{place}.{which}"));
            let (first, second) = (moment("first")?, moment("second")?);
            let time = time.into_scalar::<f32>() as usize;
            let momentum = AdaptiveMomentumState::new(time, first, second);
            *state = Some(AdamState::new(momentum));
        }
        Ok(())
    }
}
