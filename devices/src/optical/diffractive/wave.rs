//! Complex amplitudes of sixteen shots, and their arithmetic in the processor's vectors.
//!
//! The operations name the vectors: from plain loops over the lanes, the compiler made vectors of many waves instead, and
//! gathered them value by value. Vectors stay in registers only where all that handles them is inlined: no closure here that
//! is not `#[inline(always)]`, and no `map` of an array.

use pulp::Simd;
use rustfft::num_complex::Complex32;

use crate::lanes::{LANES, Lane, ZERO};

/// A complex amplitude of every shot of a block.
#[derive(Clone, Copy)]
pub(super) struct Wave {
    pub re: Lane,
    pub im: Lane,
}

/// A wave in registers, or the part of it that is one vector.
#[derive(Clone, Copy)]
pub(super) struct Vector<S: Simd> {
    pub re: S::f32s,
    pub im: S::f32s,
}

/// Number of vectors of a lane.
#[inline(always)]
pub(super) const fn parts<S: Simd>() -> usize {
    LANES / S::F32_LANES
}

impl Wave {
    pub const ZERO: Self = Self { re: ZERO, im: ZERO };

    /// The vector `part`.
    #[inline(always)]
    pub fn load<S: Simd>(&self, part: usize) -> Vector<S> {
        Vector { re: S::as_simd_f32s(&self.re).0[part], im: S::as_simd_f32s(&self.im).0[part] }
    }

    /// Replaces the vector `part`.
    #[inline(always)]
    pub fn store<S: Simd>(&mut self, part: usize, vector: Vector<S>) {
        S::as_mut_simd_f32s(&mut self.re).0[part] = vector.re;
        S::as_mut_simd_f32s(&mut self.im).0[part] = vector.im;
    }

    /// Multiplies it by z.
    #[inline(always)]
    pub fn turn<S: Simd>(&mut self, simd: S, z: Complex32) {
        for part in 0..parts::<S>() {
            self.store(part, self.load::<S>(part).times(simd, z));
        }
    }

    /// z* w with w of the vector `part` of `other`.
    #[inline(always)]
    pub fn conjugate_times<S: Simd>(&self, simd: S, other: &Self, part: usize) -> Vector<S> {
        let (z, w) = (self.load::<S>(part), other.load::<S>(part));
        Vector {
            re: simd.add_f32s(simd.mul_f32s(z.re, w.re), simd.mul_f32s(z.im, w.im)),
            im: simd.sub_f32s(simd.mul_f32s(z.re, w.im), simd.mul_f32s(z.im, w.re)),
        }
    }

    /// Im(z w*) with w of `other`, shot by shot.
    #[inline(always)]
    pub fn across<S: Simd>(&self, simd: S, other: &Self) -> Lane {
        let mut across = ZERO;
        for (part, across) in S::as_mut_simd_f32s(&mut across).0.iter_mut().enumerate() {
            *across = other.conjugate_times(simd, self, part).im;
        }
        across
    }
}

impl<S: Simd> Vector<S> {
    #[inline(always)]
    pub fn plus(self, simd: S, other: Self) -> Self {
        Self { re: simd.add_f32s(self.re, other.re), im: simd.add_f32s(self.im, other.im) }
    }

    #[inline(always)]
    pub fn minus(self, simd: S, other: Self) -> Self {
        Self { re: simd.sub_f32s(self.re, other.re), im: simd.sub_f32s(self.im, other.im) }
    }

    /// The sum with i times `other`.
    #[inline(always)]
    pub fn plus_i(self, simd: S, other: Self) -> Self {
        Self { re: simd.sub_f32s(self.re, other.im), im: simd.add_f32s(self.im, other.re) }
    }

    /// The difference from i times `other`.
    #[inline(always)]
    pub fn minus_i(self, simd: S, other: Self) -> Self {
        Self { re: simd.add_f32s(self.re, other.im), im: simd.sub_f32s(self.im, other.re) }
    }

    /// The product with z.
    #[inline(always)]
    pub fn times(self, simd: S, z: Complex32) -> Self {
        let (re, im) = (simd.splat_f32s(z.re), simd.splat_f32s(z.im));
        Self {
            re: simd.sub_f32s(simd.mul_f32s(self.re, re), simd.mul_f32s(self.im, im)),
            im: simd.add_f32s(simd.mul_f32s(self.re, im), simd.mul_f32s(self.im, re)),
        }
    }

    /// The product with real numbers.
    #[inline(always)]
    pub fn scaled(self, simd: S, by: S::f32s) -> Self {
        Self { re: simd.mul_f32s(self.re, by), im: simd.mul_f32s(self.im, by) }
    }

    /// |z|².
    #[inline(always)]
    pub fn power(self, simd: S) -> S::f32s {
        simd.add_f32s(simd.mul_f32s(self.re, self.re), simd.mul_f32s(self.im, self.im))
    }
}

/// Subtracts `by` x from the vector `part` of `sums`.
#[inline(always)]
pub(super) fn subtract_scaled<S: Simd>(simd: S, sums: &mut Lane, part: usize, by: f32, x: S::f32s) {
    let sum = &mut S::as_mut_simd_f32s(sums).0[part];
    *sum = simd.sub_f32s(*sum, simd.mul_f32s(simd.splat_f32s(by), x));
}
