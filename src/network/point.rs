//! A stage's part of a forward pass, and the point that the pass went through.

use burn::tensor::Tensor;
use twinprop_calibration::Linearised;

use super::BatchPosition;

/// Where a physical stage's forward values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Measured on the device.
    Measured,
    /// Predicted by the twin.
    Predicted,
}

/// A stage's part of a forward pass.
pub struct Passed {
    /// `[batch, width out]`.
    pub output: Tensor<2>,
    /// The device's readings, of a physical stage: `[shots · batch, n_outputs]`, in the device's units.
    pub readings: Option<Tensor<2>>,
    /// The twin, linearised there while the device played, if that was asked for.
    pub linearised: Option<Box<dyn Linearised>>,
}

/// A point that a forward pass went through: where a stage is differentiated.
#[derive(Clone, Copy)]
pub struct Point<'a> {
    /// The stage's input, `[batch, width in]`.
    pub x: &'a Tensor<2>,
    /// The device's readings there, of a physical stage: `[shots · batch, n_outputs]`, in the device's
    /// units. Without them, the twin's prediction takes their place.
    pub readings: Option<&'a Tensor<2>>,
    /// The twin, linearised there before, if it was.
    pub linearised: Option<&'a dyn Linearised>,
    /// Which samples of which training step these are.
    pub position: Option<BatchPosition>,
}

impl<'a> Point<'a> {
    /// The point `x`, of which nothing else is known.
    #[must_use]
    pub fn at(x: &'a Tensor<2>) -> Self {
        Self { x, readings: None, linearised: None, position: None }
    }
}

impl Passed {
    /// Of a stage without a device.
    pub(super) fn computed(output: Tensor<2>) -> Self {
        Self { output, readings: None, linearised: None }
    }
}
