//! Matrix products: a safe interface to the crate `gemm`.
//!
//! nalgebra's own product (crate `matrixmultiply`) has no AVX-512 kernels and packs both operands
//! in every call; on the oscillators' shapes `gemm` takes four to nine tenths of its time.
//!
//! Matrices are slices, column by column.

use std::mem::MaybeUninit;

/// C ← A B_k on the calling thread, with A `[m × k]`, C `[m × any]`, B `[n × any]`, and B_k the
/// first k rows of B, k ≤ n.
///
/// Nothing is packed where m is a multiple of 16.
///
/// # Panics
/// If the lengths do not fit.
pub fn multiply(result: &mut [f32], left: &[f32], right: &[f32], m: usize, n: usize) {
    let (columns, k) = (result.len() / m, left.len() / m);
    let fits =
        left.len() == m * k && k <= n && right.len() == n * columns && result.len() == m * columns;
    assert!(fits, "the shapes of a matrix product fit");
    product((m, columns, k), (result, m), (left, (1, m)), (right, (1, n)), 0.0);
}

/// C ← A B on the calling thread with A `[m × k]`, B `[k × any]` and C `[m × any]`: A with its strides, B and C by columns
/// that begin so many values apart.
///
/// Nothing is packed where the columns of A are contiguous and m is a multiple of 16.
///
/// # Panics
/// If the lengths do not fit.
pub(crate) fn multiply_columns(
    (result, result_column): (&mut [f32], usize),
    left: Operand<'_>,
    (right, right_column): (&[f32], usize),
    m: usize,
) {
    let (columns, k) = (result.len().div_ceil(result_column), left.0.len() / m);
    let fits = left.0.len() == m * k && m <= result_column && k <= right_column;
    assert!(fits, "the shapes of a matrix product fit");
    let shape = (m, columns, k);
    product(shape, (result, result_column), left, (right, (1, right_column)), 0.0);
}

/// C ← C + A B_rᵀ on the calling thread, with A and B `[n × k]`, C `[n × any]`, and B_r the rows of B
/// from `first_row`, as many as C has columns.
///
/// # Panics
/// If the lengths do not fit.
pub(crate) fn multiply_transposed(
    result: &mut [f32],
    left: &[f32],
    right: &[f32],
    n: usize,
    first_row: usize,
) {
    let (columns, k) = (result.len() / n, left.len() / n);
    let fits = left.len() == n * k
        && right.len() == left.len()
        && result.len() == n * columns
        && first_row + columns <= n;
    assert!(fits, "the shapes of a matrix product fit");
    let right = right.get(first_row..).unwrap_or(&[]);
    product((n, columns, k), (result, n), (left, (1, n)), (right, (n, 1)), 1.0);
}

/// C ← C + A Bᵀ on the calling thread, with A `[m × k]`, B `[n × k]` and C `[m × n]`.
///
/// # Panics
/// If the lengths do not fit.
pub fn add_outer(result: &mut [f32], left: &[f32], right: &[f32], m: usize, n: usize) {
    let k = left.len() / m;
    let fits = left.len() == m * k && right.len() == n * k && result.len() == m * n;
    assert!(fits, "the shapes of a matrix product fit");
    product((m, n, k), (result, m), (left, (1, m)), (right, (n, 1)), 1.0);
}

/// A matrix's values, and how far a row and a column further are.
pub type Operand<'a> = (&'a [f32], (usize, usize));

/// C ← A B on the calling thread with A `[m × k]`, B `[k × n]` and C `[m × n]`, whose columns are contiguous. All values of
/// C are written, and none is read.
///
/// # Panics
/// If the lengths do not fit, or k is zero.
#[expect(unsafe_code, reason = "gemm takes pointers; the lengths behind them are checked here")]
pub fn write_product(
    shape @ (m, n, k): (usize, usize, usize),
    result: &mut [MaybeUninit<f32>],
    left: Operand,
    right: Operand,
) {
    assert!(k > 0 && result.len() == m * n, "the shapes of a matrix product fit");
    if result.is_empty() {
        return;
    }
    // SAFETY: `result` is borrowed alone, and holds n columns of m values, which are not read.
    unsafe { product_at(shape, (result.as_mut_ptr().cast(), m), left, right, 0.0) };
}

