//! The stages of a network: physical layers, and the digital stages between them.

use burn::tensor::Tensor;
use twinprop_devices::DeviceError;

use super::{
    BatchPosition, Cotangents, DigitalStage, Laboratory, Matrix, Outgoing, Passed, Physical, Point,
    Pullback, Source, StageTensors, StageTensorsMut, Wanted,
};

/// One step of a network, from `[batch, width in]` to `[batch, width out]`.
#[allow(clippy::large_enum_variant, reason = "a network has few stages, and does not move them")]
pub enum Stage {
    /// Shots of a device, differentiated through the device's twin.
    Physical(Physical),
    /// Computed, with a vector-Jacobian product of its own.
    Digital(Box<dyn DigitalStage>),
}

impl<S: DigitalStage + 'static> From<S> for Stage {
    fn from(stage: S) -> Self {
        Self::Digital(Box::new(stage))
    }
}

impl From<Physical> for Stage {
    fn from(stage: Physical) -> Self {
        Self::Physical(stage)
    }
}

impl Stage {
    /// Name of the kind of stage, as in a recipe.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Physical(_) => "physical",
            Self::Digital(stage) => stage.kind(),
        }
    }

    /// The physical stage; `None` for a digital one.
    #[must_use]
    pub fn physical(&self) -> Option<&Physical> {
        match self {
            Self::Physical(stage) => Some(stage),
            Self::Digital(_) => None,
        }
    }

    /// Passes `x` `[batch, width in]` through the stage; a physical one takes its values from `source`.
    ///
    /// # Errors
    /// Errors of the device.
    pub fn forward(
        &self,
        x: &Tensor<2>,
        laboratory: &mut Laboratory,
        source: Source,
        position: Option<BatchPosition>,
    ) -> Result<Passed, DeviceError> {
        match self {
            Self::Physical(stage) => stage.forward(x, laboratory, source, position),
            Self::Digital(stage) => Ok(Passed::computed(stage.forward(x, position))),
        }
    }

    /// The same, measured; a physical stage's twin is linearised at `x` while the device plays.
    ///
    /// # Errors
    /// Errors of the device.
    pub fn measure_and_linearise(
        &self,
        x: &Tensor<2>,
        laboratory: &mut Laboratory,
        position: Option<BatchPosition>,
    ) -> Result<Passed, DeviceError> {
        match self {
            Self::Physical(stage) => stage.measure_and_linearise(x, laboratory),
            Self::Digital(stage) => Ok(Passed::computed(stage.forward(x, position))),
        }
    }

    /// Vector-Jacobian product at `point`: cotangent `dy` `[batch, width out]` of the output → cotangents of the input
    /// and the parameters, where `wanted`. The range penalty's gradient is added.
    #[must_use]
    pub fn vjp(
        &self,
        point: Point,
        dy: Tensor<2>,
        wanted: Wanted,
        laboratory: &Laboratory,
    ) -> Cotangents {
        match self {
            Self::Physical(stage) => stage.vjp(point, dy, wanted, laboratory),
            Self::Digital(stage) => stage.vjp(point.x, dy, wanted, point.position),
        }
    }

    /// The input's cotangent at one `point` for many `dy`.
    #[must_use]
    pub fn pullback<'a>(&'a self, point: Point<'a>, laboratory: &'a Laboratory) -> Pullback<'a> {
        match self {
            Self::Physical(stage) => {
                Box::new(move |dy| stage.vjp(point, dy, Wanted::Input, laboratory).into_input())
            }
            Self::Digital(stage) => stage.pullback(point.x, point.position),
        }
    }

    /// Whether each output depends on many inputs through the stage's parameters. Such a stage begins a
    /// layer of a training rule, and feedback alignment puts a random matrix in place of its transposed
    /// Jacobian.
    #[must_use]
    pub fn mixes(&self) -> bool {
        match self {
            Self::Physical(_) => true,
            Self::Digital(stage) => stage.mixes(),
        }
    }

    /// Whether [`outgoing`](Self::outgoing) gives weights for a regulariser.
    #[must_use]
    pub fn has_outgoing(&self) -> bool {
        match self {
            Self::Physical(_) => true,
            Self::Digital(stage) => stage.matrix().is_some(),
        }
    }

    /// The parameter that is a matrix from the stage's input to its output; `None` if no parameter is.
    #[must_use]
    pub fn matrix(&self) -> Option<Matrix> {
        match self {
            Self::Physical(stage) => stage.matrix(),
            Self::Digital(stage) => stage.matrix(),
        }
    }

    /// Weights from the input to the output at `point`: the stage's matrix, or the twin's mean Jacobian over the batch;
    /// `None` for a stage without a matrix, such as a convolution. The Jacobian takes a product for each reading of each shot.
    #[must_use]
    pub fn outgoing(&self, point: Point, laboratory: &Laboratory) -> Option<Outgoing> {
        match self {
            Self::Physical(stage) => Some(stage.outgoing(point, laboratory)),
            Self::Digital(stage) => {
                let Matrix { parameter, weights, .. } = stage.matrix()?;
                Some(Outgoing { weights, parameter: Some(parameter) })
            }
        }
    }

    /// The cotangent `dx` of the input `x`, not computed by the stage's Jacobian: set to zero where a drive is out of
    /// range, plus the range penalty's gradient.
    #[must_use]
    pub fn confined(&self, x: &Tensor<2>, dx: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Physical(stage) => stage.confined(x, dx),
            Self::Digital(_) => dx,
        }
    }

    /// Penalty for drives `x` and parameters out of range; its gradient is part of [`vjp`](Self::vjp).
    #[must_use]
    pub fn range_penalty(&self, x: &Tensor<2>) -> f32 {
        self.physical().map_or(0.0, |stage| stage.range_penalty(x))
    }

    /// Multiply-adds of one sample that are computed, not measured, to leading order.
    #[must_use]
    pub fn multiply_adds(&self) -> u64 {
        match self {
            Self::Physical(_) => 0,
            Self::Digital(stage) => stage.multiply_adds(),
        }
    }

    /// The stage's tensors with their names.
    #[must_use]
    pub fn tensors(&self) -> StageTensors<'_> {
        match self {
            Self::Physical(stage) => stage.tensors(),
            Self::Digital(stage) => stage.tensors(),
        }
    }

    /// The same tensors in the same order, mutable.
    pub fn tensors_mut(&mut self) -> StageTensorsMut<'_> {
        match self {
            Self::Physical(stage) => stage.tensors_mut(),
            Self::Digital(stage) => stage.tensors_mut(),
        }
    }

    /// The trained tensors with their names.
    #[must_use]
    pub fn parameters(&self) -> Vec<(&'static str, &Tensor<2>)> {
        self.tensors().parameters
    }

    /// Initialises the stage by its input `x` `[batch, width in]` before training.
    pub fn initialise(&mut self, x: &Tensor<2>) {
        if let Self::Digital(stage) = self {
            stage.initialise(x);
        }
    }
}
