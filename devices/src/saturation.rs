//! Converters that saturate.

/// A converter that clamps readings to plus and minus full scale.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Saturation {
    full_scale: f32,
}

impl Saturation {
    /// Saturates at plus and minus `full_scale`.
    pub(crate) const fn at(full_scale: f32) -> Self {
        Self { full_scale }
    }

    /// Clamps `readings` to full scale.
    #[inline(always)]
    pub(crate) fn clamp(self, readings: &mut [f32]) {
        for reading in readings {
            *reading = reading.clamp(-self.full_scale, self.full_scale);
        }
    }

    /// Whether `reading`, not clamped yet, is beyond full scale: then its derivative is zero.
    #[inline(always)]
    pub(crate) fn saturates(self, reading: f32) -> bool {
        reading.abs() > self.full_scale
    }

    /// The cotangent of `reading`, not clamped yet, from that of the clamped one.
    #[inline(always)]
    pub(crate) fn pull_back(self, reading: f32, cotangent: f32) -> f32 {
        if self.saturates(reading) { 0.0 } else { cotangent }
    }
}
