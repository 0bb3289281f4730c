//! How often a rule passes through a network in a training step: the source of its CPU time and energy.

/// Passes through a whole network that a step takes for each of its samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Passes {
    /// Forward, each of them measured where the rule measures.
    pub forward: f64,
    /// Vector-Jacobian products.
    pub backward: f64,
}
