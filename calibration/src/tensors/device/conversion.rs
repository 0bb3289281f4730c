//! What a converter does to a value, in numbers.

/// Resolutions and noise; zero for none.
#[derive(Clone, Copy, Default)]
pub(super) struct Conversion {
    /// The largest code before the noise.
    pub last_code_before: f32,
    /// The largest code after it.
    pub last_code_after: f32,
    /// σ_a.
    pub additive: f32,
    /// σ_s.
    pub shot: f32,
}

impl Conversion {
    /// Whether values get noise.
    pub fn is_noisy(&self) -> bool {
        self.additive > 0.0 || self.shot > 0.0
    }

    /// Whether values stay as they are.
    pub fn is_none(&self) -> bool {
        !self.is_noisy() && self.last_code_before == 0.0 && self.last_code_after == 0.0
    }
}

/// The largest of the codes of `bits` bits.
pub(super) fn last_code(bits: u32) -> f32 {
    ((1u32 << bits) - 1) as f32
}
