//! The stages of a network: physical layers, and the digital stages between them.

use burn::tensor::Tensor;
use twinprop_calibration::Linearised;
use twinprop_devices::DeviceError;

use super::{BatchPosition, Laboratory, Physical};

/// Where a physical stage's forward values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Measured on the device.
    Measured,
    /// Predicted by the twin.
    Predicted,
}

/// One step of a network, from `[batch, width in]` to `[batch, width out]`.
#[allow(clippy::large_enum_variant, reason = "a network has few stages, and does not move them")]
pub enum Stage {
    /// Shots of a device, differentiated through the device's twin.
    Physical(Physical),
    /// Computed, with a vector-Jacobian product of its own.
    Digital(Box<dyn DigitalStage>),
}

/// A stage that is computed, not measured.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use twinprop::network::{BatchPosition, Cotangents, DigitalStage, Stage, Wanted};
///
/// /// y = x².
/// struct Square;
///
/// impl DigitalStage for Square {
///     fn kind(&self) -> &'static str {
///         "square"
///     }
///
///     fn forward(&self, x: &Tensor<2>, _position: Option<BatchPosition>) -> Tensor<2> {
///         x.clone().square()
///     }
///
///     fn vjp(
///         &self,
///         x: &Tensor<2>,
///         dy: Tensor<2>,
///         _wanted: Wanted,
///         _position: Option<BatchPosition>,
///     ) -> Cotangents {
///         Cotangents::of_input(dy * x.clone() * 2.0)
///     }
/// }
///
/// let stage = Stage::from(Square);
/// assert_eq!(stage.kind(), "square");
/// ```
pub trait DigitalStage: Send + Sync {
    /// Name of the kind of stage, as in a recipe.
    fn kind(&self) -> &'static str;

    /// Output `[batch, width out]` for `x` `[batch, width in]`. `position` says which samples of which
    /// training step these are, for a stage that draws random numbers; outside of training it is `None`.
    fn forward(&self, x: &Tensor<2>, position: Option<BatchPosition>) -> Tensor<2>;

    /// Vector-Jacobian product at `x` `[batch, width in]`: cotangent `dy` `[batch, width out]` of the
    /// output → cotangent of the input, and gradients of the parameters in the order of
    /// [`tensors`](Self::tensors). Cotangents that are not `wanted` may be left out.
    fn vjp(
        &self,
        x: &Tensor<2>,
        dy: Tensor<2>,
        wanted: Wanted,
        position: Option<BatchPosition>,
    ) -> Cotangents;

    /// The input's cotangent at one `x` for many `dy`: what depends on `x` alone is computed once.
    fn pullback<'a>(&'a self, x: &'a Tensor<2>, position: Option<BatchPosition>) -> Pullback<'a> {
        Box::new(move |dy| self.vjp(x, dy, Wanted::Input, position).into_input())
    }

    /// The stage's tensors with their names.
    fn tensors(&self) -> StageTensors<'_> {
        StageTensors::default()
    }

    /// The same tensors in the same order, to be changed.
    fn tensors_mut(&mut self) -> StageTensorsMut<'_> {
        StageTensorsMut::default()
    }

    /// Adapts the stage to the values `x` `[batch, width in]` that reach it before training.
    fn initialise(&mut self, _x: &Tensor<2>) {}

    /// The parameter that is a matrix from the stage's input to its output, for a stage that has one: each
    /// output then depends on many inputs through it.
    fn matrix(&self) -> Option<Matrix> {
        None
    }

    /// Multiply-adds of one sample, to leading order; 0 for a stage that only moves values.
    fn multiply_adds(&self) -> u64 {
        0
    }
}

/// The tensors of a stage, with their names.
#[derive(Default)]
pub struct StageTensors<'a> {
    /// Trained.
    pub parameters: Vec<(&'static str, &'a Tensor<2>)>,
    /// Set once, when the network is initialised.
    pub constants: Vec<(&'static str, &'a Tensor<2>)>,
}

/// The tensors of a stage, to be changed.
#[derive(Default)]
pub struct StageTensorsMut<'a> {
    /// Trained.
    pub parameters: Vec<&'a mut Tensor<2>>,
    /// Set once, when the network is initialised.
    pub constants: Vec<&'a mut Tensor<2>>,
}

/// Which cotangents a caller of a vector-Jacobian product uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Those of the input and of the parameters.
    All,
    /// That of the input.
    Input,
    /// Those of the parameters.
    Parameters,
}

impl Wanted {
    /// Whether the input's cotangent is used.
    #[must_use]
    pub fn input(self) -> bool {
        self != Self::Parameters
    }

    /// Whether the parameters' gradients are used.
    #[must_use]
    pub fn parameters(self) -> bool {
        self != Self::Input
    }
}

