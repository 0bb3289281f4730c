//! A physical layer in a network: several shots of one device, each with its own parameters.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use nalgebra::{DMatrix, DVector};
use rand::RngExt;
use twinprop_calibration::bridge::{from_vec, is_host, to_matrix, to_tensor, to_vec};
use twinprop_calibration::design::TaskDrives;
use twinprop_calibration::{DigitalTwin, Linearised, RangeMap, Run, at_point};
use twinprop_devices::{
    Boundary, BoundaryCounts, Channels, DeviceError, Interface, PhysicalLayer, random,
};

use super::noise::NoiseSource;
use super::{Instrument, Laboratory, Matrix, Outgoing, ReadingUnits, Source, Stage, TensorDevice};
use crate::training::RangePenalty;

/// `shots` shots of one device side by side: shot s sees its own slice of the input, and its readings
/// stand in slice s of the output. Each has parameters of its own, θ_s, or all share one θ.
///
/// Drives and parameters live normalised: [−1, 1] is a channel's range. What lies beyond reaches
/// neither the device nor the twin (it is clamped, and its gradient is zero), and the range
/// penalty pulls it back. Readings leave the stage in [units of their ranges](ReadingUnits), so that what
/// stands behind it need not know the device's.
pub struct Physical {
    instrument: usize,
    shots: usize,
    /// `[settings, n_parameters]`, one setting a shot or one for all.
    parameters: Tensor<2>,
    inputs: RangeMap,
    /// The device's parameters.
    channels: Channels,
    /// From normalised parameters to the device's units by the host's backend; none where the backend is the
    /// host's own processor, which does it in one pass.
    settings: Option<RangeMap>,
    /// None where readings leave the stage as they are.
    readings: Option<ReadingUnits>,
    /// Of a linear device whose parameters are its weights, as long as it plays one shot.
    matrix_gain: Option<f32>,
    penalty: RangePenalty,
    noise: NoiseSource,
}

/// What a physical stage asks of its device, unclamped: the boundary clamps and counts.
pub(super) struct Asked {
    /// `[n_inputs × shots · batch]`, a run a shot.
    drives: DMatrix<f32>,
    /// The settings one after the other.
    settings: Vec<f32>,
}

impl Physical {
    /// `shots` shots on the device in place `instrument` of the laboratory, whose interface is
    /// `interface`, with one setting of the parameters a shot or, if `shared`, one for all; parameters
    /// start uniform over the middle of their ranges, of which `start` (0 to 1) is the share.
    #[must_use]
    pub fn new(
        instrument: usize,
        interface: &Interface,
        (shots, shared): (usize, bool),
        start: f64,
        penalty: RangePenalty,
        seed: (u64, usize),
        device: &Device,
    ) -> Self {
        let mut random = random::stream(seed.0, &format!("parameters of stage {}", seed.1));
        let count = interface.parameters.len();
        let share = start as f32;
        let settings = if shared { 1 } else { shots };
        let start =
            (0..settings * count).map(|_| share * random.random_range(-1.0..1.0f32)).collect();
        Self {
            instrument,
            shots,
            parameters: from_vec(start, [settings, count], device),
            inputs: RangeMap::to_device_units(&interface.inputs, device),
            channels: interface.parameters.clone(),
            settings: (!is_host(device))
                .then(|| RangeMap::to_device_units_at_once(&interface.parameters, device)),
            readings: ReadingUnits::by_range(&interface.outputs, device),
            matrix_gain: interface.normalised_matrix_gain().filter(|_| shots == 1),
            penalty,
            noise: NoiseSource::new(seed.0, format!("unexplained at stage {}", seed.1)),
        }
    }

    /// The stage with readings that leave it in the device's units: for a device whose equation is written in
    /// units in which they are of order one.
    #[must_use]
    pub fn with_readings_in_device_units(mut self) -> Self {
        self.readings = None;
        self
    }

    /// The stage's output `[batch, width out]` from `readings` `[shots · batch, n_outputs]`, a run a shot.
    fn output(&self, readings: Tensor<2>) -> Tensor<2> {
        let seen = match &self.readings {
            Some(units) => units.seen(readings),
            None => readings,
        };
        by_sample(seen, self.shots)
    }

    /// Cotangent of the readings, a run a shot, from that of the stage's output.
    fn reading_cotangent(&self, dy: Tensor<2>) -> Tensor<2> {
        let dy = by_shot(dy, self.shots);
        match &self.readings {
            Some(units) => units.cotangent(dy),
            None => dy,
        }
    }

