//! How well a network's outputs meet its targets, in a number that people quote.

use nalgebra::DMatrix;

use crate::data::Targets;

/// A score; higher is better.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Score {
    /// Share of samples whose largest output is that of their class.
    Accuracy(f32),
}

impl Score {
    /// Of `outputs` `[outputs × samples]` against `targets`.
    #[must_use]
    pub fn of(outputs: &DMatrix<f32>, targets: &Targets) -> Self {
        Self::Accuracy(accuracy(&predictions(outputs), targets.classes()))
    }

    /// The number itself.
    #[must_use]
    pub fn value(self) -> f32 {
        let Self::Accuracy(value) = self;
        value
    }
}

/// Index of the largest of the `outputs` `[outputs × samples]` of each sample: the predicted class.
#[must_use]
pub fn predictions(outputs: &DMatrix<f32>) -> Vec<usize> {
    let largest = |of_sample: &[f32]| {
        (1..of_sample.len())
            .fold(0, |best, class| if of_sample[class] > of_sample[best] { class } else { best })
    };
    outputs.as_slice().chunks(outputs.nrows().max(1)).map(largest).collect()
}

/// Share of `predicted` that equals `classes`.
fn accuracy(predicted: &[usize], classes: &[usize]) -> f32 {
    let right = predicted.iter().zip(classes).filter(|(left, right)| left == right).count();
    right as f32 / classes.len() as f32
}
