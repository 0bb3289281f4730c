//! Spiking networks in NIR, the Neuromorphic Intermediate Representation: a graph of neurons in continuous time, which other
//! simulators and chips read.
//!
//! ```text
//! NIR, `CubaLIF`                                     the chip, in steps of dt
//! τ_syn dI/dt = −I + w_in S                          I[t] = (1 − 1/τ_s) I[t−1] + w_in x[t] / τ_s
//! τ_mem dv/dt = (v_leak − v) + r I                   v[t] = (1 − 1/τ_m) v[t−1] + r I[t] / τ_m
//! z = 1 where v > v_threshold; then v ← v_reset      s[t] = 1 where v[t] > ν; then v[t] ← 0
//! ```
//!
//! On the left is the standard; on the right are its equations after a forward Euler step, with the current's new value in
//! the membrane's equation. They are those of `lif_chip`
//! ([`Population`](twinprop_devices::neuromorphic::Population)) for I = p / τ_s and
//!
//! | NIR | value | unit |
//! |---|---|---|
//! | `tau_syn`, `tau_mem` | τ_s dt, τ_m dt | s |
//! | `r` | τ_m, so that r / τ_m = 1 | 1 |
//! | `w_in` | 1 | 1 |
//! | `v_threshold` | ν | 1 |
//! | `v_leak`, `v_reset` | 0 | 1 |
//! | `weight` of the `Linear` before a `CubaLIF`, and of the one from it to itself | W, R, `[neuron, source]` | 1 |
//!
//! S is the sum over both `Linear` nodes. dt is the length of a step, of which NIR knows nothing: who reads a graph chooses
//! it. The digital layers behind the last chip's counts, y = A Σ_t s_t + b, are `Linear` or `Affine` nodes with A and
//! b / T, then the integrator `I` (dv/dt = r I) with r = 1 / dt: after T steps v = A Σ_t s_t + b. Another number of steps
//! changes the share of b.
//!
//! What differs between simulators that read the same graph:
//!
//! - On a chip, a spike acts one step later, also on the next chip. A simulator that passes a spike on to the next layer in
//!   the same step fires k steps earlier in the k-th layer: its first T − k steps are the chip's last ones. Spikes of a
//!   population act on itself one step later in both.
//! - The chip fires at v > ν (1 − 10⁻⁶), so that rounding does not delay a spike that is due, others at v > ν.
//! - Sums are rounded in another order.
//!
//! Sources: Pedersen et al., Nature Communications 15, 8122 (2024), table of the primitives, where `CubaLIF` is a leaky
//! integrator, a linear map and a `LIF`; the equations are those of the reference implementation (package `nir` 1.0.8,
//! `nir/ir/neuron.py`), the unit second and the Euler steps those of Norse and snnTorch.
//!
//! | task | start at |
//! |---|---|
//! | export a run | [`SpikingNetwork::of_run`], then [`write`](SpikingNetwork::write) |
//! | read a graph | [`SpikingNetwork::read`] |
//! | train it here | [`write_recipe`](SpikingNetwork::write_recipe) |

mod constants;
mod export;
mod file;
mod import;
mod network;
mod omission;
mod recipe;
mod run;
mod walk;

pub use self::import::Grid;
pub use self::network::{Dense, Layer, SpikingNetwork};
pub use self::omission::Omission;
pub use self::recipe::{PARAMETERS, RECIPE};
pub use self::run::Exported;
