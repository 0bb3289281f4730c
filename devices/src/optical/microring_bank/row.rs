//! A row of rings on one bus: the weight of every channel, and its adjoint by the rings' resonances.
//!
//! With t and d the through and drop transmissions of the rings that channel k passes, n = 0 … N − 1,
//!
//! ```text
//! w_k = Σ_n (Π_{i<n} t_ik) d_nk − Π_n t_nk = S_0k        S_nk = d_nk + t_nk S_{n+1,k}        S_N = −1
//! ```
//!
//! so that ∂w_k/∂d_nk = Π_{i<n} t_ik and ∂w_k/∂t_nk is that times S_{n+1,k}.

use super::ring::{Microring, Transmission};
use crate::elementary::vectorised;

/// Channels that are one vector.
const LANES: usize = 16;

/// A row's rings, all alike, on channels of equal distance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub ring: Microring,
    /// Distance of two channels, in GHz.
    pub spacing: f32,
}

impl Row {
    /// Detuning of channel `k` from the ring `n`, which is `own` off its own channel.
    #[inline(always)]
    fn detuning(&self, k: usize, n: usize, own: f32) -> f32 {
        self.spacing * (k as f32 - n as f32) + own
    }

    /// Writes the weights `[N]` of rings that are off their own channels by `detunings`, in GHz.
    pub fn weights(&self, detunings: &[f32], weights: &mut [f32]) {
        vectorised(
            #[inline(always)]
            || {
                weights.fill(-1.0);
                for (n, &own) in detunings.iter().enumerate().rev() {
                    for (k, weight) in weights.iter_mut().enumerate() {
                        let Transmission { through, drop } =
                            self.ring.transmission(self.detuning(k, n, own));
                        *weight = drop + through * *weight;
                    }
                }
            },
        );
    }

    /// Writes the cotangents of `detunings` from those `of` the weights; `behind` is scratch, `[(N + 1) × N]`.
    pub fn pull_back(
        &self,
        detunings: &[f32],
        of: &[f32],
        of_detunings: &mut [f32],
        behind: &mut [f32],
    ) {
        let count = detunings.len();
        vectorised(
            #[inline(always)]
            || {
                behind[count * count..].fill(-1.0);
                for (n, &own) in detunings.iter().enumerate().rev() {
                    let (before, after) = behind.split_at_mut((n + 1) * count);
                    let states = before[n * count..].iter_mut().zip(&after[..count]);
                    for (k, (state, next)) in states.enumerate() {
                        let Transmission { through, drop } =
                            self.ring.transmission(self.detuning(k, n, own));
                        *state = drop + through * next;
                    }
                }
                // The first state is not needed any more: it holds Π t times the cotangent.
                let (arriving, behind) = behind.split_at_mut(count);
                arriving.copy_from_slice(of);
                for (n, (&own, of_own)) in detunings.iter().zip(of_detunings).enumerate() {
                    let states = &behind[n * count..][..count];
                    let mut sums = [0.0f32; LANES];
                    let (blocks, rest) = arriving.as_chunks_mut::<LANES>();
                    let (state_blocks, state_rest) = states.as_chunks::<LANES>();
                    for (block, (arriving, states)) in
                        blocks.iter_mut().zip(state_blocks).enumerate()
                    {
                        for lane in 0..LANES {
                            let detuning = self.detuning(block * LANES + lane, n, own);
                            let (at, slope) = self.ring.with_slopes(detuning);
                            sums[lane] +=
                                arriving[lane] * (slope.drop + slope.through * states[lane]);
                            arriving[lane] *= at.through;
                        }
                    }
                    let mut sum: f32 = sums.iter().sum();
                    let first = count - rest.len();
                    for (k, (arriving, state)) in rest.iter_mut().zip(state_rest).enumerate() {
                        let (at, slope) = self.ring.with_slopes(self.detuning(first + k, n, own));
                        sum += *arriving * (slope.drop + slope.through * state);
                        *arriving *= at.through;
                    }
                    *of_own = sum;
                }
            },
        );
    }
}
