//! What a synapse sees and what it remembers.

use nalgebra::RealField;

/// Spikes that the two neurons of a synapse counted in one shot: all that the synapse sees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Activity<F> {
    /// Of the neuron before it, in phase 1.
    pub pre: F,
    /// Of the neuron behind it, in phase 1: h.
    pub free: F,
    /// Of the neuron behind it, in phase 2: ĥ.
    pub nudged: F,
}

impl<F: RealField + Copy> Activity<F> {
    /// pre · (ĥ − h).
    #[inline(always)]
    #[must_use]
    pub fn correlation(self) -> F {
        self.pre * (self.nudged - self.free)
    }
}

/// A synapse: all that it remembers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Synapse<F> {
    /// W, −1 to 1.
    pub weight: F,
    /// m, the running mean square of G; 1 at the start.
    pub mean_square: F,
}

impl<F: RealField + Copy> Synapse<F> {
    /// m at the start.
    pub const FIRST_MEAN_SQUARE: f32 = 1.0;

    /// A step by `drive`, which is G, at the learning rate `rate`:
    ///
    /// m ← 0.9 m + 0.1 G²,   W ← clamp(W + rate · G / √(m + 10⁻⁸), −1, 1).
    #[inline(always)]
    pub fn learn(&mut self, drive: F, rate: F) {
        let number = |value: f64| -> F { nalgebra::convert(value) };
        let Self { weight, mean_square } = self;
        *mean_square = number(0.9) * *mean_square + number(0.1) * drive * drive;
        let step = rate * drive / (*mean_square + number(1e-8)).sqrt();
        *weight = (*weight + step).clamp(-F::one(), F::one());
    }
}
