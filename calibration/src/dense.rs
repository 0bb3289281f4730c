//! Products with the weights of a dense layer, in parts of their rows.
//!
//! A core that reads what another core wrote waits for each cache line, and so does the other when it writes there again.
//! So all passes over trained weights cut them by [`rows_a_part`]: the forward pass, the gradient and the optimiser's step.
//! A core then mostly has the rows that it had in the pass before.
//!
//! Matrices are slices, row by row.

use std::mem::MaybeUninit;

use rayon::prelude::*;
use twinprop_devices::write_product;

/// Fewest values of a part.
const FEWEST_VALUES: usize = 1 << 15;
/// Most parts of a matrix.
const MOST_PARTS: usize = 64;

/// Rows of each part of a matrix of `rows` rows of `width` values; the last part may have fewer. It depends on the shape
/// alone, so that sums over parts have the same bits on any number of cores.
#[must_use]
pub fn rows_a_part(rows: usize, width: usize) -> usize {
    let most = (rows * width / FEWEST_VALUES).clamp(1, MOST_PARTS);
    // About a power of two, for equal shares of two or four cores.
    rows.div_ceil(1 << most.ilog2()).max(1)
}

const FITS: &str = "the lengths of a dense layer's operands fit";

/// x W + b `[samples, width out]` for `x` `[samples, width in]`, the `weights` W `[width in, width out]` and the `bias` b.
///
/// # Panics
/// If the lengths do not fit, or one is zero.
#[must_use]
#[expect(unsafe_code, reason = "the products are not zero before they are written")]
pub fn weighted_sums(x: &[f32], weights: &[f32], bias: &[f32]) -> Vec<f32> {
    let out = bias.len();
    let width = weights.len() / out;
    let samples = x.len() / width;
    assert!(weights.len() == width * out && x.len() == samples * width, "{FITS}");
    let rows = rows_a_part(width, out);
    let parts = weights.par_chunks(rows * out).enumerate().map(|(part, weights)| {
        let write = |products: &mut [MaybeUninit<f32>]| {
            let shape = (out, samples, weights.len() / out);
            write_product(shape, products, (weights, (1, out)), (&x[part * rows..], (1, width)));
        };
        // SAFETY: a product writes all values.
        unsafe { written(samples * out, write) }
    });
    let parts: Vec<Vec<f32>> = parts.collect();
    let mut parts = parts.into_iter();
    let mut sums = parts.next().unwrap_or_default();
    for products in parts {
        sums.iter_mut().zip(products).for_each(|(sum, product)| *sum += product);
    }
    for sums in sums.chunks_exact_mut(out) {
        sums.iter_mut().zip(bias).for_each(|(sum, bias)| *sum += bias);
    }
    sums
}

/// The gradient xᵀ dy `[width in, width out]` of the weights, for `x` `[samples, width in]` and the cotangents `dy`
/// `[samples, width out]` of the sums.
///
/// # Panics
/// If the lengths do not fit, or one is zero.
#[must_use]
#[expect(unsafe_code, reason = "the gradient is not zero before it is written")]
pub fn weight_gradient(x: &[f32], dy: &[f32], samples: usize) -> Vec<f32> {
    let (width, out) = (x.len() / samples, dy.len() / samples);
    assert!(x.len() == samples * width && dy.len() == samples * out, "{FITS}");
    let rows = rows_a_part(width, out);
    let write = |gradient: &mut [MaybeUninit<f32>]| {
        gradient.par_chunks_mut(rows * out).enumerate().for_each(|(part, gradient)| {
            let shape = (out, gradient.len() / out, samples);
            write_product(shape, gradient, (dy, (1, out)), (&x[part * rows..], (width, 1)));
        });
    };
    // SAFETY: the parts are all of the gradient, and a product writes all values of each.
    unsafe { written(width * out, write) }
}

/// The cotangents dy Wᵀ `[samples, width in]` of the input, for `dy` `[samples, width out]`.
///
/// # Panics
/// If the lengths do not fit, or one is zero.
#[must_use]
#[expect(unsafe_code, reason = "the cotangents are not zero before they are written")]
pub fn input_cotangents(dy: &[f32], weights: &[f32], samples: usize) -> Vec<f32> {
    let out = dy.len() / samples;
    let width = weights.len() / out;
    assert!(dy.len() == samples * out && weights.len() == width * out, "{FITS}");
    // Each core reads all weights, for samples of its own.
    let parts = width.div_ceil(rows_a_part(width, out));
    let task = samples.div_ceil(parts);
    let write = |dx: &mut [MaybeUninit<f32>]| {
        dx.par_chunks_mut(task * width).zip(dy.par_chunks(task * out)).for_each(|(dx, dy)| {
            let shape = (width, dy.len() / out, out);
            write_product(shape, dx, (weights, (out, 1)), (dy, (1, out)));
        });
    };
    // SAFETY: the tasks have all samples, and a product writes all values of each.
    unsafe { written(samples * width, write) }
}

/// `count` values that `write` writes. They are not zeroed first: one core would write the zeros, and the others would wait
/// for them.
///
/// # Safety
/// `write` writes all values.
#[expect(unsafe_code, reason = "the values are not zero before they are written")]
unsafe fn written(count: usize, write: impl FnOnce(&mut [MaybeUninit<f32>])) -> Vec<f32> {
    let mut values = Vec::with_capacity(count);
    write(&mut values.spare_capacity_mut()[..count]);
    // SAFETY: the capacity is `count` or more, and the caller vouches for the values.
    unsafe { values.set_len(count) };
    values
}

#[cfg(test)]
mod tests {
    use nalgebra::DMatrix;

    use super::*;

    #[test]
    fn only_large_matrices_have_parts() {
        assert_eq!(rows_a_part(196, 396), 98);
        assert_eq!(rows_a_part(100, 396), 100);
        assert_eq!(rows_a_part(1000, 4000), 16);
        assert_eq!([rows_a_part(1, 1 << 20), rows_a_part(0, 10), rows_a_part(10, 0)], [1, 1, 10]);
    }

    /// One part, and parts of which the last has fewer rows.
    #[test]
    #[should_panic(expected = "operands fit")]
    fn lengths_that_do_not_fit_are_refused() {
        let _ = weight_gradient(&[0.0; 7], &[0.0; 6], 3);
    }

    #[test]
    fn products_agree_with_nalgebra() {
        for (samples, width, out) in [(3, 5, 4), (7, 301, 400), (1, 70, 1000), (2, 1, 70_000)] {
            let value = |i: usize, j: usize| ((7 * i + 3 * j) % 11) as f32 - 5.0;
            // Row by row is the transposed matrix column by column.
            let x = DMatrix::from_fn(width, samples, value);
            let weights = DMatrix::from_fn(out, width, |i, j| value(j, i + 1));
            let bias = DMatrix::from_fn(out, 1, value);
            let dy = DMatrix::from_fn(out, samples, |i, j| value(i + j, j));
            let mut sums = &weights * &x;
            sums.column_iter_mut().for_each(|mut sum| sum += &bias.column(0));
            let found = weighted_sums(x.as_slice(), weights.as_slice(), bias.as_slice());
            assert_eq!(found, sums.as_slice());
            let found = weight_gradient(x.as_slice(), dy.as_slice(), samples);
            assert_eq!(found, (&dy * x.transpose()).as_slice());
            let found = input_cotangents(dy.as_slice(), weights.as_slice(), samples);
            assert_eq!(found, (weights.transpose() * &dy).as_slice());
        }
    }
}
