//! Numbers in which populations are computed: 32 bits in devices, 64 bits where a reference wants them.

use nalgebra::RealField;

use crate::matrix_product;

/// Columns, and how far apart they begin.
pub type Columns<'a, F> = (&'a [F], usize);

/// Columns of a result, and how far apart they begin.
pub type ColumnsMut<'a, F> = (&'a mut [F], usize);

/// A real number with a product of matrices.
pub trait Real: RealField + Copy + Default {
    /// C ← A B with A `[m × k]` column by column, B `[k × any]` and C `[m × any]`.
    fn multiply(result: ColumnsMut<'_, Self>, left: &[Self], right: Columns<'_, Self>, m: usize);

    /// The same with A row by row.
    fn multiply_rows(
        result: ColumnsMut<'_, Self>,
        left: &[Self],
        right: Columns<'_, Self>,
        m: usize,
    );
}

impl Real for f32 {
    fn multiply(result: ColumnsMut<'_, Self>, left: &[Self], right: Columns<'_, Self>, m: usize) {
        matrix_product::multiply_columns(result, (left, (1, m)), right, m);
    }

    fn multiply_rows(
        result: ColumnsMut<'_, Self>,
        left: &[Self],
        right: Columns<'_, Self>,
        m: usize,
    ) {
        let inner = left.len() / m.max(1);
        matrix_product::multiply_columns(result, (left, (inner, 1)), right, m);
    }
}

impl Real for f64 {
    fn multiply(result: ColumnsMut<'_, Self>, left: &[Self], right: Columns<'_, Self>, m: usize) {
        for (result, right) in result.0.chunks_mut(result.1).zip(right.0.chunks(right.1)) {
            let result = &mut result[..m];
            result.fill(0.0);
            for (left, right) in left.chunks_exact(m).zip(right) {
                result.iter_mut().zip(left).for_each(|(sum, left)| *sum += left * right);
            }
        }
    }

    fn multiply_rows(
        result: ColumnsMut<'_, Self>,
        left: &[Self],
        right: Columns<'_, Self>,
        m: usize,
    ) {
        let inner = left.len() / m.max(1);
        for (result, right) in result.0.chunks_mut(result.1).zip(right.0.chunks(right.1)) {
            for (result, left) in result[..m].iter_mut().zip(left.chunks_exact(inner)) {
                *result = left.iter().zip(right).map(|(left, right)| left * right).sum();
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
