//! One training step: a batch of samples, and the results of a rule.

use burn::tensor::Tensor;
use twinprop_devices::DeviceError;

use crate::data::Targets;
use crate::loss::Loss;
use crate::network::{BatchPosition, Laboratory, Network, Source, Trace};

/// The samples of a training step.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    /// `[batch, features]`.
    pub inputs: &'a Tensor<2>,
    /// The target of each sample.
    pub targets: &'a Targets,
    /// Their position in the training, which selects their random numbers.
    pub position: BatchPosition,
}

/// Results of a training step.
pub struct StepOutput {
    /// Mean loss of the samples.
    pub loss: f32,
    /// Range penalty and regulariser, which are added to the loss.
    pub penalty: f32,
    /// The network's outputs `[batch, outputs]`.
    pub outputs: Tensor<2>,
    /// Gradients of loss and penalty by the parameters, or the rule's substitutes, in the order of
    /// [`Network::parameters_mut`].
    pub gradients: Vec<Tensor<2>>,
    /// Traces of the forward pass, one for each part of the batch, for the refinement of twins and the alignment with
    /// backpropagation; empty for a rule without a forward pass.
    pub traces: Vec<Trace>,
}

/// A batch that has passed forward through a network, with its loss.
pub struct ForwardPass {
    /// The values of the pass.
    pub trace: Trace,
    /// Mean loss of the samples.
    pub loss: f32,
    /// Gradient of the mean loss by the outputs, `[batch, outputs]`.
    pub cotangent: Tensor<2>,
}

impl ForwardPass {
    /// The pass with `trace`, compared with `targets`.
    #[must_use]
    pub fn new(trace: Trace, targets: &Targets, loss: &dyn Loss) -> Self {
        let (loss, cotangent) = loss.at(trace.output(), targets);
        Self { trace, loss, cotangent }
    }

    /// Passes `batch` through `network`, physical values from `source`.
    ///
    /// # Errors
    /// Errors of a device.
    pub fn of(
        batch: &Batch,
        network: &Network,
        laboratory: &mut Laboratory,
        source: Source,
        loss: &dyn Loss,
    ) -> Result<Self, DeviceError> {
        let position = Some(batch.position);
        let trace = network.forward(batch.inputs.clone(), laboratory, source, position)?;
        Ok(Self::new(trace, batch.targets, loss))
    }

    /// The step's output with these `gradients`.
    #[must_use]
    pub fn with_gradients(
        self,
        gradients: Vec<Tensor<2>>,
        network: &Network,
        laboratory: &Laboratory,
    ) -> StepOutput {
        StepOutput {
            loss: self.loss,
            penalty: network.penalty(&self.trace, laboratory),
            outputs: self.trace.output().clone(),
            gradients,
            traces: vec![self.trace],
        }
    }
}
