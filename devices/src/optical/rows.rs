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
        let [mut upper, mut lower, mut re, mut im] = sums.map(total);
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

/// Columns that are one vector.
const LANES: usize = 16;

/// [`Rows::pull_back`] of some columns: the real and imaginary parts of the upper and the lower row's cotangents, and of
/// the fields. What they say is added to `sums`: Im p a*, Im q b* and p b* − (q a*)*.
#[inline(always)]
fn pull_back_lanes<const N: usize>(
    [p_re, p_im, q_re, q_im]: [&mut [f32; N]; 4],
    [a_re, a_im, b_re, b_im]: [&mut [f32; N]; 4],
    inverse: &Two,
    adjoint: &Two,
    sums: &mut [[f32; N]; 4],
) {
    // Copies, so that the compiler knows that no row is another.
    let (pr, pi, qr, qi) = (*p_re, *p_im, *q_re, *q_im);
    let (ar, ai, br, bi) = (*a_re, *a_im, *b_re, *b_im);
    for lane in 0..N {
        let (p, q) = (Complex32::new(pr[lane], pi[lane]), Complex32::new(qr[lane], qi[lane]));
        let (a, b) = (Complex32::new(ar[lane], ai[lane]), Complex32::new(br[lane], bi[lane]));
        sums[0][lane] += p.im * a.re - p.re * a.im;
        sums[1][lane] += q.im * b.re - q.re * b.im;
        sums[2][lane] += p.re * b.re + p.im * b.im - q.re * a.re - q.im * a.im;
        sums[3][lane] += p.im * b.re - p.re * b.im + q.im * a.re - q.re * a.im;
    }
    mix_lanes([p_re, p_im, q_re, q_im], [&pr, &pi, &qr, &qi], adjoint);
    mix_lanes([a_re, a_im, b_re, b_im], [&ar, &ai, &br, &bi], inverse);
}

/// (a, b) ← T (a, b) of some columns, real and imaginary parts.
#[inline(always)]
fn mix_lanes<const N: usize>(
    [a_re, a_im, b_re, b_im]: [&mut [f32; N]; 4],
    [ar, ai, br, bi]: [&[f32; N]; 4],
    t: &Two,
) {
    for lane in 0..N {
        let (a, b) = (Complex32::new(ar[lane], ai[lane]), Complex32::new(br[lane], bi[lane]));
        let (first, second) = (t[0] * a + t[1] * b, t[2] * a + t[3] * b);
        a_re[lane] = first.re;
        a_im[lane] = first.im;
        b_re[lane] = second.re;
        b_im[lane] = second.im;
    }
}

/// The sum of the lanes, two halves at a time.
#[inline(always)]
pub(super) fn total(lanes: [f32; LANES]) -> f32 {
    let halves: [f32; 8] = std::array::from_fn(|lane| lanes[lane] + lanes[lane + 8]);
    let quarters: [f32; 4] = std::array::from_fn(|lane| halves[lane] + halves[lane + 4]);
    (quarters[0] + quarters[2]) + (quarters[1] + quarters[3])
}

/// Derivatives of a function by the anti-Hermitian turn (i a, b; −b*, i d) of two rows: with the outer product S of their
/// cotangents and their conjugates, Im S₀₀ by a, Im S₁₁ by d, and S₀₁ − S₁₀* by b, so that dL = Re(b S*).
pub(super) struct Turns {
    pub upper: f32,
    pub lower: f32,
    pub across: Complex32,
}
