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
        Self::normalising_each(channels.iter(), device)
    }

    /// Device units → [−1, 1], for any row of channels.
    #[must_use]
    pub fn normalising_each<'a>(
        channels: impl Iterator<Item = Channel<'a>> + Clone,
        device: &Device,
    ) -> Self {
        Self {
            scale: row(channels.clone().map(|channel| 2.0 / channel.span()), device),
            offset: row(
                channels.map(|channel| -(channel.maximum + channel.minimum) / channel.span()),
                device,
            ),
        }
    }

    /// [−1, 1] → device units.
    #[must_use]
    pub fn to_device_units(channels: &Channels, device: &Device) -> Self {
        Self {
            scale: row(channels.iter().map(|channel| 0.5 * channel.span()), device),
            offset: row(
                channels.iter().map(|channel| 0.5 * (channel.maximum + channel.minimum)),
                device,
            ),
        }
    }

    /// The same as [`to_device_units`](Self::to_device_units), in a single column where all channels have one
    /// range.
    #[must_use]
    pub fn to_device_units_at_once(channels: &Channels, device: &Device) -> Self {
        let mut all = channels.iter();
        let Some(first) = all.next() else { return Self::to_device_units(channels, device) };
        if all.any(|one| (one.minimum, one.maximum) != (first.minimum, first.maximum)) {
            return Self::to_device_units(channels, device);
        }
        Self {
            scale: row(std::iter::once(0.5 * first.span()), device),
            offset: row(std::iter::once(0.5 * (first.maximum + first.minimum)), device),
        }
    }

    /// Maps `values` `[rows, channels]`.
    #[must_use]
    pub fn apply(&self, values: Tensor<2>) -> Tensor<2> {
        values * self.scale.clone() + self.offset.clone()
    }
}

fn row(values: impl Iterator<Item = f32>, device: &Device) -> Tensor<2> {
    let values: Vec<f32> = values.collect();
    let width = values.len();
    from_vec(values, [1, width], device)
}
