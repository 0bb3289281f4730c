//! Readings without a unit: what a network sees of a device.

use burn::tensor::{Device, Tensor};
use twinprop_calibration::bridge::from_vec;
use twinprop_devices::{Bank, Channels};

/// ŷ = (y − zero) / unit, output by output: readings of order one whether the device has them in volts or in
/// nanoamperes.
///
/// The unit is half the range, and zero the value of the range that is nearest to zero: zero itself for
/// most, and the lower end of frequencies about 200 THz.
pub struct ReadingUnits {
    /// Each `[1, n_outputs]`.
    zero: Tensor<2>,
    unit: Tensor<2>,
    /// The unit of all outputs, if they have one and zero is zero.
    common: Option<f32>,
}

/// The zero and the unit of one value in a network, in the unit of the reading or the feature that it was; of any
/// other value, zero and one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReadingUnit {
    /// What became zero.
    pub zero: f64,
    /// The difference that became one.
    pub unit: f64,
}

impl ReadingUnit {
    /// Values as they are.
    pub const ONE: Self = Self { zero: 0.0, unit: 1.0 };

    fn of(bank: &Bank) -> Self {
        Self { zero: f64::from(bank.nearest_to_zero()), unit: f64::from(bank.half_span()) }
    }

    /// Those of the readings of `outputs`, channel by channel.
    pub fn each(outputs: &Channels) -> impl Iterator<Item = Self> + Clone + '_ {
        outputs.banks().iter().flat_map(|bank| std::iter::repeat_n(Self::of(bank), bank.count))
    }
}

impl ReadingUnits {
    /// Those of the readings of `outputs`; none where readings are what they are already.
    #[must_use]
    pub fn by_range(outputs: &Channels, device: &Device) -> Option<Self> {
        let mut banks = outputs.banks().iter().map(ReadingUnit::of);
        if banks.clone().all(|bank| bank == ReadingUnit::ONE) {
            return None;
        }
        let first = banks.clone().next().filter(|bank| bank.zero == 0.0);
        let common = first.filter(|first| banks.all(|bank| bank == *first));
        let row = |of: fn(ReadingUnit) -> f64| {
            let values = ReadingUnit::each(outputs).map(|each| of(each) as f32).collect();
            from_vec(values, [1, outputs.len()], device)
        };
        Some(Self {
            zero: row(|each| each.zero),
            unit: row(|each| each.unit),
            common: common.map(|common| common.unit as f32),
        })
    }

    /// The unit of all outputs, if they have one and zero is zero.
    #[must_use]
    pub fn common(&self) -> Option<f32> {
        self.common
    }

    /// What the network sees of `readings` `[shots, n_outputs]`.
    #[must_use]
    pub fn seen(&self, readings: Tensor<2>) -> Tensor<2> {
        (readings - self.zero.clone()) / self.unit.clone()
    }

    /// The readings of which the network sees `values` `[shots, n_outputs]`.
    #[must_use]
    pub fn readings(&self, values: Tensor<2>) -> Tensor<2> {
        values * self.unit.clone() + self.zero.clone()
    }

    /// Cotangent of the readings from that of what is seen of them, each `[shots, n_outputs]`.
    #[must_use]
    pub fn cotangent(&self, of_values: Tensor<2>) -> Tensor<2> {
        of_values / self.unit.clone()
    }

    /// Its tensors with their names.
    pub(super) fn tensors(&self) -> [(&'static str, &Tensor<2>); 2] {
        [("reading_zero", &self.zero), ("reading_unit", &self.unit)]
    }

    /// The tensors of [`tensors`](Self::tensors), in their order.
    pub(super) fn tensors_mut(&mut self) -> [&mut Tensor<2>; 2] {
        [&mut self.zero, &mut self.unit]
    }
}
