//! Simulated devices' equations in burn's tensors: what a device and its twin run by where the host's backend is
//! not its own processor, so that a study of simulated devices stays on the GPU.

mod oscillators;
mod sums;
#[cfg(feature = "wgpu")]
mod wide_product;

use std::any::Any;
use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use twinprop_devices::Differentiable;
use twinprop_devices::mechanical::Oscillators;

pub use oscillators::OscillatorTensors;
pub use sums::total;

use crate::bridge::is_host;
use crate::twin::Linearised;

/// A simulated device's noiseless equation and its adjoint in tensors.
pub trait TensorEquation: Send + Sync {
    /// The response to the drives `x` `[shots, n_inputs]` at one setting `theta` `[1, n_parameters]`, both in the
    /// device's units: `[shots, n_outputs]`.
    fn respond(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2>;

    /// The same equation at (`x`, `theta`), ready for cotangents.
    fn linearise(&self, x: Tensor<2>, theta: Tensor<2>) -> Box<dyn Linearised>;

    /// The response to the drives `x` of as many settings as `theta` has rows, each to an equal run of them.
    fn respond_by_setting(&self, x: &Tensor<2>, theta: &Tensor<2>) -> Tensor<2> {
        let runs = by_setting(x, theta).map(|(x, setting)| self.respond(x, setting));
        Tensor::cat(runs.collect(), 0)
    }
}

/// Each setting's run of the rows of `values` and its row of `theta`.
pub(crate) fn by_setting(
    values: &Tensor<2>,
    theta: &Tensor<2>,
) -> impl Iterator<Item = (Tensor<2>, Tensor<2>)> {
    let groups = theta.dims()[0];
    let run = values.dims()[0] / groups;
    (0..groups).map(move |group| {
        (values.clone().narrow(0, group * run, run), theta.clone().narrow(0, group, 1))
    })
}

/// `equation` in tensors of `backend`; none on the host's own processor, whose loops are quicker, and for devices
/// that have no such equation yet.
#[must_use]
pub fn in_tensors(
    equation: &dyn Differentiable,
    backend: &Device,
) -> Option<Arc<dyn TensorEquation>> {
    let equation: &dyn Any = equation;
    let oscillators = equation.downcast_ref::<Oscillators>().filter(|_| !is_host(backend))?;
    Some(Arc::new(OscillatorTensors::new(oscillators, backend)))
}
