//! A physical layer in a network: several shots of one device, each with its own parameters.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use nalgebra::{DMatrix, DVector};
use twinprop_calibration::bridge::{from_vec, into_tensor, to_matrix};
use twinprop_calibration::design::TaskDrives;
use twinprop_calibration::tensors::{BatchCounts, TensorDevice};
use twinprop_calibration::{DigitalTwin, Linearised, ShotRun, at_point};
use twinprop_devices::{Boundary, BoundaryCounts, DeviceError, Interface, PhysicalLayer};

use super::drives::{Drives, by_sample, by_shot};
use super::noise::NoiseSource;
use super::settings::Settings;
use super::{
    BatchPosition, Cotangents, Instrument, Laboratory, Matrix, Outgoing, Passed, Point,
    RangePenalty, ReadingUnits, Source, StageSeed, StageTensors, StageTensorsMut, Wanted,
};

/// `shots` shots of one device side by side: shot s gets slice s of the input, and its readings are slice s of the
/// output. Each has parameters of its own, θ_s, or all share one θ.
///
/// Drives and parameters are normalised: [−1, 1] is a channel's range. Values beyond it are clamped for the device and
/// the twin, have no gradient, and are pulled back by the range penalty. Readings leave the stage in
/// [units of their ranges](ReadingUnits), so that the next stage does not depend on the device's units.
pub struct Physical {
    instrument: usize,
    shots: usize,
    settings: Settings,
    drives: Drives,
    /// `None` if readings leave the stage in the device's units.
    readings: Option<ReadingUnits>,
    /// The matrix over the normalised parameters, for one shot of a linear device with weights as parameters.
    matrix_gain: Option<f32>,
    penalty: RangePenalty,
    noise: NoiseSource,
}

/// How a physical stage plays its device.
#[derive(Clone, Copy, Debug)]
pub struct PhysicalOptions {
    /// Shots side by side, at least one.
    pub shots: usize,
    /// Whether all shots share one setting of the parameters.
    pub shared: bool,
    /// Share (0 to 1) of each parameter's range, about its middle, from which its start is drawn uniformly.
    pub start: f64,
    /// Penalty on drives and parameters out of range.
    pub penalty: RangePenalty,
}

impl Default for PhysicalOptions {
    /// One shot, parameters from the whole range, the recipes' penalty of 1.
    fn default() -> Self {
        Self { shots: 1, shared: false, start: 1.0, penalty: RangePenalty { strength: 1.0 } }
    }
}

/// Drives and settings of a physical stage's device, unclamped: the boundary clamps and counts.
pub(super) struct Request {
    /// `[n_inputs × shots · batch]`, shot by shot.
    drives: DMatrix<f32>,
    /// The settings, one after the other.
    settings: Vec<f32>,
}

impl Physical {
    /// A stage on the device at index `instrument` of the laboratory, with the interface `interface`.
    #[must_use]
    pub fn new(
        instrument: usize,
        interface: &Interface,
        options: PhysicalOptions,
        seed: StageSeed,
        device: &Device,
    ) -> Self {
        let PhysicalOptions { shots, shared, start, penalty } = options;
        let settings = if shared { 1 } else { shots };
        let StageSeed { seed: of_all, place } = seed;
        Self {
            instrument,
            shots,
            settings: Settings::draw(settings, &interface.parameters, start, seed, device),
            drives: Drives::new(shots, &interface.inputs, penalty, device),
            readings: ReadingUnits::by_range(&interface.outputs, device),
            matrix_gain: interface.normalised_matrix_gain().filter(|_| shots == 1),
            penalty,
            noise: NoiseSource::new(of_all, format!("unexplained at stage {place}")),
        }
    }

    /// The same with `values` `[settings × n_parameters]` in the device's units as its parameters, setting by setting.
    #[must_use]
    pub fn with_settings(mut self, values: Vec<f32>, device: &Device) -> Self {
        self.settings.set(values, device);
        self
    }

    /// The same with readings that leave the stage in the device's units, for an equation in units in which they are
    /// of order one.
    #[must_use]
    pub fn with_readings_in_device_units(mut self) -> Self {
        self.readings = None;
        self
    }

