//! An interferometer's matrix, and what cotangents say about its phases and splitters.
//!
//! ```text
//! T = ℓ | e^{iφ} u   e^{iφ} v |      u = cos σ cos θ/2 + i cos τ sin θ/2
//!       |  −v*         u*     |      v = −sin τ sin θ/2 + i sin σ cos θ/2
//! ```
//!
//! with σ = π/2 + δ_l + δ_r and τ = δ_l − δ_r: the product of the four matrices of the module's page, multiplied out.

use std::f64::consts::FRAC_PI_2;

use rustfft::num_complex::Complex32;

use crate::elementary::sin_cos;
use crate::optical::rows::{Turns, Two};

/// Sines and cosines of σ, of τ and of 2 δ_r of an interferometer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Splitters {
    sin_sum: f32,
    cos_sum: f32,
    sin_difference: f32,
    cos_difference: f32,
    /// Of 2 δ_r.
    sin_right: f32,
    cos_right: f32,
}

/// An interferometer at its phases.
#[derive(Clone, Copy)]
pub(super) struct Interferometer {
    splitters: Splitters,
    /// Sine and cosine of θ/2, and e^{iφ}.
    half: (f32, f32),
    turn: Complex32,
    u: Complex32,
    v: Complex32,
    /// ℓ.
    transmission: f32,
}

/// Derivatives by θ, φ, δ_l and δ_r.
pub(super) struct Slopes {
    pub theta: f32,
    pub phi: f32,
    pub left: f32,
    pub right: f32,
}

impl Splitters {
    /// Of δ_l and δ_r, in 64 bits: equal errors of all interferometers would add up from column to column.
    pub fn new(left: f32, right: f32) -> Self {
        let (left, right) = (f64::from(left), f64::from(right));
        let (sin_sum, cos_sum) = (FRAC_PI_2 + left + right).sin_cos();
        let (sin_difference, cos_difference) = (left - right).sin_cos();
        let (sin_right, cos_right) = (2.0 * right).sin_cos();
        Self {
            sin_sum: sin_sum as f32,
            cos_sum: cos_sum as f32,
            sin_difference: sin_difference as f32,
            cos_difference: cos_difference as f32,
            sin_right: sin_right as f32,
            cos_right: cos_right as f32,
        }
    }
}

impl Interferometer {
    /// At the phases θ and φ, in rad, with the transmission ℓ.
    #[inline(always)]
    pub fn new(splitters: Splitters, theta: f32, phi: f32, transmission: f32) -> Self {
        let (half, (sine, cosine)) = (sin_cos(0.5 * theta), sin_cos(phi));
        let Splitters { sin_sum, cos_sum, sin_difference, cos_difference, .. } = splitters;
        Self {
            splitters,
            half,
            turn: Complex32::new(cosine, sine),
            u: Complex32::new(cos_sum * half.1, cos_difference * half.0),
            v: Complex32::new(-sin_difference * half.0, sin_sum * half.1),
            transmission,
        }
    }

    /// T.
    #[inline(always)]
    pub fn matrix(&self) -> Two {
        let (u, v) = (self.u * self.transmission, self.v * self.transmission);
        [self.turn * u, self.turn * v, -v.conj(), u.conj()]
    }

    /// Tᴴ, the adjoint.
    #[inline(always)]
    pub fn adjoint(&self) -> Two {
        let [a, b, c, d] = self.matrix().map(|t| t.conj());
        [a, c, b, d]
    }

    /// T⁻¹ = Tᴴ / ℓ².
    #[inline(always)]
    pub fn inverse(&self) -> Two {
        let scale = 1.0 / (self.transmission * self.transmission);
        self.adjoint().map(|t| t * scale)
    }

    /// The derivatives of a function from what the fields behind T and their cotangents say about turns.
    ///
    /// A change of a phase or a splitter is δT = G T with an anti-Hermitian G = (i a, b; −b*, i d), which turns the fields
    /// behind T: for B(δ) = e^{i(π/4+δ)X} and diag(e^{iθ/2}, e^{−iθ/2}) = e^{iθZ/2} with Pauli's X and Z,
    ///
    /// ```text
    ///       a                  d      b
    /// φ     1                  0      0
    /// θ     −½ sin 2δ_r        −a     ½ e^{iφ} cos 2δ_r
    /// δ_r   0                  0      i e^{iφ}
    /// δ_l   sin θ cos 2δ_r     −a     e^{iφ} (i cos θ + sin θ sin 2δ_r)
    /// ```
    #[inline(always)]
    pub fn slopes(&self, of: &Turns) -> Slopes {
        let Splitters { sin_right, cos_right, .. } = self.splitters;
        let (sine, cosine) = self.half;
        let (sine, cosine) = (2.0 * sine * cosine, cosine * cosine - sine * sine);
        // e^{iφ} b against the cotangent of b.
        let across = self.turn.conj() * of.across;
        let along = of.upper - of.lower;
        Slopes {
            theta: 0.5 * (cos_right * across.re - sin_right * along),
            phi: of.upper,
            left: sine * (cos_right * along + sin_right * across.re) + cosine * across.im,
            right: across.im,
        }
    }
}
