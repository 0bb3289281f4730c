//! Banks as constants, for a computation of their equation elsewhere.

use super::bank::MicroringBank;
use super::row::Response;

/// The constants of the equation of one copy; the heaters' powers are parameters. Detunings are in half widths r.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MicroringConstants<'a> {
    /// Wavelength channels N, and rings of a row.
    pub channels: usize,
    /// Rows M.
    pub rows: usize,
    /// Share of the power that a ring drops on resonance, 4 r₁ r₂ / r².
    pub dropped: f32,
    /// Share of the power that it takes from the bus on resonance, 4 r₁ (r₀ + r₂) / r².
    pub taken: f32,
    /// a / r.
    pub spacing: f32,
    /// b / r.
    pub bias: f32,
    /// η / r, per mW.
    pub per_power: f32,
    /// κ.
    pub crosstalk: f32,
    /// o of each ring, row by row.
    pub offsets: &'a [f32],
    /// e of each ring, row by row.
    pub efficiencies: &'a [f32],
    /// s of each row.
    pub sensitivity: &'a [f32],
    /// Size of a reading at which the converter saturates.
    pub full_scale: f32,
}

impl MicroringBank {
    /// The constants of its equation.
    #[must_use]
    pub fn as_built(&self) -> MicroringConstants<'_> {
        let Response { dropped, taken, spacing } = self.response;
        MicroringConstants {
            channels: self.channels,
            rows: self.rows,
            dropped,
            taken,
            spacing,
            bias: self.bias,
            per_power: self.per_power,
            crosstalk: self.crosstalk,
            offsets: &self.offsets,
            efficiencies: &self.efficiencies,
            sensitivity: &self.sensitivity,
            full_scale: self.full_scale,
        }
    }
}
