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
        Self::to_device_units_each(channels.iter(), device)
    }

    fn to_device_units_each<'a>(
        channels: impl Iterator<Item = Channel<'a>> + Clone,
        device: &Device,
    ) -> Self {
        Self {
            scale: row(channels.clone().map(|channel| 0.5 * channel.span()), device),
            offset: row(channels.map(|channel| 0.5 * (channel.maximum + channel.minimum)), device),
        }
    }

    /// The same as [`to_device_units`](Self::to_device_units), in a single column where all channels have one
    /// range.
    #[must_use]
    pub fn to_device_units_at_once(channels: &Channels, device: &Device) -> Self {
        let range = |channel: Channel| (channel.minimum, channel.maximum);
        let first = channels.iter().next().map(range);
        let is_one = channels.iter().all(|channel| Some(range(channel)) == first);
        let columns = if is_one { 1 } else { channels.len() };
        Self::to_device_units_each(channels.iter().take(columns), device)
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
