//! Simulated devices' equations in burn's tensors: on a backend other than the CPU's, a device and its twin are
//! computed by them, so that a study of simulated devices stays on the GPU.

mod coherent_stack;
mod equation;
mod oscillators;
mod sums;
#[cfg(feature = "wgpu")]
mod wide_product;

use std::any::Any;
use std::sync::Arc;

use burn::tensor::Device;
use twinprop_devices::Differentiable;
use twinprop_devices::mechanical::Oscillators;
use twinprop_devices::optical::CoherentStack;

pub use coherent_stack::StackTensors;
pub use equation::TensorEquation;
pub(crate) use equation::by_setting;
pub use oscillators::OscillatorTensors;
pub use sums::total;

use crate::bridge::is_cpu;

/// `equation` in tensors of `backend`; `None` on the CPU, where vectorised loops are faster, and for devices
/// without an equation in tensors.
#[must_use]
pub fn in_tensors(
    equation: &dyn Differentiable,
    backend: &Device,
) -> Option<Arc<dyn TensorEquation>> {
    if is_cpu(backend) {
        return None;
    }
    let equation: &dyn Any = equation;
    if let Some(oscillators) = equation.downcast_ref::<Oscillators>() {
        return Some(Arc::new(OscillatorTensors::new(oscillators, backend)));
    }
    let stack = equation.downcast_ref::<CoherentStack>()?;
    Some(Arc::new(StackTensors::new(stack, backend)))
}
