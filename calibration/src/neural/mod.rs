//! A neural twin: a multilayer perceptron between normalised drives and normalised readings.
//!
//! ```text
//! z_0 = W_x x̂ + W_θ θ̂ + b_0        x̂, θ̂: ranges mapped to [−1, 1]
//! z_l = W_l a(z_{l−1}) + b_l         a(z) = ½ z (1 + r),  r = z / √(1 + z²)
//! y   = μ + σ ∘ z_L                 μ, σ: mean and standard deviation of the readings
//! ```
//!
//! A residual twin adds z_{l−1} to every hidden z_l (He et al. 2016), so that deep networks can be trained.
//!
//! The activation a resembles SiLU (Elfwing, Uchibe & Doya 2018), with an algebraic function instead of
//! the logistic function. It is smooth, so that the twin's gradient is continuous, and it uses only
//! operations that CPUs vectorise. Its derivative is a′ = ½ + r − ½ r³.
//!
//! The first layer keeps data and parameters apart, so that the term of the parameters is computed once
//! for all shots with the same parameters. The VJP is written by hand, without automatic
//! differentiation: every training step uses it.

mod config;
mod cpu;
mod learn_on_cpu;
mod perceptron;

pub use config::NeuralTwinConfig;
pub use perceptron::Perceptron;

use crate::network_twin::NetworkTwin;

/// A multilayer perceptron that is the twin of one device.
pub type NeuralTwin = NetworkTwin<Perceptron>;
