//! What the kernels of devices share.

use burn::tensor::Tensor;
use burn_cubecl::Cube;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;

pub(super) use burn_cubecl::tensor::CubeTensor;

/// The tensor's values on a backend with kernels, row by row; `None` on another.
pub(super) fn contiguous(tensor: &Tensor<2>) -> Option<CubeTensor> {
    Some(into_contiguous(tensor.clone().try_into_primitive::<Cube>().ok()?))
}

/// A new tensor on the backend of `like`, with any values.
pub(super) fn empty(like: &CubeTensor, shape: [usize; 2]) -> CubeTensor {
    let (client, device) = (like.client.clone(), like.device.clone());
    empty_device_contiguous_dtype(client, device, shape.into(), like.dtype)
}

/// The tensor of a kernel's values.
pub(super) fn tensor(values: CubeTensor) -> Tensor<2> {
    Tensor::from_primitive::<Cube>(values)
}
