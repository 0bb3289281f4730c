//! A simulated device on a backend: as fabricated, with its noise, converters and drift.

mod conversion;
mod converter;
#[cfg(feature = "kernels")]
mod kernel;
mod limits;

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::tensor::{Device, Int, Tensor};
use nalgebra::{DMatrix, DVector};
use twinprop_devices::electronic::Crossbar;
use twinprop_devices::imperfections::{DriftPath, ImperfectionsConfig};
use twinprop_devices::{DeviceError, Differentiable, Interface, PhysicalLayer, Usage};

use self::converter::Converter;
use self::limits::Limits;
use super::draws::Draws;
use super::equation::TensorEquation;
use super::in_tensors_of;
use crate::bridge::{from_vec, to_tensor, to_vec};

/// A simulated device whose equation, noise, converters and drift are computed in tensors of a backend.
///
/// Shots are played by tensors ([`measure_tensors`](Self::measure_tensors)), which stay on the backend, or by matrices, as
/// any [`PhysicalLayer`]. Copies are one device: they share its shots, its drift and what its cells remember. Its noise
/// is that of [`twinprop_devices::imperfections`], on drives and readings the same numbers but for rounding.
#[derive(Clone)]
pub struct TensorDevice {
    interface: Interface,
    backend: Device,
    state: Arc<Mutex<State>>,
}

/// The device behind all its copies.
struct State {
    equation: Arc<dyn TensorEquation>,
    drift: Option<Drift>,
    drives: Converter,
    parameters: Converter,
    readings: Converter,
    seed: u64,
    shots: u64,
}

/// Constants that move.
struct Drift {
    device: Box<dyn Differentiable>,
    path: DriftPath,
    /// Parts of the change made so far.
    position: f64,
}

/// Counts of a batch of shots, each a number on the backend.
pub struct BatchCounts {
    /// Readings in range.
    pub inside: Tensor<1, Int>,
    /// Raster cells that are neither 0 nor 1, among drives and readings.
    pub broken_cells: Tensor<1, Int>,
}

impl TensorDevice {
    /// The device `as_fabricated`, unused, on `backend`, with the noise of `seed`; `None` on `flex`, where vectorised
    /// loops are faster, for devices that have no equation in tensors, and for a drifting crossbar, whose programmed cells
    /// keep the constants of that time.
    #[must_use]
    pub fn new(
        as_fabricated: &dyn Differentiable,
        imperfections: &ImperfectionsConfig,
        seed: u64,
        backend: &Device,
    ) -> Option<Self> {
        if crate::bridge::is_cpu(backend) {
            return None;
        }
        Self::on_backend(as_fabricated, imperfections, seed, backend)
    }

