//! Simulated devices' equations in burn's tensors: on a backend other than the CPU's, a device and its twin are
//! computed by them, so that a study of simulated devices stays on the GPU.

mod coherent_stack;
mod crossbar;
mod device;
mod diffractive;
mod draws;
mod equation;
#[cfg(feature = "kernels")]
mod kernels;
mod lif_chip;
mod microring_bank;
mod mzi_mesh;
mod nystrom;
mod oscillators;
mod pendula;
mod plate;
mod saturation;
mod second_harmonic;
mod sums;
mod transistor;
mod waveform;
#[cfg(feature = "kernels")]
mod wide_product;

use std::any::Any;
use std::sync::Arc;

use burn::tensor::Device;
use twinprop_devices::Differentiable;
use twinprop_devices::electronic::{Crossbar, Transistor};
use twinprop_devices::mechanical::{Oscillators, Pendula, Plate};
use twinprop_devices::neuromorphic::LifChip;
use twinprop_devices::optical::{
    CoherentStack, Diffractive, MicroringBank, MziMesh, SecondHarmonic,
};

pub use coherent_stack::StackTensors;
pub use crossbar::CrossbarTensors;
pub use device::{BatchCounts, TensorDevice};
pub use diffractive::DiffractiveTensors;
pub use draws::Draws;
pub use equation::TensorEquation;
pub use lif_chip::LifChipTensors;
pub use microring_bank::MicroringTensors;
pub use mzi_mesh::MeshTensors;
pub use oscillators::OscillatorTensors;
pub use pendula::PendulaTensors;
pub use plate::PlateTensors;
pub use second_harmonic::SecondHarmonicTensors;
pub use sums::total;
pub use transistor::TransistorTensors;

use crate::bridge::is_cpu;

/// `equation` in tensors of `backend`; `None` on the CPU, where vectorised loops are faster, and for devices
/// without an equation in tensors.
#[must_use]
pub fn in_tensors(
    equation: &dyn Differentiable,
    backend: &Device,
) -> Option<Arc<dyn TensorEquation>> {
    if is_cpu(backend) { None } else { in_tensors_of(equation, backend) }
}

/// The same on any backend.
#[must_use]
pub fn in_tensors_of(
    equation: &dyn Differentiable,
    backend: &Device,
) -> Option<Arc<dyn TensorEquation>> {
    let equation: &dyn Any = equation;
    // The equation of each type of device.
    macro_rules! by_type {
        ($($device:ty => $tensors:ty),* $(,)?) => {
            $(if let Some(device) = equation.downcast_ref::<$device>() {
                return Some(Arc::new(<$tensors>::new(device, backend)));
            })*
        };
    }
    by_type! {
        SecondHarmonic => SecondHarmonicTensors,
        Oscillators => OscillatorTensors,
        Pendula => PendulaTensors,
        Plate => PlateTensors,
        Transistor => TransistorTensors,
        Crossbar => CrossbarTensors,
        MziMesh => MeshTensors,
        CoherentStack => StackTensors,
        MicroringBank => MicroringTensors,
        Diffractive => DiffractiveTensors,
    }
    let chip = LifChipTensors::new(equation.downcast_ref::<LifChip>()?, backend)?;
    Some(Arc::new(chip))
}
