//! An image cut into patches.

use burn::tensor::Tensor;

use super::{BatchPosition, Cotangents, DigitalStage, Wanted, Windows};

/// Patches of an image, left to right and down, side by side; they may overlap. Inside a patch values are stored as in an
/// image: row by row, and the channels of a pixel side by side.
pub struct Patches {
    /// The patches.
    pub windows: Windows,
}

impl DigitalStage for Patches {
    fn kind(&self) -> &'static str {
        "patches"
    }

    fn forward(&self, x: &Tensor<2>, _position: Option<BatchPosition>) -> Tensor<2> {
        self.windows.of(x)
    }

    fn vjp(
        &self,
        _x: &Tensor<2>,
        dy: Tensor<2>,
        _wanted: Wanted,
        _position: Option<BatchPosition>,
    ) -> Cotangents {
        Cotangents::of_input(self.windows.pull_back(dy))
    }
}
