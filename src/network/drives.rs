//! Converts the values of a physical stage's samples to the drives of its shots, and cotangents of drives back.
//!
//! A stage has samples `[batch, shots · width]`; its device gets shots `[shots · batch, width]`, all samples of the first
//! shot before those of the second. On the CPU both directions are one pass over the values.

use burn::tensor::{Device, Tensor};
use twinprop_calibration::RangeMap;
use twinprop_calibration::bridge::{from_vec, is_cpu, values};
use twinprop_devices::Channels;

use super::RangePenalty;
use super::rows::collect_rows;

const FITS: &str = "a sample has the drives of all its shots";

/// The drives of a stage's shots.
pub(super) struct Drives {
    shots: usize,
    channels: Channels,
    map: RangeMap,
    penalty: RangePenalty,
}

impl Drives {
    /// Of `shots` shots of a sample, each with drives of `channels`.
    pub fn new(shots: usize, channels: &Channels, penalty: RangePenalty, device: &Device) -> Self {
        let map = RangeMap::to_device_units(channels, device);
        Self { shots, channels: channels.clone(), map, penalty }
    }

    /// From normalised drives to the device's units.
    pub fn map(&self) -> &RangeMap {
        &self.map
    }

    /// Drives in the device's units at the normalised `x` `[batch, shots · width]`, not clamped: `[shots · batch, width]`.
    pub fn unclamped(&self, x: &Tensor<2>) -> Tensor<2> {
        self.convert(x, |x| x.clone(), |drive| drive)
    }

    /// The same within range.
    pub fn within_range(&self, x: &Tensor<2>) -> Tensor<2> {
        self.convert(x, |x| x.clone().clamp(-1.0, 1.0), |drive| drive.clamp(-1.0, 1.0))
    }

    /// Drives in the device's units after `change`, which is also given for each value.
    fn convert(
        &self,
        x: &Tensor<2>,
        change: impl Fn(&Tensor<2>) -> Tensor<2>,
        change_each: impl Fn(f32) -> f32 + Sync,
    ) -> Tensor<2> {
        let (device, width) = (x.device(), self.channels.len());
        if !is_cpu(&device) {
            return self.map.apply(by_shot(change(x), self.shots));
        }
        let (values, [batch, width_in]) = (&*values(x.clone()), x.dims());
        assert_eq!(width_in, self.shots * width, "{FITS}");
        let drives = collect_rows(self.shots * batch, width, |row, drives| {
            let place = (row % batch) * self.shots + row / batch;
            for (bank, run) in self.channels.runs(&values[place * width..][..width]) {
                let (middle, half_span) = (bank.middle(), bank.half_span());
                drives.extend(run.iter().map(|value| change_each(*value) * half_span + middle));
            }
        });
        from_vec(drives, [self.shots * batch, width], &device)
    }

    /// Cotangent of the normalised `x` `[batch, shots · width]` from the cotangent `of_drives` `[shots · batch, width]` of
    /// the drives in the device's units: zero out of range, plus the range penalty's gradient.
    pub fn pull_back(&self, x: &Tensor<2>, of_drives: Tensor<2>) -> Tensor<2> {
        let (device, width) = (x.device(), self.channels.len());
        if !is_cpu(&device) {
            let dx = by_sample(of_drives * self.map.scale.clone(), self.shots);
            return self.penalty.confined(x, dx);
        }
        let (values, of_drives, shape) = (&*values(x.clone()), &*values(of_drives), x.dims());
        let (batch, total) = (shape[0], values.len());
        assert_eq!(shape[1], self.shots * width, "{FITS}");
        let confine = self.penalty.confine_each(total);
        let dx = collect_rows(batch * self.shots, width, |row, dx| {
            let place = (row % self.shots) * batch + row / self.shots;
            let values = self.channels.runs(&values[row * width..][..width]);
            let of_drives = self.channels.runs(&of_drives[place * width..][..width]);
            for ((bank, values), (_, of_drives)) in values.zip(of_drives) {
                let half_span = bank.half_span();
                let runs = values.iter().zip(of_drives);
                dx.extend(runs.map(|(value, of_drive)| confine(*value, of_drive * half_span)));
            }
        });
        from_vec(dx, shape, &device)
    }

