//! Between matrices of devices (nalgebra) and tensors of twins (burn), without a transpose.
//!
//! A column-major `[channels × shots]` matrix and a row-major `[shots, channels]` tensor are the
//! same bytes.

use std::ops::Deref;

use burn::tensor::{Device, Tensor, TensorData};
use burn_flex::{Flex, FlexTensor};
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
    match values(tensor) {
        Values::Shared(tensor) if tensor.is_unique() => {
            tensor.into_data().try_into_vec().expect("the values are f32")
        }
        Values::Shared(tensor) => contiguous(&tensor).to_vec(),
        Values::Own(values) => values,
    }
}

/// A tensor's values in row-major order, to be read: not copied on the CPU, unless the tensor is a view.
///
/// Every access to [`Values`] checks the tensor's layout: before a loop, convert it once to a slice, `&*values(tensor)`.
///
/// # Panics
/// As [`to_matrix`].
#[must_use]
pub fn values<const D: usize>(tensor: Tensor<D>) -> Values {
    match tensor.clone().try_into_primitive::<Flex>() {
        Ok(flex) if flex.as_slice::<f32>().is_some() => Values::Shared(flex),
        // On another backend, under automatic differentiation, of other numbers, or a view.
        _ => Values::Own(tensor.try_into_vec_as().expect("the backend's device answers")),
    }
}

/// The values of a tensor.
pub enum Values {
    /// Contiguous values that other tensors may share.
    Shared(FlexTensor),
    /// A copy of its own.
    Own(Vec<f32>),
}

impl Deref for Values {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match self {
            Self::Shared(tensor) => contiguous(tensor),
            Self::Own(values) => values,
        }
    }
}

fn contiguous(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("only contiguous values are shared")
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
