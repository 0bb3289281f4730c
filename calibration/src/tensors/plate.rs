//! A driven plate in tensors.
//!
//! The equation is that of [`Plate`]. The parameters are samples of the waveform, so the motion does not depend on the
//! setting: all shots of all settings move together, step by step. Without tension, the velocity at a point is
//! linear in the waveform: the readings are one product with a constant matrix.

#[cfg(feature = "kernels")]
mod kernel;
mod motion;

use burn::tensor::{Device, Tensor};
use twinprop_devices::PhysicalLayer;
use twinprop_devices::mechanical::{Detection, Plate, PlateConstants};

use self::motion::{Motion, States};
use super::equation::TensorEquation;
use super::saturation::Saturation;
use super::waveform::Waveform;
use crate::bridge::from_vec;
use crate::twin::Linearised;

/// A driven plate on a backend.
#[derive(Clone)]
pub struct PlateTensors {
    waveform: Waveform,
    readings: Readings,
    saturation: Saturation,
}

/// How readings before the converter follow from a waveform.
#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "there is one for each device")]
enum Readings {
    /// By a product with this, `[samples, n_outputs]`.
    Product(Tensor<2>),
    /// Step by step.
    Steps(Motion),
}

impl PlateTensors {
    /// `plate` on `backend`.
    #[must_use]
    pub fn new(plate: &Plate, backend: &Device) -> Self {
        let constants = plate.as_built();
        let inputs = plate.interface().inputs.len();
        let is_linear = constants.kick == 0.0 && constants.detection == Detection::Velocity;
        let readings = if is_linear {
            let shape = [constants.placement.len(), constants.read_after.len()];
            Readings::Product(from_vec(readings_of_samples(&constants), shape, backend))
        } else {
            Readings::Steps(Motion::new(&constants, backend))
        };
        let waveform = Waveform::new(&constants.placement, inputs, backend);
        Self { waveform, readings, saturation: Saturation::at(constants.full_scale) }
    }
}

/// Readings of a unit of each sample on a plate without tension, `[samples, readings]` in row-major order.
fn readings_of_samples(constants: &PlateConstants) -> Vec<f32> {
    let (samples, steps_per_sample) = (constants.placement.len(), constants.steps_per_sample);
    // The reading after each step, by a unit of the first sample.
    let mut of_first = vec![0.0; samples * steps_per_sample];
    for mode in &constants.modes {
        let [a, b, c, d] = mode.matrix.map(f64::from);
        let [to_q, to_v] = mode.force.map(f64::from);
        let (mut q, mut v) = (0.0, 0.0);
        for (step, reading) in of_first.iter_mut().enumerate() {
            let force = if step < steps_per_sample { 1.0 } else { 0.0 };
            (q, v) = (a * q + b * v + to_q * force, c * q + d * v + to_v * force);
            *reading += f64::from(mode.gain) * v;
        }
    }
    // A later sample has the same effect, as many steps later.
    let reading = |(sample, after): (usize, usize)| {
        let steps = after.checked_sub(sample * steps_per_sample + 1);
        steps.map_or(0.0, |steps| of_first[steps] as f32)
    };
    let each = (0..samples)
        .flat_map(|sample| constants.read_after.iter().map(move |&after| (sample, after)));
    each.map(reading).collect()
}

impl TensorEquation for PlateTensors {
    fn respond(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
        let waveform = self.waveform.with_data(x, theta);
        let readings = match &self.readings {
            Readings::Product(matrix) => waveform.matmul(matrix.clone()),
            Readings::Steps(motion) => motion.readings(&waveform),
        };
        self.saturation.clamp(readings)
    }

    fn linearise(&self, x: Tensor<2>, theta: Tensor<2>) -> Box<dyn Linearised> {
        let settings = theta.dims()[0];
        let waveform = self.waveform.with_data(x, theta);
        let (readings, played) = match &self.readings {
            Readings::Product(matrix) => {
                (waveform.matmul(matrix.clone()), Played::Product(matrix.clone()))
            }
            Readings::Steps(motion) => {
                let (readings, states) = motion.readings_and_states(&waveform);
                (readings, Played::Steps(motion.clone(), states))
            }
        };
        Box::new(PlatePass {
            waveform: self.waveform.clone(),
            saturation: self.saturation,
            settings,
            played,
            readings,
        })
    }
}

/// A batch's motion, with the values that the adjoint needs.
struct PlatePass {
    waveform: Waveform,
    saturation: Saturation,
    settings: usize,
    played: Played,
    /// Readings before the converter.
    readings: Tensor<2>,
}

/// How the readings of a batch followed from its waveform.
#[expect(clippy::large_enum_variant, reason = "there is one for each pass")]
enum Played {
    /// By a product with this.
    Product(Tensor<2>),
    /// Step by step.
    Steps(Motion, States),
}

impl Linearised for PlatePass {
    fn vjp(&self, _y: Tensor<2>, dy: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let of_readings = self.saturation.pull_back(self.readings.clone(), dy);
        let of_waveform = match &self.played {
            Played::Product(matrix) => of_readings.matmul(matrix.clone().transpose()),
            Played::Steps(motion, states) => {
                motion.pull_back(states, self.readings.clone(), of_readings)
            }
        };
        self.waveform.gather(of_waveform, self.settings)
    }
}
