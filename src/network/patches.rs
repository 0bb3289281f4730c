//! An image cut into patches.

use burn::tensor::Tensor;

use super::{BatchPosition, Cotangents, DigitalStage, Wanted};
use crate::data::ImageSize;

/// Reorders an image, row by row, into patches, left to right and down; inside a patch row by row again.
pub struct Patches {
    /// Size of the image, a multiple of the patch's.
    pub image: ImageSize,
    /// Size of a patch.
    pub patch: ImageSize,
}

impl Patches {
    /// Pixels as `[batch, a, b, c, d]` in the order `[batch, a, c, b, d]`: (b, c) = (rows, patches across) cuts the
    /// image up, (patches across, rows) joins it.
    fn reorder(&self, x: Tensor<2>, sizes: [usize; 4]) -> Tensor<2> {
        let [batch, pixels] = x.dims();
        let [a, b, c, d] = sizes;
        x.reshape([batch, a, b, c, d]).swap_dims(2, 3).reshape([batch, pixels])
    }

    /// Patches from top to bottom, and from left to right.
    fn counts(&self) -> [usize; 2] {
        [self.image.rows / self.patch.rows, self.image.columns / self.patch.columns]
    }
}

impl DigitalStage for Patches {
    fn kind(&self) -> &'static str {
        "patches"
    }

    fn forward(&self, x: &Tensor<2>, _position: Option<BatchPosition>) -> Tensor<2> {
        let ([down, across], ImageSize { rows, columns }) = (self.counts(), self.patch);
        self.reorder(x.clone(), [down, rows, across, columns])
    }

    fn vjp(
        &self,
        _x: &Tensor<2>,
        dy: Tensor<2>,
        _wanted: Wanted,
        _position: Option<BatchPosition>,
    ) -> Cotangents {
        let ([down, across], ImageSize { rows, columns }) = (self.counts(), self.patch);
        Cotangents::of_input(self.reorder(dy, [down, across, rows, columns]))
    }
}
