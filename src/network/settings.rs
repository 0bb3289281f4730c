//! The trained parameters of a physical stage: normalised for the optimiser, in the device's units for the device
//! and its twin.

use burn::tensor::{Device, Tensor};
use nalgebra::DVector;
use rand::RngExt;
use twinprop_calibration::RangeMap;
use twinprop_calibration::bridge::{from_vec, is_cpu, to_vec, values};
use twinprop_devices::{Channels, random};

use super::{RangePenalty, StageSeed};

/// Settings of a device's parameters: one for each shot of a stage, or one for all its shots.
///
/// Normalised, [−1, 1] is a parameter's range. Values beyond it are clamped for the device and the twin, and have only
/// the range penalty's gradient.
pub(super) struct Settings {
    /// `[settings, n_parameters]`, normalised.
    values: Tensor<2>,
    /// The device's parameters.
    channels: Channels,
    /// From normalised parameters to the device's units by the backend; `None` on the CPU, which converts them in
    /// one pass.
    map: Option<RangeMap>,
}

impl Settings {
    /// `count` settings of `channels`, drawn uniformly from the share `start` (0 to 1) of their ranges about the middle.
    pub fn draw(
        count: usize,
        channels: &Channels,
        start: f64,
        StageSeed { seed, place }: StageSeed,
        device: &Device,
    ) -> Self {
        let mut random = random::stream(seed, &format!("parameters of stage {place}"));
        let share = start as f32;
        let values = (0..count * channels.len())
            .map(|_| share * random.random_range(-1.0..1.0f32))
            .collect();
        Self {
            values: from_vec(values, [count, channels.len()], device),
            channels: channels.clone(),
            map: (!is_cpu(device)).then(|| RangeMap::to_device_units_at_once(channels, device)),
        }
    }

    /// Sets all settings, in the device's units, setting by setting.
    pub fn set(&mut self, values: Vec<f32>, device: &Device) {
        let ranges = self.channels.iter().cycle();
        let normalised = values.into_iter().zip(ranges).map(|(value, channel)| {
            (2.0 * value - channel.minimum - channel.maximum) / channel.span()
        });
        self.values = from_vec(normalised.collect(), self.values.dims(), device);
    }

    /// Number of settings.
    pub fn count(&self) -> usize {
        self.values.dims()[0]
    }

    /// The trained tensor, `[settings, n_parameters]`.
    pub fn values(&self) -> &Tensor<2> {
        &self.values
    }

    /// The trained tensor, mutable.
    pub fn values_mut(&mut self) -> &mut Tensor<2> {
        &mut self.values
    }

    /// Within range, in the device's units: `[settings, n_parameters]`.
    pub fn in_device_units(&self) -> Tensor<2> {
        if let Some(map) = &self.map {
            return map.apply(self.values.clone().clamp(-1.0, 1.0));
        }
        let settings = self.convert(to_vec(self.values.clone()), |value| value.clamp(-1.0, 1.0));
        from_vec(settings, self.values.dims(), &self.values.device())
    }

    /// In the device's units and not clamped, setting after setting: the boundary clamps and counts.
    pub fn unclamped(&self) -> Vec<f32> {
        self.convert(to_vec(self.values.clone()), |value| value)
    }

    /// The setting of shot `shot`, within range, in the device's units.
    pub fn of_shot(&self, shot: usize) -> DVector<f32> {
        let setting = self.values.clone().narrow(0, shot % self.count(), 1);
        self.convert(to_vec(setting), |value| value.clamp(-1.0, 1.0)).into()
    }

    /// Whole settings `values` in the device's units, after `change` of each value.
    fn convert(&self, mut values: Vec<f32>, change: impl Fn(f32) -> f32) -> Vec<f32> {
        for setting in values.chunks_mut(self.channels.len().max(1)) {
            for (bank, run) in self.channels.runs_mut(setting) {
                let (middle, half_span) = (bank.middle(), bank.half_span());
                run.iter_mut().for_each(|value| *value = change(*value) * half_span + middle);
            }
        }
        values
    }

    /// Gradient of the normalised parameters from the cotangent `dtheta` `[settings, n_parameters]` of the parameters
    /// in the device's units, plus the gradient of `penalty`.
    pub fn gradient(&self, dtheta: Tensor<2>, penalty: RangePenalty) -> Tensor<2> {
        if let Some(map) = &self.map {
            return penalty.confined(&self.values, dtheta * map.scale.clone());
        }
        let (shape, device) = (dtheta.dims(), dtheta.device());
        let (mut gradient, values) = (to_vec(dtheta), &*values(self.values.clone()));
        let (count, confine) = (self.channels.len().max(1), penalty.confine_each(values.len()));
        for (gradient, values) in gradient.chunks_mut(count).zip(values.chunks(count)) {
            let runs = self.channels.runs_mut(gradient).zip(self.channels.runs(values));
            for ((bank, gradient), (_, values)) in runs {
                let half_span = bank.half_span();
                for (gradient, value) in gradient.iter_mut().zip(values) {
                    *gradient = confine(*value, *gradient * half_span);
                }
            }
        }
        from_vec(gradient, shape, &device)
    }

    /// The penalty for values out of range.
    pub fn penalty(&self, penalty: RangePenalty) -> f32 {
        match &self.map {
            Some(_) => penalty.value(&self.values),
            None => penalty.value_of(&values(self.values.clone())),
        }
    }
}
