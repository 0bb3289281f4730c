//! Fourier transforms of lines of complex amplitudes, sixteen shots at a time.
//!
//! Decimation in frequency forward and in time back (Cooley & Tukey, Math. Comput. 19, 297, 1965; Gentleman & Sande, AFIPS
//! Conf. Proc. 29, 563, 1966), in steps of four: a spectrum is in the order of reversed bits, so that nothing is sorted.

use std::f64::consts::TAU;

use pulp::Simd;
use rustfft::num_complex::{Complex32, Complex64};

use super::wave::{Vector, Wave, parts};

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
    pub fn forward<S: Simd>(&self, simd: S, line: &mut [Wave]) {
        let mut length = line.len();
        while length >= 4 {
            for part in line.chunks_exact_mut(length) {
                self.each_four(
                    part,
                    #[inline(always)]
                    |vectors, turns| apart(simd, vectors, turns),
                );
            }
            length /= 4;
        }
        if length == 2 {
            pairs(simd, line);
        }
    }

    /// n times the line whose spectrum `line` is.
    #[inline(always)]
    pub fn back<S: Simd>(&self, simd: S, line: &mut [Wave]) {
        let mut length = 4;
        if line.len().trailing_zeros() % 2 == 1 {
            pairs(simd, line);
            length = 8;
        }
        while length <= line.len() {
            for part in line.chunks_exact_mut(length) {
                self.each_four(
                    part,
                    #[inline(always)]
                    |vectors, turns| together(simd, vectors, turns),
                );
            }
            length *= 4;
        }
    }

    /// [`forward`](Self::forward) of a `column` of a `field` of as many columns as the line has points, four or more, into
    /// `line`.
    #[inline(always)]
    pub fn forward_of<S: Simd>(&self, simd: S, field: &[Wave], column: usize, line: &mut [Wave]) {
        let (side, quarter) = (line.len(), line.len() / 4);
        for j in 0..quarter {
            let turns = self.turns_of(j, side);
            for part in 0..parts::<S>() {
                let from = |place: usize| &field[(j + place * quarter) * side + column];
                let (x, y) = (from(0).load::<S>(part), from(1).load::<S>(part));
                let (z, w) = (from(2).load::<S>(part), from(3).load::<S>(part));
                let [a, b, c, d] = apart(simd, [x, y, z, w], turns);
                line[j].store(part, a);
                line[j + quarter].store(part, b);
                line[j + 2 * quarter].store(part, c);
                line[j + 3 * quarter].store(part, d);
            }
        }
        for part in line.chunks_exact_mut(quarter) {
            self.forward(simd, part);
        }
    }

    /// [`back`](Self::back) of `line`, which it changes, into a `column` of a `field`.
    #[inline(always)]
    pub fn back_to<S: Simd>(&self, simd: S, line: &mut [Wave], field: &mut [Wave], column: usize) {
        let (side, quarter) = (line.len(), line.len() / 4);
        for part in line.chunks_exact_mut(quarter) {
            self.back(simd, part);
        }
        for j in 0..quarter {
            let turns = self.turns_of(j, side);
            for part in 0..parts::<S>() {
                let (x, y) = (line[j].load::<S>(part), line[j + quarter].load::<S>(part));
                let z = line[j + 2 * quarter].load::<S>(part);
                let w = line[j + 3 * quarter].load::<S>(part);
                let [a, b, c, d] = together(simd, [x, y, z, w], turns);
                field[j * side + column].store(part, a);
                field[(j + quarter) * side + column].store(part, b);
                field[(j + 2 * quarter) * side + column].store(part, c);
                field[(j + 3 * quarter) * side + column].store(part, d);
            }
        }
    }

    /// w, w² and w³ of the waves `j` of the quarters of a line of `length` points; none where they are 1.
    #[inline(always)]
    fn turns_of(&self, j: usize, length: usize) -> Option<[Complex32; 3]> {
        let place = j * (self.turns.len() / length);
        let turns = [self.turns[place], self.turns[2 * place], self.turns[3 * place]];
        if j > 0 { Some(turns) } else { None }
    }

    /// Replaces every four waves of a line that a step of four mixes by what `mix` makes of them.
    #[inline(always)]
    fn each_four<S: Simd>(
        &self,
        line: &mut [Wave],
        mix: impl Fn([Vector<S>; 4], Option<[Complex32; 3]>) -> [Vector<S>; 4],
    ) {
        let length = line.len();
        let [first, second, third, fourth] = quarters(line);
        let waves = first.iter_mut().zip(second).zip(third.iter_mut().zip(fourth));
        for (j, ((a, b), (c, d))) in waves.enumerate() {
            let turns = self.turns_of(j, length);
            for part in 0..parts::<S>() {
                let (x, y) = (a.load(part), b.load(part));
                let (z, w) = (c.load(part), d.load(part));
                let [x, y, z, w] = mix([x, y, z, w], turns);
                a.store(part, x);
                b.store(part, y);
                c.store(part, z);
                d.store(part, w);
            }
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
fn apart<S: Simd>(
    simd: S,
    [a, b, c, d]: [Vector<S>; 4],
    turns: Option<[Complex32; 3]>,
) -> [Vector<S>; 4] {
    let (sum, gap) = (a.plus(simd, c), a.minus(simd, c));
    let (odd, side) = (b.plus(simd, d), b.minus(simd, d));
    let mixed = [gap.minus_i(simd, side), sum.minus(simd, odd), gap.plus_i(simd, side)];
    let [one, two, three] = turned(simd, mixed, turns);
    [sum.plus(simd, odd), two, one, three]
}

/// The inverse of [`apart`], times four.
#[inline(always)]
fn together<S: Simd>(
    simd: S,
    [a, b, c, d]: [Vector<S>; 4],
    turns: Option<[Complex32; 3]>,
) -> [Vector<S>; 4] {
    let turns = turns.map(|[w1, w2, w3]| [w1.conj(), w2.conj(), w3.conj()]);
    let [c, b, d] = turned(simd, [c, b, d], turns);
    let (sum, odd) = (a.plus(simd, b), a.minus(simd, b));
    let (gap, side) = (c.plus(simd, d), c.minus(simd, d));
    [sum.plus(simd, gap), odd.plus_i(simd, side), sum.minus(simd, gap), odd.minus_i(simd, side)]
}

/// `vectors` times `turns`.
#[inline(always)]
fn turned<S: Simd>(
    simd: S,
    vectors: [Vector<S>; 3],
    turns: Option<[Complex32; 3]>,
) -> [Vector<S>; 3] {
    let (Some([w1, w2, w3]), [one, two, three]) = (turns, vectors) else { return vectors };
    [one.times(simd, w1), two.times(simd, w2), three.times(simd, w3)]
}

/// Sums and differences of neighbours.
#[inline(always)]
fn pairs<S: Simd>(simd: S, line: &mut [Wave]) {
    for pair in line.chunks_exact_mut(2) {
        let [a, b] = pair else { continue };
        for part in 0..parts::<S>() {
            let (x, y) = (a.load::<S>(part), b.load::<S>(part));
            a.store(part, x.plus(simd, y));
            b.store(part, x.minus(simd, y));
        }
    }
}

#[cfg(test)]
mod tests {
    use pulp::{Arch, Scalar, WithSimd};

    use super::*;
    use crate::lanes::LANES;

    /// Transforms by the processor's widest vectors and by none.
    fn transform(transforms: &Fourier, line: &mut [Wave], forward: bool) {
        struct Transform<'a>(&'a Fourier, &'a mut [Wave], bool);
        impl WithSimd for Transform<'_> {
            type Output = ();

            #[inline(always)]
            fn with_simd<S: Simd>(self, simd: S) {
                let Self(transforms, line, forward) = self;
                if forward { transforms.forward(simd, line) } else { transforms.back(simd, line) }
            }
        }
        let mut plain = line.to_vec();
        Scalar::new().vectorize(Transform(transforms, &mut plain, forward));
        Arch::new().dispatch(Transform(transforms, line, forward));
        // The same bits on every processor.
        let same = |(wave, plain): (&Wave, &Wave)| wave.re == plain.re && wave.im == plain.im;
        assert!(line.iter().zip(&plain).all(same));
    }

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
            transform(&transforms, &mut line, true);
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
            transform(&transforms, &mut line, false);
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
