//! Light of all channels past the rings of one row, and back: sixteen channels at a time.
//!
//! ```text
//! w ← w + L_j (d − c w), from the last ring to the first        L = 1 / (1 + u²), u = Δ / r
//! ```
//!
//! where d is the share that a ring drops on resonance, c the share that it takes, and w at first what the light is
//! worth that has passed all rings: −1 for the weight.

use crate::lanes::{LANES, Lane, ZERO, total};

/// What a ring does to light, in half widths.
#[derive(Clone, Copy, Debug)]
pub(super) struct Response {
    /// d and c.
    pub dropped: f32,
    pub taken: f32,
    /// a / r.
    pub spacing: f32,
}

impl Response {
    /// The worth of light of each channel before the rings of a row with the detunings `detunings` of their own channels,
    /// where it is worth `passed` behind them. Where `behind` is not empty it gets the worth behind each ring, ring by
    /// ring of sixteen channels after the other.
    #[inline(always)]
    pub fn weigh(&self, detunings: &[f32], passed: f32, weights: &mut [f32], behind: &mut [Lane]) {
        let count = detunings.len();
        for (block, weights) in weights.chunks_mut(LANES).enumerate() {
            let mut worth = [passed; LANES];
            for ring in (0..count).rev() {
                if let Some(behind) = behind.get_mut(block * count + ring) {
                    *behind = worth;
                }
                // A reciprocal does not wait for the ring before, as a quotient would.
                let shares =
                    self.detuned(block, ring, detunings[ring]).map(|u| 1.0 / (1.0 + u * u));
                for (worth, share) in worth.iter_mut().zip(shares) {
                    *worth += share * (self.dropped - self.taken * *worth);
                }
            }
            weights.copy_from_slice(&worth[..weights.len()]);
        }
    }

    /// Cotangents of the detunings from those of the weights, with `behind` as `weigh` left it.
    #[inline(always)]
    pub fn pull_back(
        &self,
        detunings: &[f32],
        behind: &[Lane],
        of_weights: &[f32],
        of_detunings: &mut [f32],
    ) {
        let count = detunings.len();
        of_detunings.fill(0.0);
        for (block, of_weights) in of_weights.chunks(LANES).enumerate() {
            // The cotangent of the worth of light before a ring.
            let mut of_worth = ZERO;
            of_worth[..of_weights.len()].copy_from_slice(of_weights);
            for ring in 0..count {
                let u = self.detuned(block, ring, detunings[ring]);
                let behind = &behind[block * count + ring];
                let mut slopes = ZERO;
                for lane in 0..LANES {
                    let share = 1.0 / (1.0 + u[lane] * u[lane]);
                    let by_share = of_worth[lane] * (self.dropped - self.taken * behind[lane]);
                    slopes[lane] = -2.0 * u[lane] * share * share * by_share;
                    of_worth[lane] -= of_worth[lane] * self.taken * share;
                }
                of_detunings[ring] += total(&slopes);
            }
        }
    }

    /// u of the channels of a block from a ring.
    #[inline(always)]
    fn detuned(&self, block: usize, ring: usize, own: f32) -> Lane {
        let first = (block * LANES) as f32 - ring as f32;
        std::array::from_fn(|lane| own + self.spacing * (first + lane as f32))
    }
}
