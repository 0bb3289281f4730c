//! The field on all modes for several inputs, mode by mode: what a mesh's interferometers mix.

use rustfft::num_complex::Complex32;

/// A complex matrix `[modes × width]`, row by row, its real and its imaginary part apart.
#[derive(Clone)]
pub(super) struct Rows {
    pub real: Vec<f32>,
    pub imaginary: Vec<f32>,
    pub width: usize,
}

/// A 2 × 2 matrix (t₀ t₁; t₂ t₃).
pub(super) type Two = [Complex32; 4];

impl Rows {
    /// All zero.
    pub fn zeros(modes: usize, width: usize) -> Self {
        Self { real: vec![0.0; modes * width], imaginary: vec![0.0; modes * width], width }
    }

    /// The identity of `modes` modes.
    pub fn identity(modes: usize) -> Self {
        let mut rows = Self::zeros(modes, modes);
        (0..modes).for_each(|place| rows.real[place * (modes + 1)] = 1.0);
        rows
    }

    /// Rows (i, i + 1) ← T rows (i, i + 1).
    #[inline(always)]
    pub fn mix(&mut self, i: usize, t: &Two) {
        let (width, rows) = (self.width, i * self.width..(i + 2) * self.width);
        let (a_re, b_re) = self.real[rows.clone()].split_at_mut(width);
        let (a_im, b_im) = self.imaginary[rows].split_at_mut(width);
        for ((a_re, a_im), (b_re, b_im)) in a_re.iter_mut().zip(a_im).zip(b_re.iter_mut().zip(b_im))
        {
            let (a, b) = (Complex32::new(*a_re, *a_im), Complex32::new(*b_re, *b_im));
            let (first, second) = (t[0] * a + t[1] * b, t[2] * a + t[3] * b);
            (*a_re, *a_im, *b_re, *b_im) = (first.re, first.im, second.re, second.im);
        }
    }

    /// Row i ← i or −i times row i: a quarter of a turn forward, or back.
    #[inline(always)]
    pub fn turn(&mut self, i: usize, forward: bool) {
        let row = i * self.width..(i + 1) * self.width;
        let sign = if forward { 1.0 } else { -1.0 };
        for (re, im) in self.real[row.clone()].iter_mut().zip(&mut self.imaginary[row]) {
            (*re, *im) = (-sign * *im, sign * *re);
        }
    }

    /// Outer product of rows (i, i + 1) with the conjugated rows of `other`, summed over the columns.
    #[inline(always)]
    pub fn overlap(&self, i: usize, other: &Self) -> Two {
        [(i, i), (i, i + 1), (i + 1, i), (i + 1, i + 1)].map(|(left, right)| {
            let width = self.width;
            let (left, right) =
                (left * width..(left + 1) * width, right * width..(right + 1) * width);
            let parts = self.real[left.clone()].iter().zip(&self.imaginary[left]);
            let others = other.real[right.clone()].iter().zip(&other.imaginary[right]);
            // Sums of sixteen columns at a time, which are one vector.
            let mut sums = [[0.0f32; 16]; 2];
            for (place, ((lr, li), (rr, ri))) in parts.zip(others).enumerate() {
                sums[0][place % 16] += lr * rr + li * ri;
                sums[1][place % 16] += li * rr - lr * ri;
            }
            let [re, im] = sums.map(|sums| sums.iter().sum());
            Complex32::new(re, im)
        })
    }
}