    /// Drives within range, in the device's units: `[shots · batch, n_inputs]`, a run a shot.
    fn drives(&self, x: &Tensor<2>) -> Tensor<2> {
        let rows = by_shot(x.clone().clamp(-1.0, 1.0), self.shots);
        self.inputs.apply(rows)
    }

    /// Parameters within range, in the device's units: `[settings, n_parameters]`.
    fn settings(&self) -> Tensor<2> {
        if let Some(map) = &self.settings {
            return map.apply(self.parameters.clone().clamp(-1.0, 1.0));
        }
        let settings = self.settings_of(|value| value.clamp(-1.0, 1.0));
        from_vec(settings, self.parameters.dims(), &self.parameters.device())
    }

    /// Parameters in the device's units, setting by setting, each changed by `change` before.
    fn settings_of(&self, change: impl Fn(f32) -> f32) -> Vec<f32> {
        self.in_device_units(to_vec(self.parameters.clone()), change)
    }

    /// `values` of whole settings in the device's units, each changed by `change` before.
    fn in_device_units(&self, mut values: Vec<f32>, change: impl Fn(f32) -> f32) -> Vec<f32> {
        for setting in values.chunks_mut(self.channels.len().max(1)) {
            for (bank, run) in self.channels.runs_mut(setting) {
                let (middle, half_span) = (bank.middle(), bank.half_span());
                run.iter_mut().for_each(|value| *value = change(*value) * half_span + middle);
            }
        }
        values
    }

    /// Gradient of the normalised parameters from the cotangent of the settings.
    fn parameter_gradient(&self, of_settings: Tensor<2>) -> Tensor<2> {
        if let Some(map) = &self.settings {
            return self.confined(&self.parameters, of_settings * map.scale.clone());
        }
        let (shape, device) = (of_settings.dims(), of_settings.device());
        let (mut gradient, values) = (to_vec(of_settings), to_vec(self.parameters.clone()));
        let (count, total) = (self.channels.len().max(1), values.len());
        for (gradient, values) in gradient.chunks_mut(count).zip(values.chunks(count)) {
            let runs = self.channels.runs_mut(gradient).zip(self.channels.runs(values));
            for ((bank, gradient), (_, values)) in runs {
                let half_span = bank.half_span();
                for (gradient, &value) in gradient.iter_mut().zip(values) {
                    let inside = if value.abs() > 1.0 { 0.0 } else { *gradient * half_span };
                    *gradient = inside + self.penalty.gradient_of(value, total);
                }
            }
        }
        from_vec(gradient, shape, &device)
    }

    /// The place in the laboratory of the device.
    #[must_use]
    pub fn instrument(&self) -> usize {
        self.instrument
    }

    /// What goes to the device at `x` `[batch, width in]`.
    pub(super) fn ask(&self, x: &Tensor<2>) -> Asked {
        let drives = self.inputs.apply(by_shot(x.clone(), self.shots));
        Asked { drives: to_matrix(drives), settings: self.settings_of(|value| value) }
    }

    /// Plays `asked`, setting by setting: the stage's output `[batch, width out]`.
    pub(super) fn play(
        &self,
        Asked { drives, settings }: Asked,
        device: &mut Boundary,
    ) -> Result<Tensor<2>, DeviceError> {
        let [groups, _] = self.parameters.dims();
        let bins = device.interface().outputs.len();
        let mut readings = DMatrix::zeros(bins, drives.ncols());
        if groups == 1 {
            device.measure(&drives, &DVector::from_vec(settings), &mut readings)?;
        } else {
            let run = drives.ncols() / groups;
            let mut part = DMatrix::zeros(bins, run);
            let count = self.channels.len();
            for group in 0..groups {
                let setting = &settings[group * count..][..count];
                let drives = drives.columns(group * run, run).into_owned();
                device.measure(&drives, &DVector::from_column_slice(setting), &mut part)?;
                readings.columns_mut(group * run, run).copy_from(&part);
            }
        }
        Ok(self.output(to_tensor(&readings, &self.parameters.device())))
    }

    /// The twin at `x` `[batch, width in]`.
    pub(super) fn linearise(
        &self,
        x: &Tensor<2>,
        twin: &Arc<dyn DigitalTwin>,
    ) -> Box<dyn Linearised> {
        at_point(twin, self.drives(x), self.settings())
    }

