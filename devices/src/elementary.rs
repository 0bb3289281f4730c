//! Sine and cosine over whole slices, many lanes at a time.
//!
//! Argument reduction by π/2 in three parts (Cody & Waite, Software Manual for the Elementary
//! Functions, 1980), then the minimax polynomials of Cephes (Moshier 1989). Absolute error below
//! 1.2 × 10⁻⁷ for |x| ≤ 1000; only multiplications and additions without contraction, so that the
//! bits are the same on every processor.

use pulp::Arch;

/// Runs `work` with the processor's widest vectors; loops inside must be inlined to profit.
pub(crate) fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(work)
}

/// (sin x, cos x).
#[inline(always)]
pub(crate) fn sin_cos(x: f32) -> (f32, f32) {
    // Adding 1.5 · 2²³ rounds to the nearest whole number and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const HALF_PI: [f32; 3] = [1.570_312_5, 4.837_513e-4, 7.549_79e-8];
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

#[cfg(test)]
mod tests {
    use super::*;

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
                        .max((f64::from(cosine) - exact.cos()).abs())
                })
            },
        );
        assert!(worst < 1.2e-7, "{worst:e}");
    }
}
