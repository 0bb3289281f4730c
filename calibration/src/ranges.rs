//! Between device units and the normalised range [−1, 1], channel by channel.

use burn::tensor::{Device, Tensor};
use twinprop_devices::{Channel, Channels};

use crate::bridge::from_vec;

/// y = scale ∘ (x − start) + offset on rows of channels.
#[derive(Clone)]
pub struct RangeMap {
    /// `[1, channels]`; cotangents are multiplied by it.
    pub scale: Tensor<2>,
    /// The lower end of a range that is far from zero, such as that of an optical frequency, and zero for
    /// other ranges: scale ∘ x would round away the differences between the values. `None` where all are
    /// zero.
    start: Option<Tensor<2>>,
    offset: Tensor<2>,
}

/// Whether a range is far from zero, measured by its width.
fn is_far(channel: &Channel) -> bool {
    0.5 * (channel.minimum + channel.maximum).abs() > FAR * channel.span()
}

/// A range is far from zero beyond so many of its widths.
const FAR: f32 = 4.0;

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
        let start = |channel: Channel| if is_far(&channel) { channel.minimum } else { 0.0 };
        let offset = |channel: Channel| {
            if is_far(&channel) {
                return -1.0;
            }
            -(channel.maximum + channel.minimum) / channel.span()
        };
        Self {
            scale: row(channels.clone().map(|channel| 2.0 / channel.span()), device),
            start: channels
                .clone()
                .any(|channel| is_far(&channel))
                .then(|| row(channels.clone().map(start), device)),
            offset: row(channels.map(offset), device),
        }
    }

    /// The map with this scale and offset for each channel.
    #[must_use]
    pub fn of(scale: Vec<f32>, offset: Vec<f32>, device: &Device) -> Self {
        let (scale, offset) = (row(scale.into_iter(), device), row(offset.into_iter(), device));
        Self { scale, start: None, offset }
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
            start: None,
            offset: row(channels.map(|channel| 0.5 * (channel.maximum + channel.minimum)), device),
        }
    }

    /// The same map as [`to_device_units`](Self::to_device_units), as one column where all channels have
    /// the same range.
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
        let values = match &self.start {
            Some(start) => values - start.clone(),
            None => values,
        };
        values * self.scale.clone() + self.offset.clone()
    }
}

fn row(values: impl Iterator<Item = f32>, device: &Device) -> Tensor<2> {
    let values: Vec<f32> = values.collect();
    let width = values.len();
    from_vec(values, [1, width], device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::to_vec;

    #[test]
    fn neighbouring_values_of_a_narrow_range_far_from_zero_stay_apart() {
        let device = Device::flex();
        let channels = Channels::bank("frequency", 3, "Hz", 1.999_99e14, 2.000_01e14);
        let bank = &channels.banks()[0];
        // Two neighbouring 32-bit floats.
        let next = f32::from_bits(bank.minimum.to_bits() + 1);
        let values = vec![bank.minimum, next, bank.maximum];
        let map = RangeMap::normalising(&channels, &device);
        let normalised = to_vec(map.apply(from_vec(values, [1, 3], &device)));
        let step = 2.0 * (next - bank.minimum) / (bank.maximum - bank.minimum);
        assert!(normalised[0] == -1.0 && (normalised[2] - 1.0).abs() < 1e-6, "{normalised:?}");
        assert!(((normalised[1] + 1.0) / step - 1.0).abs() < 1e-3, "{normalised:?}, step {step}");
    }
}
