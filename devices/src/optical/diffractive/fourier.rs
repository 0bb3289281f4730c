//! Fourier transforms of lines of complex amplitudes, sixteen shots at a time.
//!
//! Decimation in frequency forward and in time back (Cooley & Tukey, Math. Comput. 19, 297, 1965; Gentleman & Sande, AFIPS
//! Conf. Proc. 29, 563, 1966), in steps of four: a spectrum is in the order of reversed bits, so that nothing is sorted.

use std::f64::consts::TAU;

use rustfft::num_complex::{Complex32, Complex64};

use crate::lanes::{LANES, Lane, ZERO};

/// A complex amplitude of every shot of a block.
#[derive(Clone, Copy)]
pub(super) struct Wave {
    pub re: Lane,
    pub im: Lane,
}

impl Wave {
    pub const ZERO: Self = Self { re: ZERO, im: ZERO };

    /// Multiplies it by z.
    #[inline(always)]
    pub fn turn(&mut self, z: Complex32) {
        for lane in 0..LANES {
            let (re, im) = (self.re[lane], self.im[lane]);
            self.re[lane] = re * z.re - im * z.im;
            self.im[lane] = re * z.im + im * z.re;
        }
    }
}

/// Transforms of lines of one length, a power of two.
#[derive(Clone, Debug)]
pub(super) struct Fourier {
    /// e^{−2πij/n}.
    turns: Vec<Complex32>,
}

/// Frequency that a spectrum has at `place`, in cycles over `length` points, from −length / 2.
pub(super) fn frequency(place: usize, length: usize) -> f64 {
    let bits = length.trailing_zeros();
    let index = if bits == 0 { 0 } else { place.reverse_bits() >> (usize::BITS - bits) };
    if 2 * index < length { index as f64 } else { index as f64 - length as f64 }
}

impl Fourier {
    /// Transforms of `length` points.
    pub fn new(length: usize) -> Self {
        let turn = |j: usize| {
            let z = Complex64::cis(-TAU * j as f64 / length as f64);
            Complex32::new(z.re as f32, z.im as f32)
        };
        Self { turns: (0..length).map(turn).collect() }
    }

    /// Σ_x line_x e^{−2πi kx/n}, in the order of [`frequency`].
    #[inline(always)]
    pub fn forward(&self, line: &mut [Wave]) {
        let mut length = line.len();
        while length >= 4 {
            let step = line.len() / length;
            for part in line.chunks_exact_mut(length) {
                let [first, second, third, fourth] = quarters(part);
                for j in 0..length / 4 {
                    let turns = [1, 2, 3].map(|times| self.turns[times * j * step]);
                    apart(&mut first[j], &mut second[j], &mut third[j], &mut fourth[j], turns);
                }
            }
            length /= 4;
        }
        if length == 2 {
            pairs(line);
        }
    }

    /// n times the line whose spectrum `line` is.
    #[inline(always)]
    pub fn back(&self, line: &mut [Wave]) {
        let mut length = 4;
        if line.len().trailing_zeros() % 2 == 1 {
            pairs(line);
            length = 8;
        }
        while length <= line.len() {
            let step = line.len() / length;
            for part in line.chunks_exact_mut(length) {
                let [first, second, third, fourth] = quarters(part);
                for j in 0..length / 4 {
                    let turns = [1, 2, 3].map(|times| self.turns[times * j * step]);
                    together(&mut first[j], &mut second[j], &mut third[j], &mut fourth[j], turns);
                }
            }
            length *= 4;
        }
    }
}

#[inline(always)]
fn quarters(part: &mut [Wave]) -> [&mut [Wave]; 4] {
    let quarter = part.len() / 4;
    let (first, rest) = part.split_at_mut(quarter);
    let (second, rest) = rest.split_at_mut(quarter);
    let (third, fourth) = rest.split_at_mut(quarter);
    [first, second, third, fourth]
}

