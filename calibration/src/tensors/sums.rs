//! Long sums in parts: a GPU computes a few long sums no faster than a single processor.

use burn::tensor::Tensor;

use crate::bridge::is_cpu;

/// Largest number of parts of a sum.
const LARGEST_PARTS: usize = 16;
/// Smallest number of terms of a part.
const SHORTEST_SUM: usize = 128;

/// Number of equal parts of a sum of `count` terms.
pub(super) fn parts_of(count: usize) -> usize {
    let most = LARGEST_PARTS.min(count / SHORTEST_SUM).max(1);
    (1..=most).rev().find(|parts| count.is_multiple_of(*parts)).unwrap_or(1)
}

/// The sums of each column of a square matrix, `[1, N]`.
pub(super) fn column_sums(matrix: Tensor<2>) -> Tensor<2> {
    let [count, _] = matrix.dims();
    let parts = parts_of(count);
    let sums = matrix.reshape([parts, count / parts, count]).sum_dim(1);
    sums.reshape([parts, count]).sum_dim(0)
}

/// The sums over the shots of each setting: `[settings, n]` from `[settings, shots, n]`.
pub(super) fn shot_sums(values: Tensor<3>) -> Tensor<2> {
    let [settings, shots, width] = values.dims();
    let parts = parts_of(shots);
    let sums = values.reshape([settings * parts, shots / parts, width]).sum_dim(1);
    sums.reshape([settings, parts, width]).sum_dim(1).reshape([settings, width])
}

/// The sum of all values. A GPU adds the values of a single row one after the other, 67 million in a second and a
/// half: there the values form a square, and its columns are summed in parallel.
#[must_use]
pub fn total(values: Tensor<2>) -> Tensor<1> {
    if is_cpu(&values.device()) {
        return values.sum();
    }
    let count = values.shape().num_elements();
    let side = count.isqrt();
    let row = values.reshape([1, count]);
    let square = row.clone().narrow(1, 0, side * side).reshape([side, side]);
    let sum = column_sums(square).sum();
    if side * side == count {
        return sum;
    }
    sum + row.narrow(1, side * side, count - side * side).sum()
}
