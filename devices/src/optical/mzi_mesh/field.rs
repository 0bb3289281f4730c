//! The field on the modes, one row a mode, for several inputs at once.

use nalgebra::DMatrix;
use rustfft::num_complex::Complex32;

/// A complex matrix `[width × width]`, row by row.
#[derive(Clone)]
pub(super) struct Field {
    pub real: Vec<f32>,
    pub imaginary: Vec<f32>,
    pub width: usize,
}

impl Field {
    pub fn identity(width: usize) -> Self {
        let mut real = vec![0.0; width * width];
        (0..width).for_each(|place| real[place * (width + 1)] = 1.0);
        Self { real, imaginary: vec![0.0; width * width], width }
    }

    /// Rows (i, i + 1) ← T rows (i, i + 1).
    #[inline(always)]
    pub fn mix(&mut self, i: usize, t: &[Complex32; 4]) {
        let width = self.width;
        let rows = i * width..(i + 2) * width;
        let (a_re, b_re) = self.real[rows.clone()].split_at_mut(width);
        let (a_im, b_im) = self.imaginary[rows].split_at_mut(width);
        for ((a_re, a_im), (b_re, b_im)) in a_re.iter_mut().zip(a_im).zip(b_re.iter_mut().zip(b_im))
        {
            let (a, b) = (Complex32::new(*a_re, *a_im), Complex32::new(*b_re, *b_im));
            let (first, second) = (t[0] * a + t[1] * b, t[2] * a + t[3] * b);
            (*a_re, *a_im, *b_re, *b_im) = (first.re, first.im, second.re, second.im);
        }
    }

    /// Outer product of rows (i, i + 1) of this field with the conjugated rows of `other`, summed over the
    /// columns.
    pub fn overlap(&self, i: usize, other: &Self) -> [Complex32; 4] {
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

    /// The same as two matrices.
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
