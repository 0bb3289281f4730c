//! Loops over the rows of matrices, written so that the compiler vectorises them.

/// A floating-point number.
pub trait Real: nalgebra::RealField + Copy {}
impl Real for f32 {}
impl Real for f64 {}

/// `value` as an `R`.
#[inline(always)]
pub(super) fn real<R: Real>(value: f64) -> R {
    nalgebra::convert(value)
}

/// Partial sums of an inner product: as many as fill the widest vector registers.
const LANES: usize = 16;

/// Inner product of `a` and `b`, of the same length.
#[inline(always)]
pub(super) fn dot<R: Real>(a: &[R], b: &[R]) -> R {
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [R::zero(); LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest = a_rest.iter().zip(b_rest).fold(R::zero(), |sum, (&a, &b)| sum + a * b);
    sums.into_iter().fold(rest, |sum, lane| sum + lane)
}

/// `y` += `factor` · `x`.
#[inline(always)]
pub(super) fn add_scaled<R: Real>(y: &mut [R], factor: R, x: &[R]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += factor * x;
    }
}