    /// The range penalty at the normalised `x`.
    pub fn range_penalty(&self, x: &Tensor<2>) -> f32 {
        if is_cpu(&x.device()) {
            return self.penalty.value_of(&values(x.clone()));
        }
        self.penalty.value(x)
    }
}

/// `[batch, shots · width]` → `[shots · batch, width]`.
pub(super) fn by_shot(x: Tensor<2>, shots: usize) -> Tensor<2> {
    let [batch, total] = x.dims();
    let width = total / shots;
    swap_rows(x, [batch, shots, width]).reshape([shots * batch, width])
}

/// `[shots · batch, width]` → `[batch, shots · width]`.
pub(super) fn by_sample(x: Tensor<2>, shots: usize) -> Tensor<2> {
    let [total, width] = x.dims();
    let batch = total / shots;
    swap_rows(x, [shots, batch, width]).reshape([batch, shots * width])
}

/// `[outer, inner, width]` → `[inner, outer, width]`, as a tensor of the same shape as before.
fn swap_rows(x: Tensor<2>, [outer, inner, width]: [usize; 3]) -> Tensor<2> {
    let (shape, device) = (x.dims(), x.device());
    if outer.min(inner) <= 1 {
        return x;
    }
    if !is_cpu(&device) {
        return x.reshape([outer, inner, width]).swap_dims(0, 1).reshape(shape);
    }
    let values = &*values(x);
    let swapped = collect_rows(outer * inner, width, |row, swapped| {
        let place = (row % outer) * inner + row / outer;
        swapped.extend_from_slice(&values[place * width..][..width]);
    });
    from_vec(swapped, shape, &device)
}

#[cfg(test)]
mod tests {
    use twinprop_calibration::bridge::to_vec;

    use super::*;

    /// Banks of different ranges, and values out of range: as tensor operations compute them.
    #[test]
    fn one_pass_gives_what_tensor_operations_give() {
        let device = Device::flex();
        let channels =
            Channels::bank("a", 2, "V", -1.0, 3.0).and(Channels::bank("b", 1, "A", 0.0, 0.5));
        let penalty = RangePenalty { strength: 1.5 };
        let (shots, batch) = (4, 5);
        let drives = Drives::new(shots, &channels, penalty, &device);
        let wave = |phase: f32| {
            let values = (0..60).map(|i| 1.4 * (0.9 * i as f32 + phase).sin());
            from_vec(values.collect(), [batch, 12], &device)
        };
        let (x, dy) = (wave(0.0), wave(1.0).reshape([shots * batch, 3]));
        let rows =
            |x: Tensor<2>| x.reshape([batch, shots, 3]).swap_dims(0, 1).reshape([shots * batch, 3]);
        let same = |found: Tensor<2>, expected: Tensor<2>| {
            assert_eq!(found.dims(), expected.dims());
            for (found, expected) in to_vec(found).into_iter().zip(to_vec(expected)) {
                assert!((found - expected).abs() < 1e-6, "{found} and {expected}");
            }
        };
        let map = drives.map();
        same(drives.unclamped(&x), map.apply(rows(x.clone())));
        same(drives.within_range(&x), map.apply(rows(x.clone().clamp(-1.0, 1.0))));
        let back = dy.clone() * map.scale.clone();
        let back = back.reshape([shots, batch, 3]).swap_dims(0, 1).reshape([batch, 12]);
        same(drives.pull_back(&x, dy), penalty.confined(&x, back));
        assert!((drives.range_penalty(&x) - penalty.value(&x)).abs() < 1e-6);
        same(by_sample(by_shot(x.clone(), shots), shots), x);
    }
}
