//! A mask: phases of pixels, blurred by their neighbours.

use rustfft::num_complex::Complex32;

use crate::elementary::{sin_cos, vectorised};

/// φ = θ + κ L θ + δ of a mask of `side` pixels a row.
pub(super) fn phases(theta: &[f32], errors: &[f32], crosstalk: f32, side: usize) -> Vec<f32> {
    let mut phases = differences(theta, side);
    for ((phase, theta), error) in phases.iter_mut().zip(theta).zip(errors) {
        *phase = theta + crosstalk * *phase + error;
    }
    phases
}

/// e^{iφ}.
pub(super) fn turns(phases: &[f32]) -> Vec<Complex32> {
    let mut turns = vec![Complex32::default(); phases.len()];
    vectorised(
        #[inline(always)]
        || {
            for (turn, phase) in turns.iter_mut().zip(phases) {
                (turn.im, turn.re) = sin_cos(*phase);
            }
        },
    );
    turns
}

/// L θ: the sum of the differences from each pixel to its neighbours, two to four; symmetric, so its own adjoint.
pub(super) fn differences(theta: &[f32], side: usize) -> Vec<f32> {
    let mut sums = vec![0.0; theta.len()];
    let mut join = |one: usize, other: usize| {
        let difference = theta[other] - theta[one];
        sums[one] += difference;
        sums[other] -= difference;
    };
    for pixel in 0..theta.len() {
        if !(pixel + 1).is_multiple_of(side) {
            join(pixel, pixel + 1);
        }
        if pixel + side < theta.len() {
            join(pixel, pixel + side);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_leak_to_the_neighbours_and_none_is_lost() {
        let mut theta = vec![0.0; 16];
        theta[5] = 1.0;
        let corner = phases(&theta, &[0.0; 16], 0.1, 4);
        for (pixel, phase) in corner.iter().enumerate() {
            let expected = match pixel {
                5 => 0.6,
                1 | 4 | 6 | 9 => 0.1,
                _ => 0.0,
            };
            assert!((phase - expected).abs() < 1e-7, "{pixel}: {phase}");
        }
        theta[0] = 1.0;
        let both = phases(&theta, &[0.0; 16], 0.1, 4);
        assert!((both.iter().sum::<f32>() - 2.0).abs() < 1e-6);
        assert!((both[0] - 0.8).abs() < 1e-6, "{}", both[0]);
    }
}
