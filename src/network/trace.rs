//! The values of a forward pass that are saved for the backward pass.

use burn::tensor::Tensor;
use twinprop_calibration::Linearised;

use super::{BatchPosition, Passed, Point, Skip};

/// The values of a forward pass, stage by stage.
#[derive(Default)]
pub struct Trace {
    /// Input of each stage, `[batch, width in]`.
    pub inputs: Vec<Tensor<2>>,
    /// Output of each stage, `[batch, width out]`.
    pub outputs: Vec<Tensor<2>>,
    /// Readings of each physical stage, `[shots · batch, n_outputs]`, in the device's units.
    pub readings: Vec<Option<Tensor<2>>>,
    /// Each stage's twin, linearised at the stage's input; `None` if it was not linearised.
    pub linearised: Vec<Option<Box<dyn Linearised>>>,
    /// Which samples of which training step these are; `None` outside of training.
    pub position: Option<BatchPosition>,
}

impl Trace {
    /// An empty trace for `stages` stages.
    pub(crate) fn for_stages(stages: usize, position: Option<BatchPosition>) -> Self {
        Self {
            inputs: Vec::with_capacity(stages),
            outputs: Vec::with_capacity(stages),
            readings: Vec::with_capacity(stages),
            linearised: Vec::with_capacity(stages),
            position,
        }
    }

    /// Input of stage `place`: `x` or the output before it, plus the skip connections that end there.
    pub(crate) fn input_of(&self, place: usize, x: &Tensor<2>, skips: &[Skip]) -> Tensor<2> {
        let value = self.outputs.last().unwrap_or(x).clone();
        let ending = skips.iter().filter(|skip| skip.to == place);
        ending.fold(value, |value, skip| value + self.inputs[skip.from].clone())
    }

    /// Adds a stage's output.
    pub(crate) fn push(&mut self, passed: Passed) {
        self.outputs.push(passed.output);
        self.readings.push(passed.readings);
        self.linearised.push(passed.linearised);
    }

    /// The point of the pass at stage `place`.
    ///
    /// # Panics
    /// If the trace has fewer stages.
    #[must_use]
    pub fn point(&self, place: usize) -> Point<'_> {
        Point {
            x: &self.inputs[place],
            readings: self.readings.get(place).and_then(Option::as_ref),
            linearised: self.linearised.get(place).and_then(Option::as_deref),
            position: self.position,
        }
    }

    /// Joins the traces of a batch's `parts`, without readings and linearised twins.
    ///
    /// # Panics
    /// If `parts` is empty.
    #[must_use]
    pub fn joined(parts: &[Self]) -> Self {
        let join = |of: fn(&Self) -> &Vec<Tensor<2>>| {
            let places = 0..of(&parts[0]).len();
            places
                .map(|place| {
                    Tensor::cat(parts.iter().map(|part| of(part)[place].clone()).collect(), 0)
                })
                .collect()
        };
        Self {
            inputs: join(|part| &part.inputs),
            outputs: join(|part| &part.outputs),
            readings: Vec::new(),
            linearised: Vec::new(),
            position: parts[0].position,
        }
    }

    /// The network's output, `[batch, width out]`.
    ///
    /// # Panics
    /// For a network without stages.
    #[must_use]
    pub fn output(&self) -> &Tensor<2> {
        self.outputs.last().expect("a network has stages")
    }
}
