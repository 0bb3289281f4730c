//! A ring between two waveguides.

/// The response of a ring to light, by coupled modes in time: ring of the decay rates r₀ by loss, r₁ into the bus
/// and r₂ into the drop waveguide, with r = r₀ + r₁ + r₂.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ring {
    /// r, in the unit of the decay rates.
    pub half_width: f64,
    /// Share of the power that it drops on resonance, 4 r₁ r₂ / r².
    pub dropped: f64,
    /// Share of the power that it takes from the bus on resonance, 4 r₁ (r₀ + r₂) / r².
    pub taken: f64,
}

impl Ring {
    /// A ring of the decay rates r₀, r₁ and r₂ of its amplitude.
    #[must_use]
    pub fn new(loss: f64, bus: f64, drop: f64) -> Self {
        let half_width = loss + bus + drop;
        let per_square = 4.0 * bus / half_width.powi(2);
        Self { half_width, dropped: per_square * drop, taken: per_square * (loss + drop) }
    }

    /// Share of the power that it drops at `detuning`.
    #[must_use]
    pub fn drop(&self, detuning: f64) -> f64 {
        self.dropped * self.lorentzian(detuning)
    }

    /// Share of the power that passes it at `detuning`.
    #[must_use]
    pub fn through(&self, detuning: f64) -> f64 {
        1.0 - self.taken * self.lorentzian(detuning)
    }

    /// r² / (Δ² + r²).
    fn lorentzian(&self, detuning: f64) -> f64 {
        1.0 / (1.0 + (detuning / self.half_width).powi(2))
    }
}
