//! Features onto channels: scaled to [−1, 1] and repeated to fill.

use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor};
use twinprop_calibration::bridge::from_vec;
use twinprop_devices::DeviceError;

use super::{Laboratory, Source, Stage};

/// y_i = clamp(2 (x_j − min_j) / (max_j − min_j) − 1, −1, 1), j = i mod features.
///
/// Extremes are those of the training data; a constant feature becomes zero.
pub struct Encode {
    scale: Tensor<2>,
    offset: Tensor<2>,
    place: Tensor<1, Int>,
}

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
        let offset = minimum
            .iter()
            .zip(&scale)
            .map(|(low, &scale)| if scale > 0.0 { -low * scale - 1.0 } else { 0.0 })
            .collect();
        Self {
            scale: from_vec(scale, [1, features], device),
            offset: from_vec(offset, [1, features], device),
            place: Tensor::arange(0..channels as i64, device).remainder_scalar(features as i64),
        }
    }
}

impl Stage for Encode {
    fn kind(&self) -> &'static str {
        "encode"
    }

    fn forward(
        &self,
        x: &Tensor<2>,
        _laboratory: &mut Laboratory,
        _source: Source,
    ) -> Result<Tensor<2>, DeviceError> {
        let scaled = x.clone() * self.scale.clone() + self.offset.clone();
        Ok(scaled.clamp(-1.0, 1.0).select(1, self.place.clone()))
    }

    fn vjp(
        &self,
        x: &Tensor<2>,
        dy: Tensor<2>,
        _laboratory: &Laboratory,
    ) -> (Tensor<2>, Vec<Tensor<2>>) {
        let scaled = x.clone() * self.scale.clone() + self.offset.clone();
        let outside = scaled.abs().greater_scalar(1.0);
        let dx = x.zeros_like().select_assign(1, self.place.clone(), dy, IndexingUpdateOp::Add);
        ((dx * self.scale.clone()).mask_fill(outside, 0.0), Vec::new())
    }

    fn multiply_adds(&self) -> u64 {
        self.place.dims()[0] as u64
    }
}
