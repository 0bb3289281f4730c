//! One layer's readings as the next layer's drives, in the same unit.

use burn::tensor::{Device, Tensor};
use twinprop_calibration::RangeMap;
use twinprop_devices::Channels;

use super::{BatchPosition, Cotangents, DigitalStage, ReadingUnit, Wanted};

/// Readings (or raw features) in a device's units → its normalised drives, channel by channel:
/// nothing is trained and nothing rescaled beyond the unit. A reading of 1 V becomes a drive of 1 V.
pub struct Wire {
    ranges: RangeMap,
}

impl Wire {
    /// `width` values onto `channels`, cyclically if there are more values than channels.
    #[must_use]
    pub fn new(channels: &Channels, width: usize, device: &Device) -> Self {
        Self { ranges: RangeMap::normalising_each(channels.iter().cycle().take(width), device) }
    }

    /// The same for readings and features with the units `values` in the network, one a value.
    #[must_use]
    pub fn of_readings(channels: &Channels, values: &[ReadingUnit], device: &Device) -> Self {
        if values.iter().all(|value| *value == ReadingUnit::ONE) {
            return Self::new(channels, values.len(), device);
        }
        let (scale, offset) = channels
            .iter()
            .cycle()
            .zip(values)
            .map(|(channel, value)| {
                let [low, high] = [channel.minimum, channel.maximum].map(f64::from);
                let per_drive = 2.0 / (high - low);
                let offset = (value.zero - 0.5 * (low + high)) * per_drive;
                ((value.unit * per_drive) as f32, offset as f32)
            })
            .unzip();
        Self { ranges: RangeMap::of(scale, offset, device) }
    }
}

impl DigitalStage for Wire {
    fn kind(&self) -> &'static str {
        "wire"
    }

    fn forward(&self, x: &Tensor<2>, _position: Option<BatchPosition>) -> Tensor<2> {
        self.ranges.apply(x.clone())
    }

    fn vjp(
        &self,
        _x: &Tensor<2>,
        dy: Tensor<2>,
        _wanted: Wanted,
        _position: Option<BatchPosition>,
    ) -> Cotangents {
        Cotangents::of_input(dy * self.ranges.scale.clone())
    }
}
