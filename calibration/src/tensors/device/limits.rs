//! The ranges of channels in tensors.

use std::iter::repeat_n;

use burn::tensor::{Device, Int, Tensor};
use twinprop_devices::{Bank, Channel, Channels};

use crate::bridge::from_vec;

/// The ranges of channels on a backend.
#[derive(Clone)]
pub(super) struct Limits {
    /// `[1, n]` each.
    pub minimum: Tensor<2>,
    pub maximum: Tensor<2>,
    pub span: Tensor<2>,
    /// 1 for the channels of rasters and 0 for others, `[1, n]`; `None` without rasters.
    cells: Option<Tensor<2>>,
}

impl Limits {
    pub(super) fn of(channels: &Channels, backend: &Device) -> Self {
        let row = |value: &dyn Fn(Channel<'_>) -> f32| {
            from_vec(channels.iter().map(value).collect(), [1, channels.len()], backend)
        };
        let is_cell = |bank: &Bank| f32::from(u8::from(bank.lines().is_some()));
        let cells = || {
            let banks = channels.banks().iter();
            banks.flat_map(|bank| repeat_n(is_cell(bank), bank.count)).collect()
        };
        Self {
            minimum: row(&|channel| channel.minimum),
            maximum: row(&|channel| channel.maximum),
            span: row(&|channel| channel.span()),
            cells: channels.has_raster().then(|| from_vec(cells(), [1, channels.len()], backend)),
        }
    }

    /// `values` `[rows, n]` within their ranges.
    pub(super) fn clamped(&self, values: Tensor<2>) -> Tensor<2> {
        let shape = values.dims();
        let [minimum, maximum] =
            [&self.minimum, &self.maximum].map(|row| row.clone().expand(shape));
        values.max_pair(minimum).min_pair(maximum)
    }

    /// How many of `values` `[rows, n]` are in range.
    pub(super) fn inside(&self, values: &Tensor<2>) -> Tensor<1, Int> {
        let above = values.clone().greater_equal(self.minimum.clone());
        let below = values.clone().lower_equal(self.maximum.clone());
        above.bool_and(below).int().sum()
    }

    /// How many of `values` `[rows, n]` are cells of rasters, but neither 0 nor 1.
    pub(super) fn broken_cells(&self, values: &Tensor<2>) -> Tensor<1, Int> {
        let Some(cells) = &self.cells else {
            return Tensor::zeros([1], &values.device());
        };
        let off = values.clone().square() - values.clone();
        (off * cells.clone()).abs().greater_scalar(0.0).int().sum()
    }
}
