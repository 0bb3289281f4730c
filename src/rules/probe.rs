//! The measured loss at other parameters than the network's, for rules that need no gradient.

use burn::tensor::Tensor;
use twinprop_devices::DeviceError;

use super::{Batch, ForwardPass};
use crate::loss::Loss;
use crate::network::{Laboratory, Network, Source};

/// A network at changed parameters, which are restored when it is dropped.
pub(super) struct LossProbe<'a> {
    batch: &'a Batch<'a>,
    network: &'a mut Network,
    laboratory: &'a mut Laboratory,
    loss: &'a dyn Loss,
    /// The unchanged parameters.
    start: Vec<Tensor<2>>,
}

impl<'a> LossProbe<'a> {
    pub(super) fn new(
        batch: &'a Batch<'a>,
        network: &'a mut Network,
        laboratory: &'a mut Laboratory,
        loss: &'a dyn Loss,
    ) -> Self {
        let start = network.parameters().into_iter().map(|(_, value)| value.clone()).collect();
        Self { batch, network, laboratory, loss, start }
    }

    /// The unchanged parameters.
    pub(super) fn start(&self) -> &[Tensor<2>] {
        &self.start
    }

    /// The batch's mean loss plus the penalties, with each tensor replaced by `moved` of its place and its unchanged
    /// value.
    pub(super) fn loss(
        &mut self,
        moved: impl Fn(usize, &Tensor<2>) -> Tensor<2>,
    ) -> Result<f32, DeviceError> {
        for (place, parameter) in self.network.parameters_mut().into_iter().enumerate() {
            *parameter = moved(place, &self.start[place]);
        }
        let Self { batch, network, laboratory, loss, .. } = self;
        let pass = ForwardPass::of(batch, network, laboratory, Source::Measured, *loss)?;
        Ok(pass.loss + network.penalty(&pass.trace, laboratory))
    }
}

impl Drop for LossProbe<'_> {
    fn drop(&mut self) {
        for (parameter, value) in self.network.parameters_mut().into_iter().zip(&self.start) {
            parameter.clone_from(value);
        }
    }
}
