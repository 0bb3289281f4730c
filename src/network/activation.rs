//! Digital nonlinearities, element by element, for devices that are linear.

use burn::tensor::Tensor;
use burn::tensor::activation::{relu, sigmoid};
use twinprop_calibration::bridge::{from_vec, is_cpu, to_vec};

use super::{BatchPosition, Cotangents, DigitalStage, Pullback, Wanted};

/// y = g(x), channel by channel.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// tanh x.
    Tanh,
    /// ln(1 + exp(βx)) / β, a smooth rectifier; β is above zero.
    Softplus(f64),
}

/// tanh x: vectorised on the CPU, where the backend's tanh is not.
fn tanh(x: &Tensor<2>) -> Tensor<2> {
    let (shape, device) = (x.dims(), x.device());
    if !is_cpu(&device) {
        return x.clone().tanh();
    }
    let mut values = to_vec(x.clone());
    twinprop_devices::tanh(&mut values);
    from_vec(values, shape, &device)
}

impl Activation {
    /// g′(x).
    fn slope(&self, x: &Tensor<2>) -> Tensor<2> {
        match self {
            Self::Relu => x.clone().greater_scalar(0.0).float(),
            Self::Tanh => tanh(x).square().neg() + 1.0,
            Self::Softplus(beta) => sigmoid(x.clone() * *beta),
        }
    }
}

impl DigitalStage for Activation {
    fn kind(&self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::Tanh => "tanh",
            Self::Softplus(_) => "softplus",
        }
    }

    fn forward(&self, x: &Tensor<2>, _position: Option<BatchPosition>) -> Tensor<2> {
        match self {
            Self::Relu => relu(x.clone()),
            Self::Tanh => tanh(x),
            // As max(x, 0) + ln(1 + exp(−β|x|)) / β, which does not overflow.
            Self::Softplus(beta) => {
                relu(x.clone()) + (x.clone().abs() * -*beta).exp().log1p() / *beta
            }
        }
    }

    fn vjp(
        &self,
        x: &Tensor<2>,
        dy: Tensor<2>,
        _wanted: Wanted,
        _position: Option<BatchPosition>,
    ) -> Cotangents {
        Cotangents::of_input(dy * self.slope(x))
    }

    fn pullback<'a>(&'a self, x: &'a Tensor<2>, _position: Option<BatchPosition>) -> Pullback<'a> {
        let slope = self.slope(x);
        Box::new(move |dy| dy * slope.clone())
    }
}
