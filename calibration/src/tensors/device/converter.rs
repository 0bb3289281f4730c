//! Converters and noise of a bank of channels in tensors, as `twinprop_devices::imperfections` has them.

use burn::tensor::Tensor;

use super::conversion::{Conversion, last_code};
#[cfg(feature = "kernels")]
use super::kernel;
use super::limits::Limits;
use crate::tensors::draws::Draws;

/// What stands between channels and the device: a converter before or after noise.
///
/// A value is rounded to one of 2^bits codes over its range; with noise, y/R → y/R + √(σ_a² + σ_s² |y|/R) ξ, clamped to
/// the range of width R. A value midway between two codes goes to either; NaN stays NaN.
pub(super) struct Converter {
    limits: Limits,
    /// Names the noise.
    purpose: &'static str,
    conversion: Conversion,
}

impl Converter {
    /// Channels that pass values as they are; `purpose` names their noise.
    pub(super) fn new(limits: Limits, purpose: &'static str) -> Self {
        Self { limits, purpose, conversion: Conversion::default() }
    }

    /// The same with a resolution of `bits` before the noise; 0 is continuous.
    pub(super) fn with_codes_before(mut self, bits: u32) -> Self {
        self.conversion.last_code_before = last_code(bits);
        self
    }

    /// The same with a resolution of `bits` after the noise.
    pub(super) fn with_codes_after(mut self, bits: u32) -> Self {
        self.conversion.last_code_after = last_code(bits);
        self
    }

    /// The same with σ_a and σ_s.
    pub(super) fn with_noise(mut self, additive: f64, shot: f64) -> Self {
        (self.conversion.additive, self.conversion.shot) = (additive as f32, shot as f32);
        self
    }

    /// The ranges of the channels.
    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// `values` `[rows, n]` as they come out.
    pub(super) fn convert(&self, values: Tensor<2>, draws: &Draws) -> Tensor<2> {
        if self.conversion.is_none() {
            return values;
        }
        #[cfg(feature = "kernels")]
        {
            let stream = draws.stream(self.purpose);
            if let Some(converted) = kernel::convert(&values, &self.limits, self.conversion, stream)
            {
                return converted;
            }
        }
        self.convert_by_operations(values, draws)
    }

    fn convert_by_operations(&self, values: Tensor<2>, draws: &Draws) -> Tensor<2> {
        let Conversion { last_code_before, last_code_after, additive, shot } = self.conversion;
        let mut values = self.quantised(values, last_code_before);
        if self.conversion.is_noisy() {
            let (shape, backend) = (values.dims(), values.device());
            let span = self.limits.span.clone();
            let deviation = if shot > 0.0 {
                let share = values.clone().abs() / span.clone();
                (share * shot.powi(2) + additive.powi(2)).sqrt() * span
            } else {
                span * additive
            };
            let normal = draws.normal(self.purpose, shape, &backend);
            values = self.limits.clamped(values + normal * deviation);
        }
        self.quantised(values, last_code_after)
    }

    fn quantised(&self, values: Tensor<2>, last_code: f32) -> Tensor<2> {
        if last_code == 0.0 {
            return values;
        }
        let Limits { minimum, span, .. } = &self.limits;
        let codes = (values - minimum.clone()) / span.clone() * last_code;
        let codes = codes.round().clamp(0.0, last_code);
        // A quotient may be rounded up.
        self.limits.clamped(codes / last_code * span.clone() + minimum.clone())
    }
}
