//! Saturating converters and detectors in tensors.

use burn::tensor::{Bool, Tensor};

/// A converter that clamps readings to full scale, so that a saturated reading has no cotangent.
#[derive(Clone, Copy)]
pub(super) struct Saturation {
    full_scale: f32,
    /// Whether readings are powers, which are never negative.
    powers: bool,
}

impl Saturation {
    /// Saturates at plus and minus `full_scale`.
    pub(super) const fn at(full_scale: f32) -> Self {
        Self { full_scale, powers: false }
    }

    /// Saturates at `full_scale`, for readings that are never negative.
    pub(super) const fn of_powers(full_scale: f32) -> Self {
        Self { full_scale, powers: true }
    }

    /// Clamps `readings` to full scale.
    pub(super) fn clamp<const D: usize>(self, readings: Tensor<D>) -> Tensor<D> {
        if self.powers {
            readings.clamp_max(self.full_scale)
        } else {
            readings.clamp(-self.full_scale, self.full_scale)
        }
    }

    /// Mask of the `readings`, not clamped yet, that are beyond full scale.
    pub(super) fn saturates<const D: usize>(self, readings: Tensor<D>) -> Tensor<D, Bool> {
        let size = if self.powers { readings } else { readings.abs() };
        size.greater_scalar(self.full_scale)
    }

    /// Cotangents of `readings`, not clamped yet, from those of the clamped ones.
    pub(super) fn pull_back<const D: usize>(
        self,
        readings: Tensor<D>,
        of_clamped: Tensor<D>,
    ) -> Tensor<D> {
        of_clamped.mask_fill(self.saturates(readings), 0.0)
    }
}