/// Two steps of halving at once: sums and differences, times w, w² and w³.
#[inline(always)]
fn apart(a: &mut Wave, b: &mut Wave, c: &mut Wave, d: &mut Wave, [w1, w2, w3]: [Complex32; 3]) {
    for lane in 0..LANES {
        let (sum_re, sum_im) = (a.re[lane] + c.re[lane], a.im[lane] + c.im[lane]);
        let (gap_re, gap_im) = (a.re[lane] - c.re[lane], a.im[lane] - c.im[lane]);
        let (odd_re, odd_im) = (b.re[lane] + d.re[lane], b.im[lane] + d.im[lane]);
        // −i (b − d).
        let (side_re, side_im) = (b.im[lane] - d.im[lane], d.re[lane] - b.re[lane]);
        (a.re[lane], a.im[lane]) = (sum_re + odd_re, sum_im + odd_im);
        let (re, im) = (sum_re - odd_re, sum_im - odd_im);
        (b.re[lane], b.im[lane]) = (re * w2.re - im * w2.im, re * w2.im + im * w2.re);
        let (re, im) = (gap_re + side_re, gap_im + side_im);
        (c.re[lane], c.im[lane]) = (re * w1.re - im * w1.im, re * w1.im + im * w1.re);
        let (re, im) = (gap_re - side_re, gap_im - side_im);
        (d.re[lane], d.im[lane]) = (re * w3.re - im * w3.im, re * w3.im + im * w3.re);
    }
}

/// The inverse of [`apart`], times four.
#[inline(always)]
fn together(a: &mut Wave, b: &mut Wave, c: &mut Wave, d: &mut Wave, [w1, w2, w3]: [Complex32; 3]) {
    for lane in 0..LANES {
        let (re, im) = (b.re[lane], b.im[lane]);
        let (b_re, b_im) = (re * w2.re + im * w2.im, im * w2.re - re * w2.im);
        let (re, im) = (c.re[lane], c.im[lane]);
        let (c_re, c_im) = (re * w1.re + im * w1.im, im * w1.re - re * w1.im);
        let (re, im) = (d.re[lane], d.im[lane]);
        let (d_re, d_im) = (re * w3.re + im * w3.im, im * w3.re - re * w3.im);
        let (sum_re, sum_im) = (a.re[lane] + b_re, a.im[lane] + b_im);
        let (odd_re, odd_im) = (a.re[lane] - b_re, a.im[lane] - b_im);
        let (gap_re, gap_im) = (c_re + d_re, c_im + d_im);
        // i (c − d).
        let (side_re, side_im) = (d_im - c_im, c_re - d_re);
        (a.re[lane], a.im[lane]) = (sum_re + gap_re, sum_im + gap_im);
        (c.re[lane], c.im[lane]) = (sum_re - gap_re, sum_im - gap_im);
        (b.re[lane], b.im[lane]) = (odd_re + side_re, odd_im + side_im);
        (d.re[lane], d.im[lane]) = (odd_re - side_re, odd_im - side_im);
    }
}

/// Sums and differences of neighbours.
#[inline(always)]
fn pairs(line: &mut [Wave]) {
    for pair in line.chunks_exact_mut(2) {
        let [a, b] = pair else { continue };
        for lane in 0..LANES {
            let (a_re, a_im) = (a.re[lane], a.im[lane]);
            (a.re[lane], a.im[lane]) = (a_re + b.re[lane], a_im + b.im[lane]);
            (b.re[lane], b.im[lane]) = (a_re - b.re[lane], a_im - b.im[lane]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spectra_are_the_sums_and_go_back() {
        for length in [4usize, 8, 16, 32, 64] {
            let value = |x: usize, lane: usize| {
                let angle = (x * x + 3 * x * lane) as f64;
                Complex64::new(angle.sin(), (1.7 * angle).cos())
            };
            let mut line = vec![Wave::ZERO; length];
            for (x, wave) in line.iter_mut().enumerate() {
                for lane in 0..LANES {
                    let z = value(x, lane);
                    (wave.re[lane], wave.im[lane]) = (z.re as f32, z.im as f32);
                }
            }
            let transforms = Fourier::new(length);
            transforms.forward(&mut line);
            for (place, wave) in line.iter().enumerate() {
                let k = frequency(place, length);
                for lane in 0..LANES {
                    let sum: Complex64 = (0..length)
                        .map(|x| {
                            Complex64::cis(-TAU * k * x as f64 / length as f64) * value(x, lane)
                        })
                        .sum();
                    let found = Complex64::new(f64::from(wave.re[lane]), f64::from(wave.im[lane]));
                    assert!((found - sum).norm() < 3e-5, "{length}, {k}: {found} {sum}");
                }
            }
            transforms.back(&mut line);
            for (x, wave) in line.iter().enumerate() {
                for lane in 0..LANES {
                    let expected = value(x, lane) * length as f64;
                    let found = Complex64::new(f64::from(wave.re[lane]), f64::from(wave.im[lane]));
                    assert!((found - expected).norm() < 1e-4, "{length}, {x}");
                }
            }
        }
    }
}
