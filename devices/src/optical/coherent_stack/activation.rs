//! The electro-optic activation between meshes: a share α of a mode's power is detected, and modulates the rest.
//!
//! ```text
//! f(z) = √(1 − α) cos ψ e^{−iψ} z        ψ = g |z|² / 2 + φ_b / 2
//! ```
//!
//! Williamson et al., IEEE J. Sel. Top. Quantum Electron. 26, 7700412 (2020), eq. 7.

use super::config::CoherentStackConfig;
use crate::elementary::sin_cos;

/// An activation with its constants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Activation {
    /// √(1 − α).
    pub kept: f32,
    /// g / 2.
    pub half_gain: f32,
    /// Sine and cosine of φ_b / 2.
    pub bias: (f32, f32),
}

impl Activation {
    pub fn new(config: &CoherentStackConfig) -> Self {
        let (sine, cosine) = (0.5 * config.bias).sin_cos();
        Self {
            kept: (1.0 - config.tapped).sqrt() as f32,
            half_gain: (0.5 * config.gain) as f32,
            bias: (sine as f32, cosine as f32),
        }
    }

    /// sin ψ and cos ψ at a power. A sum of ψ's two parts would lose the digits of a weak field where cos φ_b/2 is 0.
    #[inline(always)]
    fn modulation(&self, power: f32) -> (f32, f32) {
        let (sine, cosine) = sin_cos(self.half_gain * power);
        let (of_bias, by_bias) = self.bias;
        (sine * by_bias + cosine * of_bias, cosine * by_bias - sine * of_bias)
    }

    /// Replaces fields by their f; `real` and `imaginary` are their parts.
    #[inline(always)]
    pub fn apply(&self, real: &mut [f32], imaginary: &mut [f32]) {
        for (re, im) in real.iter_mut().zip(imaginary) {
            let (sine, cosine) = self.modulation(*re * *re + *im * *im);
            let (c_re, c_im) = (self.kept * cosine * cosine, -self.kept * cosine * sine);
            (*re, *im) = (c_re * *re - c_im * *im, c_re * *im + c_im * *re);
        }
    }

    /// Replaces cotangents `of` f by those of the fields `at`, real parts then imaginary parts: with c = f/z and
    /// c′ = dc/d|z|², w ↦ c̄ w + 2 z Re(w̄ c′ z).
    #[inline(always)]
    pub fn pull_back(&self, at: (&[f32], &[f32]), of: (&mut [f32], &mut [f32])) {
        let places = at.0.iter().zip(at.1).zip(of.0.iter_mut().zip(of.1));
        for ((re, im), (w_re, w_im)) in places {
            let (sine, cosine) = self.modulation(re * re + im * im);
            let (c_re, c_im) = (self.kept * cosine * cosine, -self.kept * cosine * sine);
            // c′ = −i √(1−α) g/2 e^{−2iψ}
            let scale = -self.kept * self.half_gain;
            let (d_re, d_im) =
                (scale * 2.0 * sine * cosine, scale * (cosine * cosine - sine * sine));
            let (p_re, p_im) = (d_re * re - d_im * im, d_re * im + d_im * re);
            let twice = 2.0 * (*w_re * p_re + *w_im * p_im);
            (*w_re, *w_im) = (
                c_re * *w_re + c_im * *w_im + twice * re,
                c_re * *w_im - c_im * *w_re + twice * im,
            );
        }
    }
}
