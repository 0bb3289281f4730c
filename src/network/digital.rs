//! The contract of a digital stage: computed, not measured.

use burn::tensor::Tensor;

use super::BatchPosition;

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

    /// The input's cotangent at one `x` for many `dy`: terms that depend on `x` alone are computed once.
    fn pullback<'a>(&'a self, x: &'a Tensor<2>, position: Option<BatchPosition>) -> Pullback<'a> {
        Box::new(move |dy| self.vjp(x, dy, Wanted::Input, position).into_input())
    }

    /// The stage's tensors with their names.
    fn tensors(&self) -> StageTensors<'_> {
        StageTensors::default()
    }

    /// The same tensors in the same order, mutable.
    fn tensors_mut(&mut self) -> StageTensorsMut<'_> {
        StageTensorsMut::default()
    }

    /// Initialises the stage by its input `x` `[batch, width in]` before training.
    fn initialise(&mut self, _x: &Tensor<2>) {}

    /// The parameter that is a matrix from the stage's input to its output, so that each output depends on many inputs;
    /// `None` if no parameter is.
    fn matrix(&self) -> Option<Matrix> {
        None
    }

    /// Whether each output depends on many inputs through the stage's parameters.
    fn mixes(&self) -> bool {
        self.matrix().is_some()
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

/// The tensors of a stage, mutable.
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
    /// Of the input and of the parameters.
    All,
    /// Of the input.
    Input,
    /// Of the parameters.
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
    /// Of the input, `[batch, width in]`, if wanted.
    pub input: Option<Tensor<2>>,
    /// Of each parameter, in its shape, if wanted.
    pub parameters: Vec<Tensor<2>>,
}

impl Cotangents {
    /// The cotangents of a stage without parameters.
    #[must_use]
    pub fn of_input(input: Tensor<2>) -> Self {
        Self { input: Some(input), parameters: Vec::new() }
    }

    /// The input's cotangent.
    ///
    /// # Panics
    /// If the stage left it out although it was wanted.
    #[must_use]
    pub fn into_input(self) -> Tensor<2> {
        self.input.expect("a stage returns the input's cotangent if it is wanted")
    }
}

/// Weights from the inputs of a stage to its outputs.
pub struct Outgoing {
    /// `[width in, width out]`.
    pub weights: Tensor<2>,
    /// Index of the stage's parameter that they are; `None` for a Jacobian.
    pub parameter: Option<usize>,
}

/// A parameter that is the matrix by which a stage maps its input to its output.
pub struct Matrix {
    /// Index among the stage's parameters.
    pub parameter: usize,
    /// The matrix, `[width in, width out]`: `gain` times the parameter, row by row.
    pub weights: Tensor<2>,
    /// Ratio of the matrix to the parameter.
    pub gain: f32,
}

/// A stage's vector-Jacobian product at one input: cotangent of the output → cotangent of the input.
pub type Pullback<'a> = Box<dyn Fn(Tensor<2>) -> Tensor<2> + 'a>;
