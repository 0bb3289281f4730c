//! A stage's part of a forward pass, and the point at which the stage is differentiated.

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
    /// The twin, linearised while the device played; `None` if that was not asked for.
    pub linearised: Option<Box<dyn Linearised>>,
}

/// The point of a forward pass at which a stage is differentiated.
#[derive(Clone, Copy)]
pub struct Point<'a> {
    /// The stage's input, `[batch, width in]`.
    pub x: &'a Tensor<2>,
    /// The device's readings, of a physical stage: `[shots · batch, n_outputs]`, in the device's units. Without them,
    /// the twin's prediction is used.
    pub readings: Option<&'a Tensor<2>>,
    /// The twin, linearised at this point; `None` if it was not.
    pub linearised: Option<&'a dyn Linearised>,
    /// Which samples of which training step these are.
    pub position: Option<BatchPosition>,
}

impl<'a> Point<'a> {
    /// The point with the input `x` and nothing else.
    #[must_use]
    pub fn at(x: &'a Tensor<2>) -> Self {
        Self { x, readings: None, linearised: None, position: None }
    }
}

impl Passed {
    /// The output of a stage without a device.
    pub(super) fn computed(output: Tensor<2>) -> Self {
        Self { output, readings: None, linearised: None }
    }
}
