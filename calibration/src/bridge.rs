//! Between matrices of devices (nalgebra) and tensors of twins (burn), without a transpose.
//!
//! A column-major `[channels × shots]` matrix and a row-major `[shots, channels]` tensor are the
//! same bytes.

use burn::tensor::{Device, Tensor, TensorData};
use nalgebra::DMatrix;

/// `[channels × shots]` matrix → `[shots, channels]` tensor.
#[must_use]
pub fn to_tensor(matrix: &DMatrix<f32>, device: &Device) -> Tensor<2> {
    let shape = [matrix.ncols(), matrix.nrows()];
    Tensor::from_data(TensorData::new(matrix.as_slice().to_vec(), shape), device)
}

/// `[shots, channels]` tensor → `[channels × shots]` matrix.
///
/// # Panics
/// If the backend's device is lost, as a GPU may be: nothing can be computed then.
#[must_use]
pub fn to_matrix(tensor: Tensor<2>) -> DMatrix<f32> {
    let [shots, channels] = tensor.dims();
    DMatrix::from_vec(channels, shots, to_vec(tensor))
}

/// A tensor's values in row-major order.
///
/// # Panics
/// As [`to_matrix`].
#[must_use]
pub fn to_vec<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as::<f32>().expect("the backend's device answers")
}

/// `[rows, columns]` tensor of `values` in row-major order.
#[must_use]
pub fn from_vec(values: Vec<f32>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Whether `device` is the CPU by the backend `flex`, where values are converted without a copy and
/// vectorised loops are faster than tensor operations.
#[must_use]
pub fn is_cpu(device: &Device) -> bool {
    *device == Device::flex()
}
