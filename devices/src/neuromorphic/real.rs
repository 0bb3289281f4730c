//! Numbers in which populations are computed: 32 bits in devices, 64 bits where a reference wants them.

use nalgebra::RealField;
use rayon::prelude::*;

use crate::elementary::vectorised;
use crate::matrix_product;

/// Columns, and how far apart they begin.
pub type Columns<'a, F> = (&'a [F], usize);

/// Columns of a result, and how far apart they begin.
pub type ColumnsMut<'a, F> = (&'a mut [F], usize);

/// A matrix, and how far a row and a column further are.
pub type Matrix<'a, F> = (&'a [F], (usize, usize));

/// A real number with a product of matrices.
pub trait Real: RealField + Copy + Default {
    /// C ← A B with A `[m × k]`, B `[k × any]` and C `[m × any]`.
    fn multiply(
        result: ColumnsMut<'_, Self>,
        left: Matrix<'_, Self>,
        right: Columns<'_, Self>,
        m: usize,
    );
}

impl Real for f32 {
    fn multiply(
        result: ColumnsMut<'_, Self>,
        left: Matrix<'_, Self>,
        right: Columns<'_, Self>,
        m: usize,
    ) {
        matrix_product::multiply_columns(result, left, right, m);
    }
}

impl Real for f64 {
    fn multiply(
        (result, result_column): ColumnsMut<'_, Self>,
        (left, (row, column)): Matrix<'_, Self>,
        (right, right_column): Columns<'_, Self>,
        m: usize,
    ) {
        let inner = left.len() / m.max(1);
        let columns = result.chunks_mut(result_column).zip(right.chunks(right_column));
        for (result, right) in columns {
            for (i, result) in result[..m].iter_mut().enumerate() {
                let terms = right[..inner].iter().enumerate();
                *result = terms.map(|(k, right)| left[i * row + k * column] * right).sum();
            }
        }
    }
}

/// Adds `values` to `sums`.
#[inline(always)]
pub(super) fn add<F: Real>(sums: &mut [F], values: &[F]) {
    for (sum, &value) in sums.iter_mut().zip(values) {
        *sum += value;
    }
}

/// Adds each of `rows` to `sums`, one after the other, in one pass.
#[inline(always)]
pub(super) fn add_all<F: Real, const N: usize>(sums: &mut [F], rows: [&[F]; N]) {
    let rows = rows.map(|row| &row[..sums.len()]);
    for (place, sum) in sums.iter_mut().enumerate() {
        for row in rows {
            *sum += row[place];
        }
    }
}

/// The sum of rows of the same length, in their order, by all cores; `None` of no row.
pub(super) fn sum_rows<F: Real>(rows: Vec<Vec<F>>) -> Option<Vec<F>> {
    /// Values that a worker adds at a time.
    const VALUES: usize = 1 << 14;
    let mut rows = rows.into_iter();
    let mut sums = rows.next()?;
    let rest: Vec<Vec<F>> = rows.collect();
    sums.par_chunks_mut(VALUES).enumerate().for_each(|(place, sums)| {
        vectorised(
            #[inline(always)]
            || {
                for row in &rest {
                    add(sums, &row[place * VALUES..][..sums.len()]);
                }
            },
        );
    });
    Some(sums)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_summed_in_their_order_whatever_their_length() {
        for length in [0, 1, 1 << 14, (1 << 14) + 3] {
            let rows: Vec<Vec<f32>> = (1..4)
                .map(|row| (0..length).map(|place| 0.1 * (row * (place + 1)) as f32).collect())
                .collect();
            let mut expected = vec![0.0; length];
            rows.iter().for_each(|row| add(&mut expected, row));
            let mut at_once = vec![0.0; length];
            let [first, second, third] = &rows[..] else { unreachable!("three rows") };
            add_all(&mut at_once, [first, second, third]);
            assert_eq!((Some(&expected), &at_once), (sum_rows(rows).as_ref(), &expected));
        }
        assert_eq!(sum_rows::<f32>(Vec::new()), None);
    }
}
