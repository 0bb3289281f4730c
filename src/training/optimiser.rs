//! Optimisers: they apply a rule's gradients to the parameters.

use burn::tensor::Tensor;
use twinprop_calibration::Adam;
use twinprop_calibration::state::State;

/// Moves parameters by their gradients.
pub trait Optimiser: Send {
    /// Moves each tensor by its gradient and its learning rate. The operands match in number, order and shape, and
    /// are the same tensors in every step.
    fn step(
        &mut self,
        learning_rates: &[f64],
        tensors: Vec<&mut Tensor<2>>,
        gradients: Vec<Tensor<2>>,
    );

    /// Its state, for a resumed run; `like` are the tensors that it moves.
    fn state(&self, _like: &[&Tensor<2>]) -> State {
        State::new()
    }

    /// Restores what [`state`](Self::state) returned.
    ///
    /// # Errors
    /// What is missing, in a sentence.
    fn restore(&mut self, _state: State) -> Result<(), String> {
        Ok(())
    }
}

impl<O: Optimiser + ?Sized> Optimiser for Box<O> {
    fn step(
        &mut self,
        learning_rates: &[f64],
        tensors: Vec<&mut Tensor<2>>,
        gradients: Vec<Tensor<2>>,
    ) {
        (**self).step(learning_rates, tensors, gradients);
    }

    fn state(&self, like: &[&Tensor<2>]) -> State {
        (**self).state(like)
    }

    fn restore(&mut self, state: State) -> Result<(), String> {
        (**self).restore(state)
    }
}

impl Optimiser for Adam {
    fn step(
        &mut self,
        learning_rates: &[f64],
        tensors: Vec<&mut Tensor<2>>,
        gradients: Vec<Tensor<2>>,
    ) {
        Self::step(self, learning_rates.iter().copied(), tensors, gradients);
    }

    fn state(&self, like: &[&Tensor<2>]) -> State {
        Self::state(self, like)
    }

    fn restore(&mut self, state: State) -> Result<(), String> {
        Self::restore(self, state)
    }
}

/// Plain descent: θ ← θ − learning rate · gradient.
#[derive(Clone, Copy, Debug, Default)]
pub struct Descent;

impl Optimiser for Descent {
    fn step(
        &mut self,
        learning_rates: &[f64],
        tensors: Vec<&mut Tensor<2>>,
        gradients: Vec<Tensor<2>>,
    ) {
        for ((tensor, gradient), &rate) in tensors.into_iter().zip(gradients).zip(learning_rates) {
            *tensor = tensor.clone() - gradient * rate;
        }
    }
}
