//! Numbers in which populations are computed: 32 bits in devices, 64 bits where a reference wants them.

use nalgebra::RealField;

use crate::matrix_product;

/// A real number with a product of matrices.
pub trait Real: RealField + Copy {
    /// C ← A B with A `[m × k]`, B `[k × any]` and C `[m × any]`, column by column.
    fn multiply(result: &mut [Self], left: &[Self], right: &[Self], m: usize);
}

impl Real for f32 {
    fn multiply(result: &mut [Self], left: &[Self], right: &[Self], m: usize) {
        matrix_product::multiply(result, left, right, m, left.len() / m.max(1));
    }
}

impl Real for f64 {
    fn multiply(result: &mut [Self], left: &[Self], right: &[Self], m: usize) {
        let inner = left.len() / m.max(1);
        for (result, right) in result.chunks_exact_mut(m).zip(right.chunks_exact(inner)) {
            result.fill(0.0);
            for (left, right) in left.chunks_exact(m).zip(right) {
                result.iter_mut().zip(left).for_each(|(sum, left)| *sum += left * right);
            }
        }
    }
}

/// Adds `values` to `sums`.
#[inline(always)]
pub(super) fn add<F: Real>(sums: &mut [F], values: &[F]) {
    sums.iter_mut().zip(values).for_each(|(sum, &value)| *sum += value);
}

/// `rows`, each of `width` values, transposed.
pub(super) fn transposed<F: Real>(rows: &[F], width: usize) -> Vec<F> {
    let count = rows.len() / width.max(1);
    let mut result = vec![F::zero(); rows.len()];
    for (row, values) in rows.chunks_exact(width.max(1)).enumerate() {
        for (column, &value) in values.iter().enumerate() {
            result[column * count + row] = value;
        }
    }
    result
}
