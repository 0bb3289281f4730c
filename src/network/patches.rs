//! An image cut into patches.

use burn::tensor::Tensor;

use super::{BatchPosition, Cotangents, DigitalStage, Wanted};

/// Reorders an image, row by row, into patches of `height × width` pixels, left to right and down;
/// inside a patch row by row again.
pub struct Patches {
    /// Rows and columns of the image, multiples of the patch's.
    pub image: (usize, usize),
    /// Rows and columns of a patch.
    pub patch: (usize, usize),
}

impl Patches {
    /// Pixels as `[batch, a, b, c, d]` in the order `[batch, a, c, b, d]`; with (b, c) = (rows, patches
    /// across) that cuts the image up, with (patches across, rows) it puts it together.
    fn reorder(&self, x: Tensor<2>, sizes: [usize; 4]) -> Tensor<2> {
        let [batch, pixels] = x.dims();
        let [a, b, c, d] = sizes;
        x.reshape([batch, a, b, c, d]).swap_dims(2, 3).reshape([batch, pixels])
    }

    fn counts(&self) -> (usize, usize) {
        (self.image.0 / self.patch.0, self.image.1 / self.patch.1)
    }
}

impl DigitalStage for Patches {
    fn kind(&self) -> &'static str {
        "patches"
    }

    fn forward(&self, x: &Tensor<2>, _position: Option<BatchPosition>) -> Tensor<2> {
        let ((down, across), (rows, columns)) = (self.counts(), self.patch);
        self.reorder(x.clone(), [down, rows, across, columns])
    }

    fn vjp(
        &self,
        _x: &Tensor<2>,
        dy: Tensor<2>,
        _wanted: Wanted,
        _position: Option<BatchPosition>,
    ) -> Cotangents {
        let ((down, across), (rows, columns)) = (self.counts(), self.patch);
        Cotangents::of_input(self.reorder(dy, [down, across, rows, columns]))
    }
}
