//! Features onto channels: scaled to [−1, 1] and repeated to fill.

use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor};
use twinprop_calibration::bridge::from_vec;

use super::{BatchPosition, Cotangents, DigitalStage, Wanted};

/// y_i = clamp(2 (x_j − min_j) / (max_j − min_j) − 1, −1, 1), j = i mod features.
///
/// The extremes are taken from the training data; a constant feature becomes zero.
pub struct Encode {
    scale: Tensor<2>,
    /// Subtracted before scaling: the minimum of a feature that is far from zero, where rounding of scale · value would
    /// lose its differences, and zero for other features. `None` if all are zero.
    start: Option<Tensor<2>>,
    offset: Tensor<2>,
    /// Feature of each channel.
    place: Tensor<1, Int>,
}

/// Smallest distance of a far feature's minimum from zero, in units of its range.
const FAR: f32 = 4.0;

impl Encode {
    /// For features with the given extremes, onto `channels` channels (at least one a feature).
    #[must_use]
    pub fn new(minimum: &[f32], maximum: &[f32], channels: usize, device: &Device) -> Self {
        let features = minimum.len();
        let scale: Vec<f32> = minimum
            .iter()
            .zip(maximum)
            .map(|(low, high)| if high > low { 2.0 / (high - low) } else { 0.0 })
            .collect();
        let ranges = || minimum.iter().copied().zip(maximum.iter().copied());
        let is_far = |(low, high): (f32, f32)| high > low && low.abs() > FAR * (high - low);
        let offset = ranges()
            .zip(&scale)
            .map(|(range, &scale)| match range {
                _ if is_far(range) => -1.0,
                (low, _) if scale > 0.0 => -low * scale - 1.0,
                _ => 0.0,
            })
            .collect();
        let start = ranges().map(|range| if is_far(range) { range.0 } else { 0.0 });
        Self {
            start: ranges().any(is_far).then(|| from_vec(start.collect(), [1, features], device)),
            scale: from_vec(scale, [1, features], device),
            offset: from_vec(offset, [1, features], device),
            place: Tensor::arange(0..channels as i64, device).remainder_scalar(features as i64),
        }
    }

    /// `x` scaled by the features' extremes, not clamped.
    fn scaled(&self, x: &Tensor<2>) -> Tensor<2> {
        let x = match &self.start {
            Some(start) => x.clone() - start.clone(),
            None => x.clone(),
        };
        x * self.scale.clone() + self.offset.clone()
    }
}

impl DigitalStage for Encode {
    fn kind(&self) -> &'static str {
        "encode"
    }

    fn forward(&self, x: &Tensor<2>, _position: Option<BatchPosition>) -> Tensor<2> {
        self.scaled(x).clamp(-1.0, 1.0).select(1, self.place.clone())
    }

    fn vjp(
        &self,
        x: &Tensor<2>,
        dy: Tensor<2>,
        _wanted: Wanted,
        _position: Option<BatchPosition>,
    ) -> Cotangents {
        let outside = self.scaled(x).abs().greater_scalar(1.0);
        let dx = x.zeros_like().select_assign(1, self.place.clone(), dy, IndexingUpdateOp::Add);
        Cotangents::of_input((dx * self.scale.clone()).mask_fill(outside, 0.0))
    }

    fn multiply_adds(&self) -> u64 {
        self.place.dims()[0] as u64
    }
}
