//! One ring between a bus and a drop waveguide.

/// A ring's amplitude decay rates, in GHz: its power decays twice as fast, and its resonance has the full width at half
/// maximum 2 r, r = r₀ + r₁ + r₂.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Microring {
    /// r₀, by absorption and scattering.
    pub intrinsic: f32,
    /// r₁, to the bus.
    pub bus: f32,
    /// r₂, to the drop waveguide.
    pub drop: f32,
}

/// Shares of the power at one detuning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transmission {
    /// Share that stays on the bus.
    pub through: f32,
    /// Share that reaches the drop waveguide.
    pub drop: f32,
}

impl Microring {
    /// r.
    #[must_use]
    #[inline(always)]
    pub fn half_width(&self) -> f32 {
        self.intrinsic + self.bus + self.drop
    }

    /// The transmission at a detuning Δ in GHz of the light from the resonance:
    ///
    /// ```text
    /// T_drop = 4 r₁ r₂ / (Δ² + r²)        T_through = 1 − 4 r₁ (r₀ + r₂) / (Δ² + r²)
    /// ```
    ///
    /// The rest, 4 r₁ r₀ / (Δ² + r²), is lost.
    #[must_use]
    #[inline(always)]
    pub fn transmission(&self, detuning: f32) -> Transmission {
        let r = self.half_width();
        let lorentzian = 4.0 * self.bus / (detuning * detuning + r * r);
        Transmission {
            through: 1.0 - (self.intrinsic + self.drop) * lorentzian,
            drop: self.drop * lorentzian,
        }
    }

    /// The transmission and its derivatives by Δ.
    #[inline(always)]
    pub(super) fn with_slopes(&self, detuning: f32) -> (Transmission, Transmission) {
        let r = self.half_width();
        let per_width = 1.0 / (detuning * detuning + r * r);
        let lorentzian = 4.0 * self.bus * per_width;
        let slope = -2.0 * detuning * per_width * lorentzian;
        let of = |lorentzian: f32, whole: f32| Transmission {
            through: whole - (self.intrinsic + self.drop) * lorentzian,
            drop: self.drop * lorentzian,
        };
        (of(lorentzian, 1.0), of(slope, 0.0))
    }
}
