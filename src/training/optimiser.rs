//! What moves the parameters down what a rule gives in the place of their gradient.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_calibration::Adam;
use twinprop_calibration::state::State;

/// The kinds of optimiser; in a recipe, `optimiser = "adam"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OptimiserKind {
    /// Adam (Kingma & Ba 2015).
    #[default]
    Adam,
    /// By the learning rate times the gradient: for a rule whose updates are meant as they are.
    Descent,
}

impl OptimiserKind {
    /// One that has not moved anything yet.
    #[must_use]
    pub fn start(self) -> Optimiser {
        match self {
            Self::Adam => Optimiser::Adam(Adam::default()),
            Self::Descent => Optimiser::Descent,
        }
    }

    /// One that left `state`.
    ///
    /// # Errors
    /// In words, where something is missing.
    pub fn resume(self, state: State) -> Result<Optimiser, String> {
        let mut optimiser = self.start();
        if let Optimiser::Adam(adam) = &mut optimiser {
            adam.restore(state)?;
        }
        Ok(optimiser)
    }
}

/// An optimiser and what it remembers.
pub enum Optimiser {
    /// Adam.
    Adam(Adam),
    /// Plain descent, which remembers nothing.
    Descent,
}

impl Optimiser {
    /// What it remembers, for a resumed run; `like` are the tensors that it moves.
    #[must_use]
    pub fn state(&self, like: &[&Tensor<2>]) -> State {
        match self {
            Self::Adam(adam) => adam.state(like),
            Self::Descent => State::new(),
        }
    }

    /// Moves each tensor down its gradient at its learning rate. The operands match in number, order
    /// and shape, and are the same tensors in every step.
    pub fn step(
        &mut self,
        learning_rates: &[f64],
        tensors: Vec<&mut Tensor<2>>,
        gradients: Vec<Tensor<2>>,
    ) {
        match self {
            Self::Adam(adam) => adam.step(learning_rates.iter().copied(), tensors, gradients),
            Self::Descent => {
                for ((tensor, gradient), &rate) in
                    tensors.into_iter().zip(gradients).zip(learning_rates)
                {
                    *tensor = tensor.clone() - gradient * rate;
                }
            }
        }
    }
}