    /// Index of the device in the laboratory.
    #[must_use]
    pub fn instrument(&self) -> usize {
        self.instrument
    }

    /// Shots of one sample.
    #[must_use]
    pub fn shots(&self) -> usize {
        self.shots
    }

    /// Whether several shots of a sample share one setting of the parameters.
    #[must_use]
    pub fn shares_settings(&self) -> bool {
        self.settings.count() < self.shots
    }

    /// The parameters of shot `shot`, within range, in the device's units.
    #[must_use]
    pub fn setting(&self, shot: usize) -> DVector<f32> {
        self.settings.of_shot(shot)
    }

    /// The stage's output `[batch, width out]` from `readings` `[shots · batch, n_outputs]`, shot by shot.
    fn output(&self, readings: Tensor<2>) -> Tensor<2> {
        let seen = match &self.readings {
            Some(units) => units.seen(readings),
            None => readings,
        };
        by_sample(seen, self.shots)
    }

    /// The stage's part of a pass with `readings` `[shots · batch, n_outputs]` of the device or the twin.
    fn passed(&self, readings: Tensor<2>, linearised: Option<Box<dyn Linearised>>) -> Passed {
        Passed { output: self.output(readings.clone()), readings: Some(readings), linearised }
    }

    /// Cotangent of the readings, shot by shot, from the cotangent of the stage's output.
    fn reading_cotangent(&self, dy: Tensor<2>) -> Tensor<2> {
        let dy = by_shot(dy, self.shots);
        match &self.readings {
            Some(units) => units.cotangent(dy),
            None => dy,
        }
    }

    /// The request to the device at `x` `[batch, width in]`.
    pub(super) fn request(&self, x: &Tensor<2>) -> Request {
        let drives = to_matrix(self.drives.unclamped(x));
        Request { drives, settings: self.settings.unclamped() }
    }

    /// Plays a request on `device`, setting by setting.
    pub(super) fn play(
        &self,
        Request { drives, settings }: Request,
        device: &mut Boundary,
    ) -> Result<Passed, DeviceError> {
        let groups = self.settings.count();
        let Interface { outputs, parameters, .. } = device.interface();
        let (bins, count) = (outputs.len(), parameters.len());
        let mut readings = DMatrix::zeros(bins, drives.ncols());
        if groups == 1 {
            device.measure(&drives, &DVector::from_vec(settings), &mut readings)?;
        } else {
            let settings = DMatrix::from_vec(count, groups, settings);
            device.measure_settings(&drives, &settings, &mut readings)?;
        }
        Ok(self.passed(into_tensor(readings, &self.settings.values().device()), None))
    }

    /// The twin at `x` `[batch, width in]`.
    pub(super) fn linearise(
        &self,
        x: &Tensor<2>,
        twin: &Arc<dyn DigitalTwin>,
    ) -> Box<dyn Linearised> {
        at_point(twin, self.drives.within_range(x), self.settings.in_device_units())
    }

    /// Plays the device in tensors at the `drives` of `x` and the `settings`. Only counts come back from the backend: of
    /// clamped drives and parameters, of readings in range, of finite drives and parameters, and of
    /// raster cells that are neither 0 nor 1.
    fn play_in_tensors(
        &self,
        device: &TensorDevice,
        x: &Tensor<2>,
        drives: &Tensor<2>,
        settings: &Tensor<2>,
        boundary: &mut Boundary,
    ) -> Result<Passed, DeviceError> {
        let readings = device.measure_tensors(drives.clone(), settings.clone());
        let BatchCounts { inside, broken_cells } =
            device.counts(&self.drives.unclamped(x), &readings);
        let beyond = |values: &Tensor<2>| values.clone().abs().greater_scalar(1.0).int().sum();
        let finite = |values: &Tensor<2>| values.clone().is_finite().int().sum();
        let own = self.settings.values();
        let counts = vec![beyond(x), beyond(own), inside, finite(x), finite(own), broken_cells];
        let counts: Vec<i64> =
            Tensor::cat(counts, 0).try_into_vec_as().expect("the backend's device answers");
        let all = |values: &Tensor<2>| values.shape().num_elements() as i64;
        if counts[2..] != [all(&readings), all(x), all(own), 0] {
            let drives = to_matrix(self.drives.unclamped(x));
            boundary.check(&drives, &self.settings.unclamped(), &to_matrix(readings.clone()))?;
        }
        boundary.take_in(BoundaryCounts {
            shots: drives.dims()[0] as u64,
            values: (all(x) + all(own)) as u64,
            clamped: (counts[0] + counts[1]) as u64,
        });
        Ok(self.passed(readings, None))
    }