/// C ← A B + `keep` C with C `[m × n]` by columns so many values apart, and A `[m × k]` and B `[k × n]` each with its strides (a row
/// further, a column further).
#[expect(unsafe_code, reason = "gemm takes pointers; the lengths behind them are checked here")]
fn product(
    shape @ (m, n, k): (usize, usize, usize),
    (result, result_column): (&mut [f32], usize),
    left: Operand,
    right: Operand,
    keep: f32,
) {
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    assert!(m <= result_column && result.len() >= (n - 1) * result_column + m);
    // SAFETY: `result` is borrowed alone, and its length covers the shape.
    unsafe { product_at(shape, (result.as_mut_ptr(), result_column), left, right, keep) };
}

/// [`product`] with C behind a pointer.
///
/// # Panics
/// If the lengths of A and B do not fit.
///
/// # Safety
/// No size is zero. C's memory is nobody else's and covers the shape, and is initialised unless `keep` is zero.
#[expect(unsafe_code, reason = "gemm takes pointers")]
unsafe fn product_at(
    (m, n, k): (usize, usize, usize),
    (result, result_column): (*mut f32, usize),
    (left, (left_row, left_column)): Operand,
    (right, (row, column)): Operand,
    keep: f32,
) {
    let fits = left.len() > (m - 1) * left_row + (k - 1) * left_column
        && right.len() > (k - 1) * row + (n - 1) * column;
    assert!(fits, "the shapes of a matrix product fit");
    // SAFETY: the lengths of both operands cover the shapes at these strides; the caller vouches for C.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            result,
            result_column as isize,
            1,
            keep != 0.0,
            left.as_ptr(),
            left_column as isize,
            left_row as isize,
            right.as_ptr(),
            column as isize,
            row as isize,
            keep,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::DMatrix;

    #[test]
    fn both_products_agree_with_nalgebra() {
        let value = |i: usize, j: usize| ((7 * i + 3 * j) % 11) as f32 - 5.0;
        let (left, right) = (DMatrix::from_fn(9, 9, value), DMatrix::from_fn(9, 6, value));
        let start = DMatrix::from_fn(9, 6, |i, j| value(i + j, j));
        let mut result = start.clone();
        multiply(result.as_mut_slice(), &left.as_slice()[..63], right.as_slice(), 9, 9);
        assert_eq!(result, left.columns(0, 7) * right.rows(0, 7));
        let mut result = DMatrix::from_fn(9, 4, value);
        let expected = &result + &right * start.rows(2, 4).transpose();
        multiply_transposed(result.as_mut_slice(), right.as_slice(), start.as_slice(), 9, 2);
        assert_eq!(result, expected);
        let mut result = DMatrix::from_fn(9, 4, value);
        let (left, right) = (DMatrix::from_fn(9, 6, value), DMatrix::from_fn(4, 6, value));
        let expected = &result + &left * right.transpose();
        add_outer(result.as_mut_slice(), left.as_slice(), right.as_slice(), 9, 4);
        assert_eq!(result, expected);
    }

    #[test]
    fn columns_apart_and_rows_agree_with_nalgebra() {
        let value = |i: usize, j: usize| ((5 * i + 3 * j) % 7) as f32 - 3.0;
        let (left, right) = (DMatrix::from_fn(9, 4, value), DMatrix::from_fn(6, 3, value));
        let expected = &left * right.rows(0, 4);
        let by_rows = left.transpose();
        for left in [(left.as_slice(), (1, 9)), (by_rows.as_slice(), (4, 1))] {
            let mut result = DMatrix::from_element(11, 3, 7.0);
            let columns = (&mut result.as_mut_slice()[1..], 11);
            multiply_columns(columns, left, (right.as_slice(), 6), 9);
            assert_eq!(result.rows(1, 9), expected);
            assert!(result.row(0).iter().chain(result.row(10).iter()).all(|&kept| kept == 7.0));
        }
    }

    #[test]
    #[should_panic(expected = "the shapes of a matrix product fit")]
    fn shapes_that_do_not_fit_are_refused() {
        multiply(&mut [0.0; 6], &[0.0; 9], &[0.0; 5], 3, 3);
    }
}
