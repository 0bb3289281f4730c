//! Elementary functions of many lanes at a time: written so that the compiler turns a loop over them
//! into vector instructions.
//!
//! Sine and cosine: argument reduction by π/2 in three parts (Cody & Waite, Software Manual for the Elementary
//! Functions, 1980), then the minimax polynomials of Cephes (Moshier 1989), as are the exponential and the logarithm. Only
//! multiplications and additions without contraction, so that the bits are the same on every
//! processor.

use pulp::Arch;

/// Multiply-adds that an elementary function, a root or a division counts as: the length of its polynomial
/// and of its argument reduction.
pub(crate) const MULTIPLY_ADDS: u64 = 10;

/// Runs `work` with the processor's widest vectors; only loops that are inlined into it use them.
pub fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(work)
}

/// Adding 1.5 · 2²³ rounds to the nearest whole number and leaves it in the low bits.
const ROUND: f32 = 12_582_912.0;
/// π/2 in three parts, of which the first two have few digits.
const HALF_PI: [f32; 3] = [1.570_312_5, 4.837_513e-4, 7.549_79e-8];

/// sin x alone; absolute error below 1.2 × 10⁻⁷ for |x| ≤ 1000. Reduced by π it needs one polynomial where
/// [`sin_cos`] needs two; its coefficients are the minimax ones on that interval (Lawson's algorithm).
#[inline(always)]
pub(crate) fn sin(x: f32) -> f32 {
    let rounded = x * std::f32::consts::FRAC_1_PI + ROUND;
    let count = 2.0 * (rounded - ROUND);
    let r = ((x - count * HALF_PI[0]) - count * HALF_PI[1]) - count * HALF_PI[2];
    let z = r * r;
    let series = ((2.599_751_5e-6 * z - 1.980_648e-4) * z + 8.333_015e-3) * z - 1.666_665_7e-1;
    let sine = series * z * r + r;
    f32::from_bits(sine.to_bits() ^ (rounded.to_bits() << 31))
}

/// (sin x, cos x); absolute error below 1.2 × 10⁻⁷ for |x| ≤ 1000.
#[inline(always)]
pub(crate) fn sin_cos(x: f32) -> (f32, f32) {
    let rounded = x * std::f32::consts::FRAC_2_PI + ROUND;
    let quadrant = rounded.to_bits();
    let count = rounded - ROUND;
    let r = ((x - count * HALF_PI[0]) - count * HALF_PI[1]) - count * HALF_PI[2];
    let z = r * r;
    let sine = ((-1.951_529_6e-4 * z + 8.332_161e-3) * z - 1.666_665_5e-1) * z * r + r;
    let cosine =
        ((2.443_315_7e-5 * z - 1.388_731_6e-3) * z + 4.166_664_6e-2) * z * z - 0.5 * z + 1.0;
    let (first, second) = if quadrant & 1 == 1 { (cosine, sine) } else { (sine, cosine) };
    let (sign, next_sign) = ((quadrant & 2) << 30, ((quadrant + 1) & 2) << 30);
    (f32::from_bits(first.to_bits() ^ sign), f32::from_bits(second.to_bits() ^ next_sign))
}

/// eˣ for −87 ≤ x ≤ 88, with x clamped to that range; relative error below 2 × 10⁻⁷.
#[inline(always)]
fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let power = rounded - ROUND;
    let r = (x - power * 0.693_359_4) + power * 2.121_944_4e-4;
    let series =
        ((((1.987_569_1e-4 * r + 1.398_199_9e-3) * r + 8.333_452e-3) * r + 4.166_579_6e-2) * r
            + 1.666_666_5e-1)
            * r
            + 0.5;
    let scale = f32::from_bits(rounded.to_bits().wrapping_add(127) << 23);
    (series * r * r + r + 1.0) * scale
}

/// ln x for a normal x > 0; relative error below 2 × 10⁻⁷ but near 1, where the absolute one is below 10⁻⁷.
#[inline(always)]
pub(crate) fn ln(x: f32) -> f32 {
    // x = m 2ᵉ with m from √½ to √2.
    let bits = x.to_bits();
    let exponent = bits.wrapping_sub(0x3f35_04f3) as i32 >> 23;
    let m = f32::from_bits(bits.wrapping_sub((exponent << 23) as u32));
    let (z, e) = (m - 1.0, exponent as f32);
    let square = z * z;
    let series = (((((((7.037_683_6e-2 * z - 1.151_461e-1) * z + 1.167_699_9e-1) * z
        - 1.242_014_1e-1)
        * z
        + 1.424_932_3e-1)
        * z
        - 1.666_805_8e-1)
        * z
        + 2.000_071_4e-1)
        * z
        - 2.499_999_4e-1)
        * z
        + 3.333_333e-1;
    let rest = series * square * z - e * 2.121_944_4e-4 - 0.5 * square;
    (z + rest) + e * 0.693_359_4
}

