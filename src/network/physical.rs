//! A physical layer in a network: several shots of one device, each with its own parameters.

use burn::tensor::{Device, Tensor};
use nalgebra::DMatrix;
use rand::RngExt;
use twinprop_calibration::RangeMap;
use twinprop_calibration::bridge::{from_vec, to_matrix, to_tensor};
use twinprop_calibration::design::TaskDrives;
use twinprop_devices::{DeviceError, Interface, PhysicalLayer, random};

use super::{Laboratory, Source, Stage};
use crate::training::RangePenalty;

/// `shots` settings of one device side by side: shot s sees its own slice of the input and its own
/// parameters θ_s, and its readings stand in slice s of the output.
///
/// Drives and parameters live normalised: [−1, 1] is a channel's range. What lies beyond reaches
/// neither the device nor the twin (it is clamped, and its gradient is zero), and the range
/// penalty pulls it back.
pub struct Physical {
    instrument: usize,
    shots: usize,
    parameters: Tensor<2>,
    inputs: RangeMap,
    settings: RangeMap,
    penalty: RangePenalty,
}

impl Physical {
    /// `shots` shots on the device in place `instrument` of the laboratory, whose interface is
    /// `interface`; parameters start uniform over the middle of their ranges, of which `start` (0 to
    /// 1) is the share.
    #[must_use]
    pub fn new(
        instrument: usize,
        interface: &Interface,
        shots: usize,
        start: f64,
        penalty: RangePenalty,
        seed: (u64, usize),
        device: &Device,
    ) -> Self {
        let mut random = random::stream(seed.0, &format!("parameters of stage {}", seed.1));
        let count = interface.parameters.len();
        let share = start as f32;
        let start = (0..shots * count).map(|_| share * random.random_range(-1.0..1.0f32)).collect();
        Self {
            instrument,
            shots,
            parameters: from_vec(start, [shots, count], device),
            inputs: RangeMap::to_device_units(&interface.inputs, device),
            settings: RangeMap::to_device_units(&interface.parameters, device),
            penalty,
        }
    }

    /// Drives within range, in the device's units: `[shots · batch, n_inputs]`, a run a shot.
    fn drives(&self, x: &Tensor<2>) -> Tensor<2> {
        let rows = by_shot(x.clone().clamp(-1.0, 1.0), self.shots);
        self.inputs.apply(rows)
    }

    /// Parameters within range, in the device's units: `[shots, n_parameters]`.
    fn settings(&self) -> Tensor<2> {
        self.settings.apply(self.parameters.clone().clamp(-1.0, 1.0))
    }

    fn measure(
        &self,
        x: &Tensor<2>,
        laboratory: &mut Laboratory,
    ) -> Result<Tensor<2>, DeviceError> {
        // Unclamped: the boundary clamps and counts.
        let drives = self.inputs.apply(by_shot(x.clone(), self.shots));
        let drives = to_matrix(drives);
        let settings = to_matrix(self.settings.apply(self.parameters.clone()));
        let device = &mut laboratory.instruments[self.instrument].device;
        let batch = drives.ncols() / self.shots;
        let bins = device.interface().outputs.len();
        let mut readings = DMatrix::zeros(bins, drives.ncols());
        let mut part = DMatrix::zeros(bins, batch);
        for (shot, setting) in settings.column_iter().enumerate() {
            let drives = drives.columns(shot * batch, batch).into_owned();
            device.measure(&drives, &setting.into_owned(), &mut part)?;
            readings.columns_mut(shot * batch, batch).copy_from(&part);
        }
        Ok(to_tensor(&readings, &x.device()))
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
        let readings = match source {
            Source::Measured => self.measure(x, laboratory)?,
            Source::Predicted => {
                let twin = laboratory.instruments[self.instrument].twin();
                twin.predict(self.drives(x), self.settings())
            }
        };
        Ok(by_sample(readings, self.shots))
    }

    fn vjp(
        &self,
        x: &Tensor<2>,
        dy: Tensor<2>,
        laboratory: &Laboratory,
    ) -> (Tensor<2>, Vec<Tensor<2>>) {
        let twin = laboratory.instruments[self.instrument].twin();
        let (dx, dtheta) = twin.vjp(self.drives(x), self.settings(), by_shot(dy, self.shots));
        let dx = by_sample(dx * self.inputs.scale.clone(), self.shots);
        let dtheta = dtheta * self.settings.scale.clone();
        let inside = |gradient: Tensor<2>, value: &Tensor<2>| {
            gradient.mask_fill(value.clone().abs().greater_scalar(1.0), 0.0)
                + self.penalty.gradient(value)
        };
        (inside(dx, x), vec![inside(dtheta, &self.parameters)])
    }

    fn parameters(&self) -> Vec<(&'static str, &Tensor<2>)> {
        vec![("parameters", &self.parameters)]
    }

    fn state_mut(&mut self) -> (Vec<&mut Tensor<2>>, Vec<&mut Tensor<2>>) {
        (vec![&mut self.parameters], Vec::new())
    }

    fn range_penalty(&self, x: &Tensor<2>) -> f32 {
        self.penalty.value(x) + self.penalty.value(&self.parameters)
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
