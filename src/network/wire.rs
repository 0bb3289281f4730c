//! One layer's readings as the next one's drives, in their own unit.

use burn::tensor::{Device, Tensor};
use twinprop_calibration::RangeMap;
use twinprop_devices::{Channels, DeviceError};

use super::{Laboratory, Source, Stage};

/// Readings (or raw features) in a device's units → its normalised drives, channel by channel:
/// nothing is trained and nothing rescaled beyond the unit.
pub struct Wire {
    ranges: RangeMap,
}

impl Wire {
    /// `width` values onto `channels`, in turn where there are more values than channels.
    #[must_use]
    pub fn new(channels: &Channels, width: usize, device: &Device) -> Self {
        Self { ranges: RangeMap::normalising_each(channels.iter().cycle().take(width), device) }
    }
}

impl Stage for Wire {
    fn kind(&self) -> &'static str {
        "wire"
    }

    fn forward(
        &self,
        x: &Tensor<2>,
        _laboratory: &mut Laboratory,
        _source: Source,
    ) -> Result<Tensor<2>, DeviceError> {
        Ok(self.ranges.apply(x.clone()))
    }

    fn vjp(
        &self,
        _x: &Tensor<2>,
        dy: Tensor<2>,
        _laboratory: &Laboratory,
    ) -> (Tensor<2>, Vec<Tensor<2>>) {
        (dy * self.ranges.scale.clone(), Vec::new())
    }
}