/// ln(1 + eˣ) and its slope 1 / (1 + e⁻ˣ); relative error below 10⁻⁶.
#[inline(always)]
pub(crate) fn soft_plus(x: f32) -> (f32, f32) {
    let small = exp(-x.abs());
    // ln(1 + u) = 2 artanh(u / (2 + u)), with an argument up to a third.
    let z = small / (2.0 + small);
    let w = z * z;
    let series = ((((w / 11.0 + 1.0 / 9.0) * w + 1.0 / 7.0) * w + 0.2) * w + 1.0 / 3.0) * w + 1.0;
    let slope = 1.0 / (1.0 + small);
    (x.max(0.0) + 2.0 * z * series, if x >= 0.0 { slope } else { small * slope })
}

/// Replaces each of `values` by its hyperbolic tangent; relative error below 3 · 10⁻⁷. About zero the
/// polynomial of Cephes, elsewhere (1 − e⁻²ˣ) / (1 + e⁻²ˣ).
pub fn tanh(values: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || {
            for x in values {
                let z = *x * *x;
                let series = (((-5.704_988_7e-3 * z + 2.063_908_8e-2) * z - 5.373_971_6e-2) * z
                    + 1.333_144_2e-1)
                    * z
                    - 3.333_328e-1;
                let small = exp(-2.0 * x.abs());
                let far = ((1.0 - small) / (1.0 + small)).copysign(*x);
                *x = if x.abs() < 0.625 { series * z * *x + *x } else { far };
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_within_their_stated_error() {
        let points = (1..20_000).map(|i| (i as f32 * 1.7e-3).exp2() * 1e-9);
        for x in points.chain((1..20_000).map(|i| 1.0 + (i as f32 - 1e4) * 2e-5)) {
            let exact = f64::from(x).ln();
            let error = (f64::from(ln(x)) - exact).abs();
            assert!(error <= f64::max(2e-7 * exact.abs(), 1e-7), "{x}: {error}");
        }
    }

    #[test]
    fn hyperbolic_tangents_are_within_their_stated_error() {
        let points: Vec<f32> = (-20_000..20_000).map(|i| i as f32 * 6.1e-4).collect();
        let mut values = points.clone();
        tanh(&mut values);
        for (x, value) in points.iter().zip(values) {
            let exact = f64::from(*x).tanh();
            assert!((f64::from(value) - exact).abs() <= 3e-7 * exact.abs(), "{x}: {value} {exact}");
        }
        let mut ends = [f32::NEG_INFINITY, -100.0, -0.0, f32::INFINITY, f32::NAN];
        tanh(&mut ends);
        assert_eq!(ends[..4], [-1.0, -1.0, -0.0, 1.0]);
        assert!(ends[4].is_nan());
    }

    #[test]
    fn sine_and_cosine_are_within_their_stated_error() {
        let angles: Vec<f32> = (-200_000..200_000).map(|i| i as f32 * 5e-3).collect();
        let worst = vectorised(
            #[inline(always)]
            || {
                angles.iter().fold(0.0f64, |worst, &x| {
                    let (sine, cosine) = sin_cos(x);
                    let exact = f64::from(x);
                    worst
                        .max((f64::from(sine) - exact.sin()).abs())
                        .max((f64::from(sin(x)) - exact.sin()).abs())
                        .max((f64::from(cosine) - exact.cos()).abs())
                })
            },
        );
        assert!(worst < 1.2e-7, "{worst:e}");
    }

    #[test]
    fn soft_plus_and_its_slope_are_within_their_stated_error() {
        for x in (-8000..8000).map(|i| i as f32 * 0.01) {
            let (value, slope) = soft_plus(x);
            let exact = f64::from(x);
            let (plus, logistic) = (exact.exp().ln_1p(), 1.0 / (1.0 + (-exact).exp()));
            assert!((f64::from(value) / plus - 1.0).abs() < 1e-6, "{x}: {value} {plus}");
            assert!((f64::from(slope) / logistic - 1.0).abs() < 1e-6, "{x}: {slope} {logistic}");
        }
    }
}