/// What a vector-Jacobian product returns.
pub struct Cotangents {
    /// Of the input, `[batch, width in]`, where it was wanted.
    pub input: Option<Tensor<2>>,
    /// Of each parameter, in its shape, where they were wanted.
    pub parameters: Vec<Tensor<2>>,
}

impl Cotangents {
    /// Those of a stage without parameters.
    #[must_use]
    pub fn of_input(input: Tensor<2>) -> Self {
        Self { input: Some(input), parameters: Vec::new() }
    }

    /// The input's.
    ///
    /// # Panics
    /// If the stage left it out though it was wanted.
    #[must_use]
    pub fn into_input(self) -> Tensor<2> {
        self.input.expect("a stage returns the input's cotangent where it is wanted")
    }
}

/// Weights from the inputs of a stage to its outputs.
pub struct Outgoing {
    /// `[width in, width out]`.
    pub weights: Tensor<2>,
    /// Index of the stage's parameter that they are, if they are one.
    pub parameter: Option<usize>,
}

/// A parameter that is the matrix by which a stage maps its input to its output.
pub struct Matrix {
    /// Index among the stage's parameters.
    pub parameter: usize,
    /// The matrix, `[width in, width out]`: `gain` times the parameter, row by row.
    pub weights: Tensor<2>,
    /// The matrix over the parameter.
    pub gain: f32,
}

/// A stage's vector-Jacobian product at one input: cotangent of the output → cotangent of the input.
pub type Pullback<'a> = Box<dyn Fn(Tensor<2>) -> Tensor<2> + 'a>;

/// A stage's part of a forward pass.
pub struct Passed {
    /// `[batch, width out]`.
    pub output: Tensor<2>,
    /// The device's readings, of a physical stage: `[shots · batch, n_outputs]`, in the device's units.
    pub readings: Option<Tensor<2>>,
    /// The twin, linearised there while the device played, if that was asked for.
    pub linearised: Option<Box<dyn Linearised>>,
}

/// A point that a forward pass went through: where a stage is differentiated.
#[derive(Clone, Copy)]
pub struct Point<'a> {
    /// The stage's input, `[batch, width in]`.
    pub x: &'a Tensor<2>,
    /// The device's readings there, of a physical stage: `[shots · batch, n_outputs]`, in the device's
    /// units. Without them, the twin's prediction takes their place.
    pub readings: Option<&'a Tensor<2>>,
    /// The twin, linearised there before, if it was.
    pub linearised: Option<&'a dyn Linearised>,
    /// Which samples of which training step these are.
    pub position: Option<BatchPosition>,
}

impl<'a> Point<'a> {
    /// The point `x`, of which nothing else is known.
    #[must_use]
    pub fn at(x: &'a Tensor<2>) -> Self {
        Self { x, readings: None, linearised: None, position: None }
    }
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

    /// The physical stage, if it is one.
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
    /// Those of the device.
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
    /// Those of the device.
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

    /// Vector-Jacobian product at `point`: cotangent `dy` `[batch, width out]` of the output → those of the
    /// input and of the parameters, as far as they are `wanted`. The range penalty's gradient is added.
    #[must_use]
    pub fn vjp(
        &self,
        point: Point,
        dy: Tensor<2>,
        wanted: Wanted,
        laboratory: &Laboratory,
    ) -> Cotangents {
        match self {
            Self::Physical(stage) => stage.vjp(point, dy, laboratory),
            Self::Digital(stage) => stage.vjp(point.x, dy, wanted, point.position),
        }
    }

    /// The input's cotangent at one `point` for many `dy`.
    #[must_use]
    pub fn pullback<'a>(&'a self, point: Point<'a>, laboratory: &'a Laboratory) -> Pullback<'a> {
        match self {
            Self::Physical(stage) => {
                Box::new(move |dy| stage.vjp(point, dy, laboratory).into_input())
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
            Self::Digital(stage) => stage.matrix().is_some(),
        }
    }

    /// The parameter that is a matrix from the stage's input to its output, if one is.
    #[must_use]
    pub fn matrix(&self) -> Option<Matrix> {
        match self {
            Self::Physical(stage) => stage.matrix(),
            Self::Digital(stage) => stage.matrix(),
        }
    }

    /// How the input acts on the output at `point`, of a stage that mixes: its matrix, or the twin's mean
    /// Jacobian over the batch.
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

    /// A cotangent `dx` of the input `x` that comes from elsewhere than the stage's Jacobian: zero where a
    /// drive is out of range, plus the range penalty's gradient.
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

    /// The same tensors in the same order, to be changed.
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

    /// Adapts the stage to the values `x` `[batch, width in]` that reach it before training.
    pub fn initialise(&mut self, x: &Tensor<2>) {
        if let Self::Digital(stage) = self {
            stage.initialise(x);
        }
    }
}

impl Passed {
    /// Of a stage without a device.
    pub(super) fn computed(output: Tensor<2>) -> Self {
        Self { output, readings: None, linearised: None }
    }
}