    /// The twin's readings `[shots · batch, n_outputs]`; in a training step with noise of the size of its error.
    fn predict(
        &self,
        x: &Tensor<2>,
        laboratory: &Laboratory,
        position: Option<BatchPosition>,
    ) -> Tensor<2> {
        let instrument = &laboratory.instruments[self.instrument];
        let (drives, settings) = (self.drives.within_range(x), self.settings.in_device_units());
        let readings = instrument.twin().predict(drives, settings);
        let Instrument { unexplained: Some(deviation), .. } = instrument else { return readings };
        let Some(position) = position else { return readings };
        let (shape, device) = (readings.dims(), readings.device());
        let deviation = from_vec(deviation.clone(), [1, deviation.len()], &device);
        readings + self.noise.normal(position, self.shots, shape, &device) * deviation
    }

    /// Plays or predicts `x` `[batch, width in]`.
    pub(super) fn forward(
        &self,
        x: &Tensor<2>,
        laboratory: &mut Laboratory,
        source: Source,
        position: Option<BatchPosition>,
    ) -> Result<Passed, DeviceError> {
        if source == Source::Predicted {
            return Ok(self.passed(self.predict(x, laboratory, position), None));
        }
        let Instrument { device, tensors, .. } = &mut laboratory.instruments[self.instrument];
        match tensors {
            Some(simulated) => {
                let (drives, settings) =
                    (self.drives.within_range(x), self.settings.in_device_units());
                self.play_in_tensors(simulated, x, &drives, &settings, device)
            }
            None => self.play(self.request(x), device),
        }
    }

    /// Plays `x` `[batch, width in]`, and linearises the twin at the same time.
    pub(super) fn measure_and_linearise(
        &self,
        x: &Tensor<2>,
        laboratory: &mut Laboratory,
    ) -> Result<Passed, DeviceError> {
        let Instrument { device, tensors, twin, .. } = &mut laboratory.instruments[self.instrument];
        if let Some(simulated) = tensors {
            // The backend executes both in the order of these calls.
            let (drives, settings) = (self.drives.within_range(x), self.settings.in_device_units());
            let linearise = |twin| at_point(twin, drives.clone(), settings.clone());
            let linearised = twin.as_ref().map(linearise);
            let passed = self.play_in_tensors(simulated, x, &drives, &settings, device)?;
            return Ok(Passed { linearised, ..passed });
        }
        let request = self.request(x);
        let mut linearised = None;
        // Played by this thread, so that the device does not wait for another core to wake.
        let passed = rayon::in_place_scope(|scope| {
            if let Some(twin) = twin {
                scope.spawn(|_| linearised = Some(self.linearise(x, twin)));
            }
            self.play(request, device)
        })?;
        Ok(Passed { linearised, ..passed })
    }

    /// Vector-Jacobian product at `point`, by the twin linearised there or else by the laboratory's.
    pub(super) fn vjp(
        &self,
        point: Point,
        dy: Tensor<2>,
        wanted: Wanted,
        laboratory: &Laboratory,
    ) -> Cotangents {
        let dy = self.reading_cotangent(dy);
        let predict = || self.predict(point.x, laboratory, None);
        let y = point.readings.cloned().unwrap_or_else(predict);
        if let Some(twin) = point.linearised
            && !wanted.input()
        {
            let dtheta = self.settings.gradient(twin.parameter_vjp(y, dy), self.penalty);
            return Cotangents { input: None, parameters: vec![dtheta] };
        }
        let (dx, dtheta) = match point.linearised {
            Some(twin) => twin.vjp(y, dy),
            None => {
                let twin = laboratory.instruments[self.instrument].twin();
                let drives = self.drives.within_range(point.x);
                twin.vjp(drives, self.settings.in_device_units(), y, dy)
            }
        };
        Cotangents {
            input: Some(self.drives.pull_back(point.x, dx)),
            parameters: vec![self.settings.gradient(dtheta, self.penalty)],
        }
    }

