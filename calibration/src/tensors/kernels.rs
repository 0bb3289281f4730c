//! What the kernels of devices share.

use burn::tensor::Tensor;
use burn_cubecl::Cube;
use burn_cubecl::cubecl::prelude::CubeCount;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;

pub(super) use burn_cubecl::tensor::CubeTensor;

/// Most cubes along one side of a grid.
const MOST_CUBES: usize = 1 << 15;

/// The tensor's values on a backend with kernels, row by row; `None` on another.
pub(super) fn contiguous<const D: usize>(tensor: &Tensor<D>) -> Option<CubeTensor> {
    Some(into_contiguous(tensor.clone().try_into_primitive::<Cube>().ok()?))
}

/// A new tensor on the backend of `like`, with any values.
pub(super) fn empty<const D: usize>(like: &CubeTensor, shape: [usize; D]) -> CubeTensor {
    let (client, device) = (like.client.clone(), like.device.clone());
    empty_device_contiguous_dtype(client, device, shape.into(), like.dtype)
}

/// The tensor of a kernel's values.
pub(super) fn tensor<const D: usize>(values: CubeTensor) -> Tensor<D> {
    Tensor::from_primitive::<Cube>(values)
}

/// A grid of `count` cubes or some more.
pub(super) fn cubes(count: usize) -> CubeCount {
    let (x, y) = (count.min(MOST_CUBES), count.div_ceil(MOST_CUBES));
    CubeCount::Static(x as u32, y as u32, 1)
}
