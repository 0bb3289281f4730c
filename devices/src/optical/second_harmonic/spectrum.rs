//! Complex spectra of the shots of a block, and their products.
//!
//! The products are direct sums. On a block of shots they are faster than Fourier transforms of one shot
//! after the other, up to a thousand channels or more.

use rustfft::num_complex::Complex32;

use crate::lanes::{LANES, Lane, ZERO};

/// A complex quantity of every shot of a block.
#[derive(Clone, Copy)]
pub(super) struct Complex {
    pub re: Lane,
    pub im: Lane,
}

impl Complex {
    pub const ZERO: Self = Self { re: ZERO, im: ZERO };

    /// z x, with z the same for all shots.
    #[inline(always)]
    pub fn scaled(z: Complex32, x: &Lane) -> Self {
        let mut product = Self::ZERO;
        for ((re, im), x) in product.re.iter_mut().zip(&mut product.im).zip(x) {
            (*re, *im) = (z.re * x, z.im * x);
        }
        product
    }

    /// Replaces it by its conjugate times x: each part in a loop of its own, which becomes vectors.
    #[inline(always)]
    pub fn multiply_conjugated(&mut self, x: &Lane) {
        for (re, x) in self.re.iter_mut().zip(x) {
            *re *= x;
        }
        for (im, x) in self.im.iter_mut().zip(x) {
            *im *= -x;
        }
    }

    #[inline(always)]
    pub fn norm_sqr(&self) -> Lane {
        let mut norm = ZERO;
        for (norm, (re, im)) in norm.iter_mut().zip(self.re.iter().zip(&self.im)) {
            *norm = re * re + im * im;
        }
        norm
    }
}

/// Adds a b to `sum`, in a loop of its own, which becomes vectors wherever it is inlined.
#[inline(always)]
fn add_product(sum: &mut Lane, a: &Lane, b: &Lane) {
    for (sum, (a, b)) in sum.iter_mut().zip(a.iter().zip(b)) {
        *sum += a * b;
    }
}

/// Σ a b, as four independent sums, so that none waits for another.
#[inline(always)]
fn sum_of_products<'a>(pairs: impl Iterator<Item = (&'a Complex, &'a Complex)>) -> Complex {
    let [mut rr, mut ii, mut ri, mut ir] = [ZERO; 4];
    for (a, b) in pairs {
        add_product(&mut rr, &a.re, &b.re);
        add_product(&mut ii, &a.im, &b.im);
        add_product(&mut ri, &a.re, &b.im);
        add_product(&mut ir, &a.im, &b.re);
    }
    let mut sum = Complex::ZERO;
    for lane in 0..LANES {
        sum.re[lane] = rr[lane] - ii[lane];
        sum.im[lane] = ri[lane] + ir[lane];
    }
    sum
}

/// S_n = Σ E_k E_l over k + l = n: every pair once, doubled.
#[inline(always)]
pub(super) fn autoconvolution(spectrum: &[Complex], n: usize) -> Complex {
    let last = spectrum.len() - 1;
    let (first, pairs) = (n.saturating_sub(last), n.div_ceil(2));
    let below = &spectrum[first..pairs];
    let above = &spectrum[n - first + 1 - below.len()..n - first + 1];
    let mut sum = sum_of_products(below.iter().zip(above.iter().rev()));
    for lane in 0..LANES {
        sum.re[lane] *= 2.0;
        sum.im[lane] *= 2.0;
    }
    if n.is_multiple_of(2) {
        let middle = &spectrum[n / 2];
        for lane in 0..LANES {
            sum.re[lane] += middle.re[lane] * middle.re[lane] - middle.im[lane] * middle.im[lane];
            sum.im[lane] += 2.0 * middle.re[lane] * middle.im[lane];
        }
    }
    sum
}

/// Σ C_{k+l} E_l over all l.
#[inline(always)]
pub(super) fn correlation(cotangents: &[Complex], spectrum: &[Complex], k: usize) -> Complex {
    sum_of_products(cotangents[k..].iter().zip(spectrum))
}
