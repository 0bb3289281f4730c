//! A device's units around a network.

use burn::tensor::{Device, Tensor};
use twinprop_devices::Interface;

use crate::bridge::from_vec;
use crate::moments::ReadingMoments;
use crate::ranges::RangeMap;

/// Between a device's units and a network's: drives and parameters by their ranges, readings by
/// their mean and standard deviation.
#[derive(Clone)]
pub struct Units {
    /// Inputs → [−1, 1].
    pub inputs: RangeMap,
    /// Parameters → [−1, 1].
    pub parameters: RangeMap,
    /// Mean of each reading, `[1, n_outputs]`.
    pub reading_mean: Tensor<2>,
    /// Standard deviation of each reading, `[1, n_outputs]`.
    pub reading_deviation: Tensor<2>,
}

impl Units {
    /// The units of a device with `interface` and readings with the given `moments`.
    #[must_use]
    pub fn new(interface: &Interface, moments: ReadingMoments, device: &Device) -> Self {
        let shape = [1, interface.outputs.len()];
        Self {
            inputs: RangeMap::normalising(&interface.inputs, device),
            parameters: RangeMap::normalising(&interface.parameters, device),
            reading_mean: from_vec(moments.mean, shape, device),
            reading_deviation: from_vec(moments.deviation, shape, device),
        }
    }

    /// Readings `y` `[shots, n_outputs]` with mean zero and variance one.
    #[must_use]
    pub fn normalise_readings(&self, y: Tensor<2>) -> Tensor<2> {
        (y - self.reading_mean.clone()) / self.reading_deviation.clone()
    }

    /// The same, back in the device's units.
    #[must_use]
    pub fn readings(&self, normalised: Tensor<2>) -> Tensor<2> {
        normalised * self.reading_deviation.clone() + self.reading_mean.clone()
    }
}
