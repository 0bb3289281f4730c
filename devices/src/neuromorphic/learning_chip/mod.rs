//! A spiking chip that learns: layers of integrate-and-fire neurons, and on the same chip their error neurons.
//!
//! A shot has T ticks. In the first phase the chip answers; in the second its error neurons nudge the answer towards
//! the target. What a synapse learns from are the spikes that its two neurons count in both phases: the rule `emstdp` of
//! the crate `twinprop`. At every tick t, in this order:
//!
//! ```text
//! u_l += W_lᵀ s_(l−1)[t−1]     s_l[t] = (u_l ≥ ν_l)     u_l := 0 where s_l[t] = 1, else max(u_l, u_min)
//! s_0[t] = (x > draw[t])
//! from tick t_w + 1 on:
//! Δ += 1 where y = 1 and s_L[t−1] = 0     Δ −= 1 where y = −1 and s_L[t−1] = 1
//! D_l += E_lᵀ σ_(l+1)[t−1]                               (direct feedback: σ_L)
//! σ_L[t] = ±1 where ±Δ ≥ ε, and Δ := 0 there
//! σ_l[t] = ±1 where ±D_l ≥ φ_l, and D_l := 0 there; 0 where s_l was silent in the ticks 0 … t_w − 1 (not direct)
//! u_l += q_l σ_l[t−1]
//! ν_l = c_h √(3 n_(l−1)) / 2 / (L − l + 1) for l < L     ν_L = c_o √(3 n_(L−1)) / 2
//! φ_l = c_e m √(3 / f) / 2 / (l + 1)
//! ```
//!
//! | symbol | meaning | unit |
//! |---|---|---|
//! | x | drive of an input line: the share of ticks in which it spikes, times the largest input | 1 |
//! | y | target of an output neuron: 1 fires, −1 is silent, 0 is not nudged | 1 |
//! | W_l | trained weights of layer l, `[n_(l−1), n_l]` in this order, −1 to 1 | 1 |
//! | s_l, u_l, n_l | spikes, potentials, number of neurons of layer l, from the lines (0) to the output (L) | 1 |
//! | ν_l, q_l | threshold, charge of an error spike: the threshold as designed, so that it makes or cancels one spike | 1 |
//! | u_min | lowest potential, if the chip has one | 1 |
//! | σ_l, D_l, Δ | error spikes, potentials of error neurons and of loss neurons | 1 |
//! | ε, φ_l | thresholds of loss neurons and error neurons | 1 |
//! | c_h, c_o, c_e | factors of the thresholds | 1 |
//! | E_l | feedback `[n_(l+1), n_l]`: W_(l+1) transposed, or fixed random values within ±1/√n_(l+1); direct: n_L for n_(l+1) | 1 |
//! | m, f | n_(l+1) and n_l; random: both n_(l+1); direct: both n_L | 1 |
//! | t_w | ticks of a phase, T/2 − 1 | 1 |
//!
//! All lines compare their drives with one uniform draw a tick. Readings are counts of spikes: in phase 1, the ticks
//! 2 … t_w + 1, of lines and neurons; in phase 2, the ticks t_w + 2 … T − 1, of neurons; and of the output neurons in all
//! ticks of a shot without a target, or else in the ticks 0 … t_w − 1.
//!
//! The nominal chip has the thresholds above and synapses of the weights that were set. On the fabricated one every
//! threshold (ν and φ, not ε, which counts) and every synapse (W and random E) deviates by the mismatch; symmetric feedback
//! is the same synapses, read backwards.
//!
//! A spike has no derivative. The chip's vector-Jacobian product is that of a rate model: r_l = max(0, W_lᵀ r_(l−1)) / ν_l
//! at the counted spikes, so a neuron that was silent or fired in every tick of phase 1 has no slope. It leaves out the
//! nudging.
//!
//! Source: EMSTDP, Shrestha, Fang, Wu & Qiu, ICONS 2019, doi 10.1145/3354265.3354275, as in the author's released
//! program. Left out: the relay and gate neurons and the two signed error populations of the chip that it was built on,
//! which take one tick more a layer, and that chip's eight-bit weights.

mod adjoint;
mod channels;
mod chip;
mod circuit;
mod config;
mod encoder;
mod populations;
#[cfg(test)]
mod tests;

pub use channels::LearningChipChannels;
pub use chip::LearningChip;
pub use config::{Feedback, LearningChipConfig};
