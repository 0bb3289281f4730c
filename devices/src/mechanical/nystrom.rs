//! Runge-Kutta-Nyström: the classical fourth-order Runge-Kutta method for q̈ = a(q).
//!
//! Where no acceleration depends on a velocity, the four stages reduce to Nyström's form (Hairer,
//! Nørsett & Wanner, Solving Ordinary Differential Equations I, 1993, II.14): with a_k = a(Q_k),
//!
//! ```text
//! Q_1 = q                       Q_2 = q + ½ h p
//! Q_3 = q + ½ h p + ¼ h² a_1    Q_4 = q + h p + ½ h² a_2
//! q ← q + h p + h²/6 (a_1 + a_2 + a_3)
//! p ← p + h/6 (a_1 + 2 a_2 + 2 a_3 + a_4)
//! ```
//!
//! From rest the first two stages coincide, and where only the final angle is read the last stage of
//! the last step is not needed: K steps take 4 K − 2 accelerations, each with a [`slot`] of its own.

/// Weights of the velocity (in h) and of the last acceleration but one (in h²) in stage k's angle.
pub const STAGE: [(f32, f32); 4] = [(0.0, 0.0), (0.5, 0.0), (0.5, 0.25), (1.0, 0.5)];

/// Weights of the stages' accelerations in the step's angle (in h²) and velocity (in h).
pub const STEP: [(f32, f32); 4] =
    [(1.0 / 6.0, 1.0 / 6.0), (1.0 / 6.0, 1.0 / 3.0), (1.0 / 6.0, 1.0 / 3.0), (0.0, 1.0 / 6.0)];

/// Number of accelerations that `steps` steps compute.
#[must_use]
pub fn slots(steps: usize) -> usize {
    4 * steps - 2
}

/// Place of a stage's acceleration among those that are computed.
#[must_use]
pub fn slot(step: usize, stage: usize) -> usize {
    (4 * step + stage).saturating_sub(1)
}

/// Whether a stage is computed: the second of the first step is the first, and nothing reads the last
/// of the last.
#[must_use]
pub fn is_computed(step: usize, stage: usize, steps: usize) -> bool {
    (step, stage) != (0, 1) && is_used(step, stage, steps)
}

/// Whether anything reads a stage's acceleration.
#[must_use]
pub fn is_used(step: usize, stage: usize, steps: usize) -> bool {
    (step + 1, stage) != (steps, 3)
}