    /// Plays the simulated device's own equation in tensors; only counts come back from the backend: of drives and
    /// parameters that were clamped, of readings in range, and of drives that are numbers.
    fn play_in_tensors(
        &self,
        TensorDevice { equation, readings: range }: &TensorDevice,
        x: &Tensor<2>,
        (drives, settings): (Tensor<2>, Tensor<2>),
        boundary: &mut Boundary,
    ) -> Result<Tensor<2>, DeviceError> {
        let readings = equation.respond_by_setting(&drives, &settings);
        let beyond = |values: &Tensor<2>| values.clone().abs().greater_scalar(1.0).int().sum();
        let inside = range.apply(readings.clone()).abs().lower_equal_scalar(1.0).int().sum();
        let finite = x.clone().is_finite().int().sum();
        let counts = vec![beyond(x), beyond(&self.parameters), inside, finite];
        let counts: Vec<i64> =
            Tensor::cat(counts, 0).try_into_vec_as().expect("the backend's device answers");
        let all = |values: &Tensor<2>| values.shape().num_elements() as i64;
        if counts[2] != all(&readings) || counts[3] != all(x) {
            let asked = self.inputs.apply(by_shot(x.clone(), self.shots));
            boundary.check(&to_matrix(asked), &to_matrix(readings.clone()))?;
        }
        boundary.take_in(BoundaryCounts {
            shots: drives.dims()[0] as u64,
            values: (all(x) + all(&self.parameters)) as u64,
            clamped: (counts[0] + counts[1]) as u64,
        });
        Ok(self.output(readings))
    }

    /// The stage's cotangents from the twin's.
    fn pulled_back(
        &self,
        x: &Tensor<2>,
        (dx, dtheta): (Tensor<2>, Tensor<2>),
    ) -> (Tensor<2>, Vec<Tensor<2>>) {
        let dx = by_sample(dx * self.inputs.scale.clone(), self.shots);
        (self.confined(x, dx), vec![self.parameter_gradient(dtheta)])
    }

    fn predict(&self, x: &Tensor<2>, laboratory: &Laboratory) -> Tensor<2> {
        let instrument = &laboratory.instruments[self.instrument];
        let readings = instrument.twin().predict(self.drives(x), self.settings());
        let Instrument { unexplained: Some(deviation), .. } = instrument else { return readings };
        let Some(moment) = laboratory.moment else { return readings };
        let (shape, device) = (readings.dims(), readings.device());
        let deviation = from_vec(deviation.clone(), [1, deviation.len()], &device);
        readings + self.noise.normal(moment, self.shots, shape, &device) * deviation
    }
}

