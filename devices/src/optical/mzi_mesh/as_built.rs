//! A mesh as constants, for a computation of its equation elsewhere.

use super::MziMesh;

/// The constants of the equation of one copy; the phases are parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeshConstants<'a> {
    /// Modes N, and columns of interferometers.
    pub modes: usize,
    /// ℓ.
    pub transmission: f32,
    /// κ.
    pub crosstalk: f32,
    /// δ₁ and δ₂ of one interferometer after the other, column by column.
    pub splitters: &'a [f32],
    /// Errors of φ and θ of one interferometer after the other.
    pub phases: &'a [f32],
    /// s of each detector.
    pub sensitivity: &'a [f32],
    /// Reading at which a detector saturates.
    pub full_scale: f32,
}

impl MziMesh {
    /// The constants of its equation.
    #[must_use]
    pub fn as_built(&self) -> MeshConstants<'_> {
        MeshConstants {
            modes: self.modes,
            transmission: self.transmission,
            crosstalk: self.crosstalk,
            splitters: &self.splitters,
            phases: &self.phases,
            sensitivity: &self.sensitivity,
            full_scale: self.full_scale,
        }
    }
}
