//! The field on all modes for several inputs, mode by mode: what a mesh's interferometers mix.

use rustfft::num_complex::Complex32;

use crate::lanes::{LANES, total};

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

    /// What these cotangents of `fields` say about a turn of rows (i, i + 1), and both taken back through T: `fields` by
    /// `inverse`, these by `adjoint`. One pass over the rows.
    #[inline(always)]
    pub fn pull_back(
        &mut self,
        fields: &mut Self,
        i: usize,
        inverse: &Two,
        adjoint: &Two,
    ) -> Turns {
        let (width, rows) = (self.width, i * self.width..(i + 2) * self.width);
        let (p_re, q_re) = self.real[rows.clone()].split_at_mut(width);
        let (p_im, q_im) = self.imaginary[rows.clone()].split_at_mut(width);
        let (a_re, b_re) = fields.real[rows.clone()].split_at_mut(width);
        let (a_im, b_im) = fields.imaginary[rows].split_at_mut(width);
        let of_rows = [p_re, p_im, q_re, q_im, a_re, a_im, b_re, b_im];
        let [p_re, p_im, q_re, q_im, a_re, a_im, b_re, b_im] =
            of_rows.map(|row| row.as_chunks_mut::<LANES>());
        let mut sums = [[0.0f32; LANES]; 4];
        let pulls = p_re.0.iter_mut().zip(p_im.0).zip(q_re.0.iter_mut().zip(q_im.0));
        let of_fields = a_re.0.iter_mut().zip(a_im.0).zip(b_re.0.iter_mut().zip(b_im.0));
        for (((p_re, p_im), (q_re, q_im)), ((a_re, a_im), (b_re, b_im))) in pulls.zip(of_fields) {
            let (pull, field) = ([p_re, p_im, q_re, q_im], [a_re, a_im, b_re, b_im]);
            pull_back_lanes(pull, field, inverse, adjoint, &mut sums);
        }
        let [mut upper, mut lower, mut re, mut im] = sums.map(|sum| total(&sum));
        let pulls = p_re.1.iter_mut().zip(p_im.1).zip(q_re.1.iter_mut().zip(q_im.1));
        let of_fields = a_re.1.iter_mut().zip(a_im.1).zip(b_re.1.iter_mut().zip(b_im.1));
        for (((p_re, p_im), (q_re, q_im)), ((a_re, a_im), (b_re, b_im))) in pulls.zip(of_fields) {
            let one = std::array::from_mut::<f32>;
            let (pull, field) = ([p_re, p_im, q_re, q_im], [a_re, a_im, b_re, b_im]);
            let mut sums = [[0.0]; 4];
            pull_back_lanes(pull.map(one), field.map(one), inverse, adjoint, &mut sums);
            upper += sums[0][0];
            lower += sums[1][0];
            re += sums[2][0];
            im += sums[3][0];
        }
        Turns { upper, lower, across: Complex32::new(re, im) }
    }
}

/// [`Rows::pull_back`] of some columns: the real and imaginary parts of the upper and the lower row's cotangents, and of
/// the fields. What they say is added to `sums`: Im p a*, Im q b* and p b* − (q a*)*.
#[inline(always)]
fn pull_back_lanes<const N: usize>(
    pull: [&mut [f32; N]; 4],
    field: [&mut [f32; N]; 4],
    inverse: &Two,
    adjoint: &Two,
    sums: &mut [[f32; N]; 4],
) {
    // All values are read before the first is written, so that the compiler keeps them in registers.
    let [pr, pi, qr, qi] = pull.each_ref().map(|row| **row);
    let [ar, ai, br, bi] = field.each_ref().map(|row| **row);
    let mut more = [[0.0; N]; 4];
    for lane in 0..N {
        let (p, q) = (Complex32::new(pr[lane], pi[lane]), Complex32::new(qr[lane], qi[lane]));
        let (a, b) = (Complex32::new(ar[lane], ai[lane]), Complex32::new(br[lane], bi[lane]));
        more[0][lane] = sums[0][lane] + (p.im * a.re - p.re * a.im);
        more[1][lane] = sums[1][lane] + (q.im * b.re - q.re * b.im);
        more[2][lane] = sums[2][lane] + (p.re * b.re + p.im * b.im - q.re * a.re - q.im * a.im);
        more[3][lane] = sums[3][lane] + (p.im * b.re - p.re * b.im + q.im * a.re - q.re * a.im);
    }
    let pulls = mixed([pr, pi, qr, qi], adjoint);
    let fields = mixed([ar, ai, br, bi], inverse);
    *sums = more;
    write(pull, pulls);
    write(field, fields);
}

/// Row by row, not in a loop, which would keep the values on the stack.
#[inline(always)]
fn write<const N: usize>([a, b, c, d]: [&mut [f32; N]; 4], values: [[f32; N]; 4]) {
    [*a, *b, *c, *d] = values;
}

/// T (a, b) of some columns, real and imaginary parts.
#[inline(always)]
fn mixed<const N: usize>([ar, ai, br, bi]: [[f32; N]; 4], t: &Two) -> [[f32; N]; 4] {
    let mut mixed = [[0.0; N]; 4];
    for lane in 0..N {
        let (a, b) = (Complex32::new(ar[lane], ai[lane]), Complex32::new(br[lane], bi[lane]));
        let (first, second) = (t[0] * a + t[1] * b, t[2] * a + t[3] * b);
        mixed[0][lane] = first.re;
        mixed[1][lane] = first.im;
        mixed[2][lane] = second.re;
        mixed[3][lane] = second.im;
    }
    mixed
}

/// Derivatives of a function by the anti-Hermitian turn (i a, b; −b*, i d) of two rows: with the outer product S of their
/// cotangents and their conjugates, Im S₀₀ by a, Im S₁₁ by d, and S₀₁ − S₁₀* by b, so that dL = Re(b S*).
pub(super) struct Turns {
    pub upper: f32,
    pub lower: f32,
    pub across: Complex32,
}
