//! The loss at other parameters than the network has, measured: what a rule without a gradient asks.

use burn::tensor::Tensor;
use twinprop_devices::DeviceError;

use super::Batch;
use crate::network::{Laboratory, Network, Source};
use crate::training::cross_entropy;

/// A network whose parameters are moved about, and back at the end.
pub(super) struct Probe<'a> {
    batch: Batch<'a>,
    network: &'a mut Network,
    laboratory: &'a mut Laboratory,
    /// The parameters as they were.
    at: Vec<Tensor<2>>,
}

impl<'a> Probe<'a> {
    pub(super) fn new(
        batch: Batch<'a>,
        network: &'a mut Network,
        laboratory: &'a mut Laboratory,
    ) -> Self {
        let at = network.parameters().into_iter().map(|(_, value)| value.clone()).collect();
        Self { batch, network, laboratory, at }
    }

    /// The parameters as they were.
    pub(super) fn at(&self) -> &[Tensor<2>] {
        &self.at
    }

    /// The batch's mean loss, with the penalties, where each tensor is what `moved` makes of its place
    /// and its value.
    pub(super) fn loss(
        &mut self,
        moved: impl Fn(usize, &Tensor<2>) -> Tensor<2>,
    ) -> Result<f32, DeviceError> {
        for (place, parameter) in self.network.parameters_mut().into_iter().enumerate() {
            *parameter = moved(place, &self.at[place]);
        }
        let x = self.batch.trace.inputs[0].clone();
        let trace = self.network.forward(x, self.laboratory, Source::Measured)?;
        let (loss, _) = cross_entropy(trace.logits(), self.batch.labels);
        Ok(loss + self.network.penalty(&trace, self.laboratory))
    }
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        for (parameter, value) in self.network.parameters_mut().into_iter().zip(&self.at) {
            parameter.clone_from(value);
        }
    }
}
