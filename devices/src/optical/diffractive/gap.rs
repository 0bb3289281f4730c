//! A gap: free space between two planes, by the angular spectrum of the field.
//!
//! ```text
//! u' = F⁻¹ H F u        H(f) = exp(i 2π [z (√(1/λ² − |f|²) − 1/λ) + p f · d])
//! ```
//!
//! (Goodman, Introduction to Fourier Optics, 3rd edition, eq. 3-74.) f are the frequencies of the grid, z is the length of the gap,
//! and d how far in pixels the plane behind it is displaced from the one before it. The phase 2πz/λ, common to all light, is
//! left out. Waves with |f| > 1/λ decay.

use std::f64::consts::TAU;

use pulp::Simd;
use rustfft::num_complex::{Complex32, Complex64};

use super::fourier::{Fourier, frequency};
use super::wave::{Vector, Wave, parts, subtract_scaled};
use crate::lanes::{Lane, ZERO, total};

/// The grid of the fields.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    /// n.
    pub side: usize,
    /// p and λ, in µm.
    pub pitch: f64,
    pub wavelength: f64,
    pub fourier: Fourier,
}

/// A gap at its true length and displacement.
#[derive(Clone, Debug)]
pub(super) struct Gap {
    /// H / n², column by column of a spectrum.
    pub transfer: Vec<Complex32>,
}

/// Derivatives of a function by what a gap has of its own.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OfGap {
    /// By the length in units of p²/λ.
    pub depth: f32,
    /// By d, in pixels.
    pub across: f32,
    pub down: f32,
}

impl Grid {
    /// p²/λ, in µm.
    pub fn depth(&self) -> f64 {
        self.pitch.powi(2) / self.wavelength
    }

    /// √(1/λ² − |f|²) − 1/λ of each wave, column by column of a spectrum, in cycles over p²/λ; what decays is imaginary.
    pub fn waves(&self) -> Vec<Complex64> {
        let (side, whole) = (self.side, self.wavelength.recip());
        let frequencies: Vec<f64> =
            (0..side).map(|place| frequency(place, side) / (side as f64 * self.pitch)).collect();
        let pairs = frequencies.iter().flat_map(|x| frequencies.iter().map(move |y| (x, y)));
        pairs
            .map(|(x, y)| {
                let squares = x * x + y * y;
                let rest = whole * whole - squares;
                let along = if rest >= 0.0 {
                    // The difference without cancellation.
                    Complex64::new(-squares / (rest.sqrt() + whole), 0.0)
                } else {
                    Complex64::new(-whole, (-rest).sqrt())
                };
                along * self.depth()
            })
            .collect()
    }

    /// A gap of `depth` in units of p²/λ, displaced by `across` and `down` pixels; `waves` are those of the grid.
    pub fn gap(&self, waves: &[Complex64], depth: f64, across: f64, down: f64) -> Gap {
        let (side, share) = (self.side as f64, (self.side as f64).powi(-2));
        let displaced = |place: usize, by: f64| by * frequency(place, self.side) / side;
        let [columns, rows]: [Vec<f64>; 2] =
            [across, down].map(|by| (0..self.side).map(|place| displaced(place, by)).collect());
        let turned = columns.iter().flat_map(|x| rows.iter().map(move |y| x + y));
        let transfer = waves.iter().zip(turned).map(|(along, turned)| {
            let z = share * (Complex64::i() * TAU * (depth * along + turned)).exp();
            Complex32::new(z.re as f32, z.im as f32)
        });
        Gap { transfer: transfer.collect() }
    }

    /// Takes `field`, whose rows are spectra, through `gap`, or a cotangent `backward`; `line` is scratch, of a column.
    #[inline(always)]
    pub fn cross<S: Simd>(
        &self,
        simd: S,
        gap: &Gap,
        backward: bool,
        field: &mut [Wave],
        line: &mut [Wave],
    ) {
        let side = self.side;
        for (column, transfer) in gap.transfer.chunks_exact(side).enumerate() {
            self.fourier.forward_of(simd, field, column, line);
            for (wave, z) in line.iter_mut().zip(transfer) {
                wave.turn(simd, if backward { z.conj() } else { *z });
            }
            self.fourier.back_to(simd, line, field, column);
        }
    }

    /// Derivatives along a gap from the `field` behind it and its cotangent `of`, both with spectra as rows; `waves` are
    /// those of the grid in single precision.
    #[inline(always)]
    pub fn slopes<S: Simd>(
        &self,
        simd: S,
        waves: &[Complex32],
        field: &[Wave],
        of: &[Wave],
        [line, of_line]: [&mut [Wave]; 2],
    ) -> OfGap {
        let side = self.side;
        let mut sums: [Lane; 3] = [ZERO; 3];
        for (column, waves) in waves.chunks_exact(side).enumerate() {
            self.fourier.forward_of(simd, field, column, line);
            self.fourier.forward_of(simd, of, column, of_line);
            let across = frequency(column, side) as f32;
            for (row, along) in waves.iter().enumerate() {
                let down = frequency(row, side) as f32;
                let (u, g) = (&line[row], &of_line[row]);
                let [of_depth, of_across, of_down] = &mut sums;
                for part in 0..parts::<S>() {
                    // i times the wave's cycles is wanted of it.
                    let Vector { re, im } = g.conjugate_times(simd, u, part);
                    subtract_scaled(simd, of_depth, part, along.re, im);
                    subtract_scaled(simd, of_depth, part, along.im, re);
                    subtract_scaled(simd, of_across, part, across, im);
                    subtract_scaled(simd, of_down, part, down, im);
                }
            }
        }
        let share = TAU as f32 / (side * side) as f32;
        let [depth, across, down] = sums.map(|sum| share * total(&sum));
        OfGap { depth, across: across / side as f32, down: down / side as f32 }
    }
}
