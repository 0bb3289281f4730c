//! A digital nonlinearity, for devices that are linear.

use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use twinprop_devices::DeviceError;

use super::{Laboratory, Source, Stage};

/// y = max(x, 0).
pub struct Relu;

impl Stage for Relu {
    fn kind(&self) -> &'static str {
        "relu"
    }

    fn forward(
        &self,
        x: &Tensor<2>,
        _laboratory: &mut Laboratory,
        _source: Source,
    ) -> Result<Tensor<2>, DeviceError> {
        Ok(relu(x.clone()))
    }

    fn vjp(
        &self,
        x: &Tensor<2>,
        dy: Tensor<2>,
        _laboratory: &Laboratory,
    ) -> (Tensor<2>, Vec<Tensor<2>>) {
        (dy.mask_fill(x.clone().lower_equal_scalar(0.0), 0.0), Vec::new())
    }
}