    /// The same on any backend.
    #[must_use]
    pub fn on_backend(
        as_fabricated: &dyn Differentiable,
        imperfections: &ImperfectionsConfig,
        seed: u64,
        backend: &Device,
    ) -> Option<Self> {
        let equation = in_tensors_of(as_fabricated, backend)?;
        let drift = imperfections.drift.as_ref().map(|drift| Drift {
            device: as_fabricated.boxed(),
            path: DriftPath::new(as_fabricated, drift, seed),
            position: 0.0,
        });
        if drift.is_some() && (as_fabricated as &dyn Any).is::<Crossbar>() {
            return None;
        }
        let interface = as_fabricated.interface().clone();
        let ImperfectionsConfig {
            input_noise, readout_noise, shot_noise, dac_bits, adc_bits, ..
        } = *imperfections;
        let limits = |channels| Limits::of(channels, backend);
        let drives = Converter::new(limits(&interface.inputs), "input noise")
            .with_codes_before(dac_bits)
            .with_noise(input_noise, 0.0);
        let parameters =
            Converter::new(limits(&interface.parameters), "").with_codes_before(dac_bits);
        let readings = Converter::new(limits(&interface.outputs), "readout noise")
            .with_noise(readout_noise, shot_noise)
            .with_codes_after(adc_bits);
        let state = State { equation, drift, drives, parameters, readings, seed, shots: 0 };
        let (backend, state) = (backend.clone(), Arc::new(Mutex::new(state)));
        Some(Self { interface, backend, state })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plays the drives `x` `[settings · shots, n_inputs]` at `theta` `[settings, n_parameters]`, setting by setting, both in
    /// the device's units and in range: readings `[settings · shots, n_outputs]`.
    #[must_use]
    pub fn measure_tensors(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
        let mut state = self.state();
        let [rows, settings] = [x.dims()[0], theta.dims()[0]];
        if settings == 0 {
            return Tensor::zeros([0, self.interface.outputs.len()], &self.backend);
        }
        let shots = rows / settings;
        let mut readings = Vec::new();
        let mut first = 0;
        while first < settings {
            let count = state.settings_until_a_move(settings - first, shots);
            state.settle(&self.backend);
            let (x, theta) = if count == settings {
                (x.clone(), theta.clone())
            } else {
                let x = x.clone().narrow(0, first * shots, count * shots);
                (x, theta.clone().narrow(0, first, count))
            };
            readings.push(state.play(x, theta));
            first += count;
        }
        Tensor::cat(readings, 0)
    }

    /// Counts of a batch by its drives `x`, before they were clamped, and its `readings`.
    #[must_use]
    pub fn counts(&self, x: &Tensor<2>, readings: &Tensor<2>) -> BatchCounts {
        let state = self.state();
        BatchCounts {
            inside: state.readings.limits().inside(readings),
            broken_cells: state.drives.limits().broken_cells(x)
                + state.readings.limits().broken_cells(readings),
        }
    }

    /// Plays matrices, setting by setting.
    fn measure_matrices(
        &self,
        inputs: &DMatrix<f32>,
        settings: &[f32],
        count: usize,
        outputs: &mut DMatrix<f32>,
    ) {
        let width = self.interface.parameters.len();
        let theta = from_vec(settings.to_vec(), [count, width], &self.backend);
        let readings = self.measure_tensors(to_tensor(inputs, &self.backend), theta);
        outputs.as_mut_slice().copy_from_slice(&to_vec(readings));
    }
}

impl State {
    /// How many of the next `most` settings of `shots` shots, at least one, are played with the same constants.
    fn settings_until_a_move(&self, most: usize, shots: usize) -> usize {
        let Some(Drift { path, .. }) = &self.drift else { return most };
        let now = path.position_after(self.shots);
        let moves = |next: &usize| path.position_after(self.shots + (next * shots) as u64) != now;
        (1..most).find(moves).unwrap_or(most)
    }

    /// Sets the constants for the next shot.
    fn settle(&mut self, backend: &Device) {
        let Some(Drift { device, path, position }) = &mut self.drift else { return };
        let next = path.position_after(self.shots);
        if next != *position {
            *position = next;
            device.set_constants(&path.constants_at(next));
            self.equation =
                in_tensors_of(&**device, backend).expect("the device has had an equation before");
        }
    }

    /// Plays shots with the present constants.
    fn play(&mut self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
        let (draws, shots) = (Draws::new(self.seed, self.shots), x.dims()[0]);
        let (x, theta) = (self.drives.convert(x, &draws), self.parameters.convert(theta, &draws));
        self.shots += shots as u64;
        self.readings.convert(self.equation.measure(x, theta, &draws), &draws)
    }
}

impl PhysicalLayer for TensorDevice {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.interface.check_shapes(inputs, parameters, outputs)?;
        self.measure_matrices(inputs, parameters.as_slice(), 1, outputs);
        Ok(())
    }

    fn measure_each(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.interface.check_shapes_of_each(inputs, parameters, outputs)?;
        self.measure_matrices(inputs, parameters.as_slice(), parameters.ncols(), outputs);
        Ok(())
    }

    fn measure_settings(
        &mut self,
        inputs: &DMatrix<f32>,
        settings: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.interface.check_shapes_of_settings(inputs, settings, outputs)?;
        self.measure_matrices(inputs, settings.as_slice(), settings.ncols(), outputs);
        Ok(())
    }

    fn plays_settings_at_once(&self) -> bool {
        true
    }

    fn usage(&self) -> Usage {
        let state = self.state();
        Usage { shots: state.shots, programming: state.equation.programming() }
    }

    fn resume(&mut self, usage: &Usage) {
        let mut state = self.state();
        state.shots = usage.shots;
        if let Some(programming) = &usage.programming {
            state.equation.program(programming, &Draws::new(state.seed, usage.shots));
        }
    }
}
