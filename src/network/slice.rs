//! Some of the channels.

use burn::tensor::Tensor;

use super::{BatchPosition, Cotangents, DigitalStage, Wanted};

/// The `count` channels from channel `from` on; the others are not read.
pub struct Slice {
    /// The first channel read, from zero.
    pub from: usize,
    /// Number of channels read.
    pub count: usize,
}

impl DigitalStage for Slice {
    fn kind(&self) -> &'static str {
        "slice"
    }

    fn forward(&self, x: &Tensor<2>, _position: Option<BatchPosition>) -> Tensor<2> {
        x.clone().narrow(1, self.from, self.count)
    }

    fn vjp(
        &self,
        x: &Tensor<2>,
        dy: Tensor<2>,
        _wanted: Wanted,
        _position: Option<BatchPosition>,
    ) -> Cotangents {
        let [batch, _] = x.dims();
        let read = [0..batch, self.from..self.from + self.count];
        Cotangents::of_input(x.zeros_like().slice_assign(read, dy))
    }
}
