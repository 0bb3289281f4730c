//! Some of the channels.

use burn::tensor::Tensor;
use twinprop_devices::DeviceError;

use super::{Laboratory, Source, Stage};

/// The `count` channels from channel `from` on; the others are not read.
pub struct Slice {
    /// The first channel read, from zero.
    pub from: usize,
    /// How many are read.
    pub count: usize,
}

impl Stage for Slice {
    fn kind(&self) -> &'static str {
        "slice"
    }

    fn forward(
        &self,
        x: &Tensor<2>,
        _laboratory: &mut Laboratory,
        _source: Source,
    ) -> Result<Tensor<2>, DeviceError> {
        Ok(x.clone().narrow(1, self.from, self.count))
    }

    fn vjp(
        &self,
        x: &Tensor<2>,
        dy: Tensor<2>,
        _laboratory: &Laboratory,
    ) -> (Tensor<2>, Vec<Tensor<2>>) {
        let [batch, _] = x.dims();
        let read = [0..batch, self.from..self.from + self.count];
        (x.zeros_like().slice_assign(read, dy), Vec::new())
    }
}