impl Stage for Physical {
    fn kind(&self) -> &'static str {
        "physical"
    }

    fn forward(
        &self,
        x: &Tensor<2>,
        laboratory: &mut Laboratory,
        source: Source,
    ) -> Result<Tensor<2>, DeviceError> {
        match source {
            Source::Measured => {
                let Instrument { device, tensors, .. } =
                    &mut laboratory.instruments[self.instrument];
                match tensors {
                    Some(simulated) => {
                        let at = (self.drives(x), self.settings());
                        self.play_in_tensors(simulated, x, at, device)
                    }
                    None => self.play(self.ask(x), device),
                }
            }
            Source::Predicted => Ok(self.output(self.predict(x, laboratory))),
        }
    }

    fn vjp(
        &self,
        x: &Tensor<2>,
        dy: Tensor<2>,
        laboratory: &Laboratory,
    ) -> (Tensor<2>, Vec<Tensor<2>>) {
        let twin = laboratory.instruments[self.instrument].twin();
        self.pulled_back(x, twin.vjp(self.drives(x), self.settings(), self.reading_cotangent(dy)))
    }

    fn measure_and_linearise(
        &self,
        x: &Tensor<2>,
        laboratory: &mut Laboratory,
    ) -> Result<(Tensor<2>, Option<Box<dyn Linearised>>), DeviceError> {
        let Instrument { device, tensors, twin, .. } = &mut laboratory.instruments[self.instrument];
        if let Some(simulated) = tensors {
            // The backend works through both in the order in which it is told.
            let at = (self.drives(x), self.settings());
            let linearised = twin.as_ref().map(|twin| at_point(twin, at.0.clone(), at.1.clone()));
            return Ok((self.play_in_tensors(simulated, x, at, device)?, linearised));
        }
        let asked = self.ask(x);
        let mut linearised = None;
        // The device is not kept waiting for another core to wake: that one has the twin.
        let output = rayon::in_place_scope(|scope| {
            if let Some(twin) = twin {
                scope.spawn(|_| linearised = Some(self.linearise(x, twin)));
            }
            self.play(asked, device)
        })?;
        Ok((output, linearised))
    }

    fn physical(&self) -> Option<&Physical> {
        Some(self)
    }

    fn vjp_by(
        &self,
        twin: &dyn Linearised,
        x: &Tensor<2>,
        dy: Tensor<2>,
        _laboratory: &Laboratory,
    ) -> (Tensor<2>, Vec<Tensor<2>>) {
        self.pulled_back(x, twin.vjp(self.reading_cotangent(dy)))
    }

    fn mixes(&self) -> bool {
        true
    }

    fn confined(&self, x: &Tensor<2>, dx: Tensor<2>) -> Tensor<2> {
        dx.mask_fill(x.clone().abs().greater_scalar(1.0), 0.0) + self.penalty.gradient(x)
    }

    fn matrix(&self) -> Option<Matrix> {
        let unit = self.readings.as_ref().map_or(Some(1.0), ReadingUnits::common)?;
        let gain = self.matrix_gain? / unit;
        let rows = self.inputs.scale.dims()[1] as i32;
        let weights = self.parameters.clone().clamp(-1.0, 1.0).reshape([rows, -1]) * gain;
        Some(Matrix { parameter: 0, weights, gain })
    }

    /// The twin's mean Jacobian over the batch, row by row of vector-Jacobian products.
    fn outgoing(&self, x: &Tensor<2>, laboratory: &Laboratory) -> Option<Outgoing> {
        let bins = laboratory.instruments[self.instrument].device.interface().outputs.len();
        let (shape, device) = ([x.dims()[0], self.shots * bins], x.device());
        // The range penalty's share of a product does not depend on the cotangent.
        let nothing = self.input_cotangent(x, Tensor::zeros(shape, &device), laboratory);
        let columns = (0..shape[1]).map(|bin| {
            let ones = Tensor::ones([shape[0], 1], &device);
            let dy = Tensor::zeros(shape, &device).slice_assign([0..shape[0], bin..bin + 1], ones);
            let dx = self.input_cotangent(x, dy, laboratory) - nothing.clone();
            dx.mean_dim(0).transpose()
        });
        Some(Outgoing { weights: Tensor::cat(columns.collect(), 1), parameter: None })
    }

    fn slots(&self) -> usize {
        self.shots
    }

    fn run(&self, slot: usize, x: &Tensor<2>, y: &Tensor<2>) -> Option<Run> {
        let part = |values: &Tensor<2>| {
            let width = values.dims()[1] / self.shots;
            values.clone().narrow(1, slot * width, width)
        };
        let readings = match &self.readings {
            Some(units) => units.readings(part(y)),
            None => part(y),
        };
        let setting = self.parameters.clone();
        let setting = setting.narrow(0, slot % self.parameters.dims()[0], 1);
        Some(Run {
            inputs: to_matrix(self.inputs.apply(part(x).clamp(-1.0, 1.0))),
            parameters: self
                .in_device_units(to_vec(setting), |value| value.clamp(-1.0, 1.0))
                .into(),
            outputs: to_matrix(readings),
        })
    }

    fn parameters(&self) -> Vec<(&'static str, &Tensor<2>)> {
        vec![("parameters", &self.parameters)]
    }

    fn constants(&self) -> Vec<(&'static str, &Tensor<2>)> {
        self.readings.iter().flat_map(ReadingUnits::tensors).collect()
    }

    fn state_mut(&mut self) -> (Vec<&mut Tensor<2>>, Vec<&mut Tensor<2>>) {
        let units = self.readings.iter_mut().flat_map(ReadingUnits::tensors_mut);
        (vec![&mut self.parameters], units.collect())
    }

    fn range_penalty(&self, x: &Tensor<2>) -> f32 {
        let of_parameters = match &self.settings {
            Some(_) => self.penalty.value(&self.parameters),
            None => self.penalty.value_of(&to_vec(self.parameters.clone())),
        };
        self.penalty.value(x) + of_parameters
    }

    fn task_drives(&self, x: &Tensor<2>) -> Option<(usize, TaskDrives)> {
        let inputs = to_matrix(self.drives(x));
        Some((self.instrument, TaskDrives { inputs, parameters: to_matrix(self.settings()) }))
    }
}

/// `[batch, shots · width]` → `[shots · batch, width]`.
fn by_shot(x: Tensor<2>, shots: usize) -> Tensor<2> {
    let [batch, total] = x.dims();
    let width = total / shots;
    x.reshape([batch, shots, width]).swap_dims(0, 1).reshape([shots * batch, width])
}

/// `[shots · batch, width]` → `[batch, shots · width]`.
fn by_sample(x: Tensor<2>, shots: usize) -> Tensor<2> {
    let [total, width] = x.dims();
    let batch = total / shots;
    x.reshape([shots, batch, width]).swap_dims(0, 1).reshape([batch, shots * width])
}
