//! The field behind a mesh as matrices.

use nalgebra::DMatrix;
use rustfft::num_complex::Complex32;

use crate::optical::rows::{Rows, Two};

impl Rows {
    /// Outer product of rows (i, i + 1) with the conjugated rows of `other`, summed over the columns, one after the other.
    pub fn overlap_in_order(&self, i: usize, other: &Self) -> Two {
        let row = |field: &Self, row: usize| -> Vec<Complex32> {
            let place = row * field.width..(row + 1) * field.width;
            let values = field.real[place.clone()].iter().zip(&field.imaginary[place]);
            values.map(|(&re, &im)| Complex32::new(re, im)).collect()
        };
        let product = |left: usize, right: usize| -> Complex32 {
            row(self, left).iter().zip(row(other, right)).map(|(l, r)| l * r.conj()).sum()
        };
        [product(i, i), product(i, i + 1), product(i + 1, i), product(i + 1, i + 1)]
    }

    /// Its real and its imaginary part.
    pub fn matrices(&self) -> [DMatrix<f32>; 2] {
        [&self.real, &self.imaginary]
            .map(|part| DMatrix::from_row_slice(self.width, self.width, part))
    }

    /// The real part above the imaginary one, `[2 width × width]`, column by column.
    pub fn stacked(&self) -> Vec<f32> {
        let column = |part: &[f32], column: usize| -> Vec<f32> {
            part.iter().skip(column).step_by(self.width).copied().collect()
        };
        let both = |place| [column(&self.real, place), column(&self.imaginary, place)];
        (0..self.width).flat_map(both).flatten().collect()
    }
}
