//! Readings without a unit, as a network uses them.

use burn::tensor::{Device, Tensor};
use twinprop_calibration::bridge::from_vec;
use twinprop_devices::{Bank, Channels};

/// ŷ = (y − zero) / unit, output by output: readings of order one, in volts or in nanoamperes.
///
/// The unit is half the range, and zero the value in the range that is nearest to 0: 0 itself for most devices, the
/// lower end of a range of frequencies about 200 THz.
pub struct ReadingUnits {
    /// Each `[1, n_outputs]`.
    zero: Tensor<2>,
    unit: Tensor<2>,
    /// The unit that all outputs share; `None` if they differ, or if a zero is not 0.
    common: Option<f32>,
}

/// Zero and unit of one value in a network, in the unit of its reading or feature; 0 and 1 for any other value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReadingUnit {
    /// The reading that is 0 in the network.
    pub zero: f64,
    /// The difference of readings that is 1 in the network.
    pub unit: f64,
}

impl ReadingUnit {
    /// Values as they are.
    pub const ONE: Self = Self { zero: 0.0, unit: 1.0 };

    fn of(bank: &Bank) -> Self {
        Self { zero: f64::from(bank.nearest_to_zero()), unit: f64::from(bank.half_span()) }
    }

    /// The units of the readings of `outputs`, channel by channel.
    pub fn each(outputs: &Channels) -> impl Iterator<Item = Self> + Clone + '_ {
        outputs.banks().iter().flat_map(|bank| std::iter::repeat_n(Self::of(bank), bank.count))
    }
}

impl ReadingUnits {
    /// The units of the readings of `outputs`; `None` if all are [`ReadingUnit::ONE`].
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

    /// The unit that all outputs share; `None` if they differ, or if a zero is not 0.
    #[must_use]
    pub fn common(&self) -> Option<f32> {
        self.common
    }

    /// The network's values of `readings`, each `[shots, n_outputs]`.
    #[must_use]
    pub fn seen(&self, readings: Tensor<2>) -> Tensor<2> {
        (readings - self.zero.clone()) / self.unit.clone()
    }

    /// The readings of the network's `values`, each `[shots, n_outputs]`.
    #[must_use]
    pub fn readings(&self, values: Tensor<2>) -> Tensor<2> {
        values * self.unit.clone() + self.zero.clone()
    }

    /// Cotangent of the readings from the cotangent of the network's values, each `[shots, n_outputs]`.
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
