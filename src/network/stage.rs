//! The contract of a stage.

use burn::tensor::Tensor;
use twinprop_calibration::design::TaskDrives;
use twinprop_calibration::{Linearised, Run};
use twinprop_devices::DeviceError;

use super::{Laboratory, Physical};

/// Where a physical stage's forward values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Measured on the device.
    Measured,
    /// Predicted by the twin.
    Predicted,
}

/// Weights from the inputs of a stage to its outputs.
pub struct Outgoing {
    /// `[width in, width out]`.
    pub weights: Tensor<2>,
    /// Which of the stage's parameters they are, if they are one.
    pub parameter: Option<usize>,
}

/// A parameter that is the matrix by which a stage maps what enters it to what leaves it.
pub struct Matrix {
    /// Which of the stage's parameters it is.
    pub parameter: usize,
    /// The matrix, `[width in, width out]`: `gain` times the parameter, row by row.
    pub weights: Tensor<2>,
    /// The matrix over the parameter.
    pub gain: f32,
}

/// A stage's vector-Jacobian product at one input: cotangent of the output → cotangent of the input.
pub type Pullback<'a> = Box<dyn Fn(Tensor<2>) -> Tensor<2> + 'a>;

/// One step of a network, from `[batch, width in]` to `[batch, width out]`.
pub trait Stage: Send + Sync {
    /// Name of the kind of stage, as recipes have it.
    fn kind(&self) -> &'static str;

    /// Output `[batch, width out]` for `x` `[batch, width in]`.
    ///
    /// # Errors
    /// Whatever a device answers.
    fn forward(
        &self,
        x: &Tensor<2>,
        laboratory: &mut Laboratory,
        source: Source,
    ) -> Result<Tensor<2>, DeviceError>;

    /// The output measured, and what [`vjp_by`](Self::vjp_by) at `x` can use, worked out while the device
    /// plays.
    ///
    /// # Errors
    /// Whatever a device answers.
    fn measure_and_linearise(
        &self,
        x: &Tensor<2>,
        laboratory: &mut Laboratory,
    ) -> Result<(Tensor<2>, Option<Box<dyn Linearised>>), DeviceError> {
        Ok((self.forward(x, laboratory, Source::Measured)?, None))
    }

    /// The stage as one that plays on a device, if it does.
    fn physical(&self) -> Option<&Physical> {
        None
    }

    /// Vector-Jacobian product at `x`: cotangent of the output → cotangent of the input and
    /// gradients of the parameters, in the order of [`parameters`](Self::parameters).
    fn vjp(
        &self,
        x: &Tensor<2>,
        dy: Tensor<2>,
        laboratory: &Laboratory,
    ) -> (Tensor<2>, Vec<Tensor<2>>);

    /// The same, of a twin that was linearised at `x` before; a stage that has one asks no device.
    fn vjp_by(
        &self,
        _twin: &dyn Linearised,
        x: &Tensor<2>,
        dy: Tensor<2>,
        laboratory: &Laboratory,
    ) -> (Tensor<2>, Vec<Tensor<2>>) {
        self.vjp(x, dy, laboratory)
    }

    /// Cotangent of the input alone, as [`vjp`](Self::vjp) has it.
    fn input_cotangent(&self, x: &Tensor<2>, dy: Tensor<2>, laboratory: &Laboratory) -> Tensor<2> {
        self.vjp(x, dy, laboratory).0
    }

    /// The same at one `x` for many cotangents: what depends on `x` alone is worked out once.
    fn pullback<'a>(&'a self, x: &'a Tensor<2>, laboratory: &'a Laboratory) -> Pullback<'a> {
        Box::new(move |dy| self.input_cotangent(x, dy, laboratory))
    }

    /// Gradients of the parameters alone, as [`vjp`](Self::vjp) has them.
    fn parameter_gradients(
        &self,
        x: &Tensor<2>,
        dy: Tensor<2>,
        laboratory: &Laboratory,
    ) -> Vec<Tensor<2>> {
        self.vjp(x, dy, laboratory).1
    }

    /// Whether each output depends on many inputs by way of the stage's parameters: such a stage begins a
    /// [layer](crate::rules::Layers), and [`FeedbackAlignment`](crate::rules::FeedbackAlignment) puts a
    /// random matrix in the place of its transposed Jacobian.
    fn mixes(&self) -> bool {
        false
    }

    /// A cotangent of the input that was found by other means than the stage's Jacobian, as far as `x` is
    /// in range, with the gradient of the range penalty.
    fn confined(&self, _x: &Tensor<2>, dx: Tensor<2>) -> Tensor<2> {
        dx
    }

    /// The parameter that is a matrix from what enters the stage to what leaves it, if one is.
    fn matrix(&self) -> Option<Matrix> {
        None
    }

    /// How what enters the stage at `x` acts on what leaves it, for a stage that mixes.
    fn outgoing(&self, _x: &Tensor<2>, _laboratory: &Laboratory) -> Option<Outgoing> {
        let Matrix { parameter, weights, .. } = self.matrix()?;
        Some(Outgoing { weights, parameter: Some(parameter) })
    }

    /// Multiply-adds that the host does for a sample, to leading order; none where it only moves values.
    fn multiply_adds(&self) -> u64 {
        0
    }

    /// Trainable tensors with their names.
    fn parameters(&self) -> Vec<(&'static str, &Tensor<2>)> {
        Vec::new()
    }

    /// Tensors that are set once at initialisation, with their names.
    fn constants(&self) -> Vec<(&'static str, &Tensor<2>)> {
        Vec::new()
    }

    /// The tensors of [`parameters`](Self::parameters) and of [`constants`](Self::constants), in
    /// their order.
    fn state_mut(&mut self) -> (Vec<&mut Tensor<2>>, Vec<&mut Tensor<2>>) {
        (Vec::new(), Vec::new())
    }

    /// The tensors of [`parameters`](Self::parameters), in their order.
    fn parameters_mut(&mut self) -> Vec<&mut Tensor<2>> {
        self.state_mut().0
    }

    /// Sets the stage to the values `x` that reach it before training.
    fn initialise(&mut self, _x: &Tensor<2>) {}

    /// Penalty for what would leave a device's range at `x`; its gradient is part of
    /// [`vjp`](Self::vjp).
    fn range_penalty(&self, _x: &Tensor<2>) -> f32 {
        0.0
    }

    /// What the stage asks of a device at `x`, with the device's place in the laboratory; nothing
    /// for a stage without one.
    fn task_drives(&self, _x: &Tensor<2>) -> Option<(usize, TaskDrives)> {
        None
    }

    /// The place in the laboratory of the device that the stage plays on, if it is physical.
    fn instrument(&self) -> Option<usize> {
        self.physical().map(Physical::instrument)
    }

    /// Batches of shots that the stage plays in a step, side by side.
    fn slots(&self) -> usize {
        0
    }

    /// What the stage played at `x` in slot `slot`, when its readings were `y`; nothing for a stage
    /// without a device.
    fn run(&self, _slot: usize, _x: &Tensor<2>, _y: &Tensor<2>) -> Option<Run> {
        None
    }
}
