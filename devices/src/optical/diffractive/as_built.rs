//! A network as constants, for a computation of its equation elsewhere.

use std::ops::Range;

use super::fourier::frequency;
use super::stack::Diffractive;

/// The constants of the equation of one copy; the masks' phases are parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct DiffractiveConstants<'a> {
    /// Side n of the grid in pixels.
    pub side: usize,
    /// Masks K.
    pub layers: usize,
    /// Frequency at each place of a line's spectrum, in cycles over n pixels.
    pub frequencies: Vec<f64>,
    /// H / n² of each of the K + 1 gaps, its real and its imaginary part: for each frequency across, in the order of
    /// `frequencies`, all frequencies down.
    pub transfers: Vec<[Vec<f32>; 2]>,
    /// κ.
    pub crosstalk: f32,
    /// δ of each pixel, mask by mask.
    pub phases: &'a [f32],
    /// Rows of the grid, and so columns, that each of m drives a side lights.
    pub modulator: Vec<Range<usize>>,
    /// Rows of the grid, and so columns, that each of c bins a side reads.
    pub camera: Vec<Range<usize>>,
    /// g.
    pub gain: f32,
    /// s of each bin, row by row.
    pub sensitivity: &'a [f32],
    /// Reading at which the camera saturates.
    pub full_scale: f32,
}

impl Diffractive {
    /// The constants of its equation.
    #[must_use]
    pub fn as_built(&self) -> DiffractiveConstants<'_> {
        let side = self.grid.side;
        let transfers = self.gaps.iter().map(|gap| {
            let (real, imaginary) = gap.transfer.iter().map(|z| (z.re, z.im)).unzip();
            [real, imaginary]
        });
        DiffractiveConstants {
            side,
            layers: self.layers,
            frequencies: (0..side).map(|place| frequency(place, side)).collect(),
            transfers: transfers.collect(),
            crosstalk: self.errors.crosstalk,
            phases: &self.errors.phases,
            modulator: self.modulator.all_places(),
            camera: self.camera.all_places(),
            gain: self.gain,
            sensitivity: &self.errors.sensitivity,
            full_scale: self.full_scale,
        }
    }
}
