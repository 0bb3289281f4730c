//! Between device units and the normalised range [−1, 1], channel by channel.

use burn::tensor::{Device, Tensor};
use twinprop_devices::{Channel, Channels};

use crate::bridge::from_vec;

/// y = scale ∘ x + offset on rows of channels.
#[derive(Clone)]
pub struct RangeMap {
    /// `[1, channels]`; cotangents are multiplied by it.
    pub scale: Tensor<2>,
    offset: Tensor<2>,
}

impl RangeMap {
    /// Device units → [−1, 1].
    #[must_use]
    pub fn normalising(channels: &Channels, device: &Device) -> Self {
        Self {
            scale: row(channels, |channel| 2.0 / channel.span(), device),
            offset: row(
                channels,
                |channel| -(channel.maximum + channel.minimum) / channel.span(),
                device,
            ),
        }
    }

    /// [−1, 1] → device units.
    #[must_use]
    pub fn to_device_units(channels: &Channels, device: &Device) -> Self {
        Self {
            scale: row(channels, |channel| 0.5 * channel.span(), device),
            offset: row(channels, |channel| 0.5 * (channel.maximum + channel.minimum), device),
        }
    }

    /// Maps `values` `[rows, channels]`.
    #[must_use]
    pub fn apply(&self, values: Tensor<2>) -> Tensor<2> {
        values * self.scale.clone() + self.offset.clone()
    }
}

fn row(channels: &Channels, value: fn(Channel) -> f32, device: &Device) -> Tensor<2> {
    from_vec(channels.iter().map(value).collect(), [1, channels.len()], device)
}