    /// `dx` where the drives `x` are in range and zero elsewhere, plus the range penalty's gradient.
    pub(super) fn confined(&self, x: &Tensor<2>, dx: Tensor<2>) -> Tensor<2> {
        self.penalty.confined(x, dx)
    }

    /// The parameters as a matrix, for a linear device with weights as parameters.
    pub(super) fn matrix(&self) -> Option<Matrix> {
        let unit = self.readings.as_ref().map_or(Some(1.0), ReadingUnits::common)?;
        let gain = self.matrix_gain? / unit;
        let rows = self.drives.map().scale.dims()[1] as i32;
        let parameters = self.settings.values().clone();
        let weights = parameters.clamp(-1.0, 1.0).reshape([rows, -1]) * gain;
        Some(Matrix { parameter: 0, weights, gain })
    }

    /// The twin's mean Jacobian over the batch, row by row of vector-Jacobian products.
    pub(super) fn outgoing(&self, point: Point, laboratory: &Laboratory) -> Outgoing {
        let bins = laboratory.instruments[self.instrument].device.interface().outputs.len();
        let (shape, device) = ([point.x.dims()[0], self.shots * bins], point.x.device());
        // By the laboratory's present twin.
        let point = Point { linearised: None, ..point };
        let pull_back = |dy| self.vjp(point, dy, Wanted::Input, laboratory).into_input();
        // The range penalty's share of a product does not depend on the cotangent.
        let nothing = pull_back(Tensor::zeros(shape, &device));
        let columns = (0..shape[1]).map(|bin| {
            let ones = Tensor::ones([shape[0], 1], &device);
            let dy = Tensor::zeros(shape, &device).slice_assign([0..shape[0], bin..bin + 1], ones);
            (pull_back(dy) - nothing.clone()).mean_dim(0).transpose()
        });
        Outgoing { weights: Tensor::cat(columns.collect(), 1), parameter: None }
    }

    /// Drives, parameters and readings of shot `shot` of each sample, at the stage's input `x` and output `y`.
    pub(crate) fn run(&self, shot: usize, x: &Tensor<2>, y: &Tensor<2>) -> ShotRun {
        let part = |values: &Tensor<2>| {
            let width = values.dims()[1] / self.shots;
            values.clone().narrow(1, shot * width, width)
        };
        let readings = match &self.readings {
            Some(units) => units.readings(part(y)),
            None => part(y),
        };
        ShotRun {
            inputs: to_matrix(self.drives.map().apply(part(x).clamp(-1.0, 1.0))),
            parameters: self.settings.of_shot(shot),
            outputs: to_matrix(readings),
        }
    }

    /// The trained parameters, and the units of the readings.
    pub(super) fn tensors(&self) -> StageTensors<'_> {
        StageTensors {
            parameters: vec![("parameters", self.settings.values())],
            constants: self.readings.iter().flat_map(ReadingUnits::tensors).collect(),
        }
    }

    /// The same, mutable.
    pub(super) fn tensors_mut(&mut self) -> StageTensorsMut<'_> {
        let units = self.readings.iter_mut().flat_map(ReadingUnits::tensors_mut);
        StageTensorsMut { parameters: vec![self.settings.values_mut()], constants: units.collect() }
    }

    /// Penalty for drives `x` and parameters out of range.
    pub(super) fn range_penalty(&self, x: &Tensor<2>) -> f32 {
        self.drives.range_penalty(x) + self.settings.penalty(self.penalty)
    }

    /// Drives and parameters of the device at `x` `[batch, width in]`.
    #[must_use]
    pub fn task_drives(&self, x: &Tensor<2>) -> TaskDrives {
        let inputs = to_matrix(self.drives.within_range(x));
        TaskDrives { inputs, parameters: to_matrix(self.settings.in_device_units()) }
    }
}
