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
    into_tensor(matrix.clone(), device)
}

/// As [`to_tensor`], without a copy: it takes the matrix.
#[must_use]
pub fn into_tensor(matrix: DMatrix<f32>, device: &Device) -> Tensor<2> {
    let shape = [matrix.ncols(), matrix.nrows()];
    from_vec(matrix.data.into(), shape, device)
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
    match values(tensor).0 {
        Inner::Shared(tensor) if tensor.is_unique() => {
            tensor.into_data().try_into_vec().expect("the values are f32")
        }
        Inner::Shared(tensor) => contiguous(&tensor).to_vec(),
        Inner::Own(values) => values,
    }
}

/// A tensor's values in row-major order, to be read. On the CPU contiguous ones are not copied.
///
/// Every access to [`Values`] checks the tensor's layout: before a loop, convert it once to a slice, `&*values(tensor)`.
///
/// # Panics
/// As [`to_matrix`].
#[must_use]
pub fn values<const D: usize>(tensor: Tensor<D>) -> Values {
    match tensor.clone().try_into_primitive::<Flex>() {
        Ok(flex) if flex.as_slice::<f32>().is_some() => Values(Inner::Shared(flex)),
        // On another backend, under automatic differentiation, of other numbers, or not contiguous.
        _ => Values(Inner::Own(tensor.try_into_vec_as().expect("the backend's device answers"))),
    }
}

/// The values of a tensor, by [`values`].
pub struct Values(Inner);

enum Inner {
    /// Contiguous values that other tensors may share.
    Shared(FlexTensor),
    /// A copy of its own.
    Own(Vec<f32>),
}

impl Deref for Values {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &self.0 {
            Inner::Shared(tensor) => contiguous(tensor),
            Inner::Own(values) => values,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_in_the_order_of_rows_whatever_the_layout() {
        let device = Device::flex();
        let tensor = from_vec((0..12).map(|value| value as f32).collect(), [3, 4], &device);
        let rows = tensor.clone().narrow(0, 1, 2);
        let block = tensor.clone().narrow(0, 1, 2).narrow(1, 1, 2);
        let column = tensor.clone().narrow(1, 2, 1);
        let cases: [(Tensor<2>, &[f32]); 6] = [
            (rows, &[4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0]),
            (block, &[5.0, 6.0, 9.0, 10.0]),
            (column.clone().expand([3, 2]), &[2.0, 2.0, 6.0, 6.0, 10.0, 10.0]),
            (column.transpose(), &[2.0, 6.0, 10.0]),
            (tensor.clone().narrow(0, 0, 1), &[0.0, 1.0, 2.0, 3.0]),
            (from_vec(Vec::new(), [0, 4], &device), &[]),
        ];
        for (tensor, expected) in cases {
            assert_eq!(*values(tensor.clone()), *expected);
            // Shared, and then alone.
            assert_eq!(to_vec(tensor.clone()), expected);
            assert_eq!(to_vec(tensor), expected);
        }
    }
}
