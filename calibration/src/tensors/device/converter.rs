//! Converters and noise of a bank of channels in tensors, as `twinprop_devices::imperfections` has them.

use burn::tensor::{Device, Int, Tensor};
use twinprop_devices::Channels;

#[cfg(feature = "kernels")]
use super::kernel;
use crate::bridge::from_vec;
use crate::tensors::draws::Draws;

/// The ranges of channels on a backend.
#[derive(Clone)]
pub(super) struct Limits {
    /// `[1, n]` each.
    pub minimum: Tensor<2>,
    pub maximum: Tensor<2>,
    pub span: Tensor<2>,
    /// 1 for the channels of rasters and 0 for others, `[1, n]`; `None` without rasters.
    cells: Option<Tensor<2>>,
}

impl Limits {
    pub(super) fn of(channels: &Channels, backend: &Device) -> Self {
        let row = |value: &dyn Fn(twinprop_devices::Channel<'_>) -> f32| {
            from_vec(channels.iter().map(value).collect(), [1, channels.len()], backend)
        };
        let is_cell = |bank: &twinprop_devices::Bank| f32::from(u8::from(bank.lines().is_some()));
        let cells = || {
            let banks = channels.banks().iter();
            banks.flat_map(|bank| std::iter::repeat_n(is_cell(bank), bank.count)).collect()
        };
        Self {
            minimum: row(&|channel| channel.minimum),
            maximum: row(&|channel| channel.maximum),
            span: row(&|channel| channel.span()),
            cells: channels.has_raster().then(|| from_vec(cells(), [1, channels.len()], backend)),
        }
    }

    /// `values` `[rows, n]` within their ranges.
    fn clamped(&self, values: Tensor<2>) -> Tensor<2> {
        let shape = values.dims();
        let [minimum, maximum] =
            [&self.minimum, &self.maximum].map(|row| row.clone().expand(shape));
        values.max_pair(minimum).min_pair(maximum)
    }

    /// How many of `values` `[rows, n]` are in range.
    pub(super) fn inside(&self, values: &Tensor<2>) -> Tensor<1, Int> {
        let above = values.clone().greater_equal(self.minimum.clone());
        let below = values.clone().lower_equal(self.maximum.clone());
        above.bool_and(below).int().sum()
    }

    /// How many of `values` `[rows, n]` are cells of rasters, but neither 0 nor 1.
    pub(super) fn broken_cells(&self, values: &Tensor<2>) -> Tensor<1, Int> {
        let Some(cells) = &self.cells else {
            return Tensor::zeros([1], &values.device());
        };
        let off = values.clone().square() - values.clone();
        (off * cells.clone()).abs().greater_scalar(0.0).int().sum()
    }
}

/// What stands between channels and the device: a converter before or after noise.
///
/// A value is rounded to one of 2^bits codes over its range; with noise, y/R → y/R + √(σ_a² + σ_s² |y|/R) ξ, clamped to
/// the range of width R. A value midway between two codes goes to either; NaN stays NaN.
pub(super) struct Converter {
    limits: Limits,
    pub(super) purpose: &'static str,
    /// The largest code; 0 for a continuous channel.
    pub(super) last_code_before: f32,
    pub(super) last_code_after: f32,
    /// σ_a and σ_s.
    pub(super) additive: f32,
    pub(super) shot: f32,
}

impl Converter {
    /// Channels that pass values as they are; `purpose` names their noise.
    pub(super) fn new(limits: Limits, purpose: &'static str) -> Self {
        Self {
            limits,
            purpose,
            last_code_before: 0.0,
            last_code_after: 0.0,
            additive: 0.0,
            shot: 0.0,
        }
    }

    /// The same with a resolution of `bits` before the noise; 0 is continuous.
    pub(super) fn with_codes_before(self, bits: u32) -> Self {
        Self { last_code_before: last_code(bits), ..self }
    }

    /// The same with a resolution of `bits` after the noise.
    pub(super) fn with_codes_after(self, bits: u32) -> Self {
        Self { last_code_after: last_code(bits), ..self }
    }

    /// The same with σ_a and σ_s.
    pub(super) fn with_noise(self, additive: f64, shot: f64) -> Self {
        Self { additive: additive as f32, shot: shot as f32, ..self }
    }

    /// The ranges of the channels.
    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether values get noise.
    pub(super) fn is_noisy(&self) -> bool {
        self.additive > 0.0 || self.shot > 0.0
    }

    /// `values` `[rows, n]` as they come out.
    pub(super) fn convert(&self, values: Tensor<2>, draws: &Draws) -> Tensor<2> {
        if !self.is_noisy() && self.last_code_before == 0.0 && self.last_code_after == 0.0 {
            return values;
        }
        #[cfg(feature = "kernels")]
        if let Some(converted) = kernel::convert(self, &values, draws) {
            return converted;
        }
        self.convert_by_operations(values, draws)
    }

    fn convert_by_operations(&self, values: Tensor<2>, draws: &Draws) -> Tensor<2> {
        let mut values = self.quantised(values, self.last_code_before);
        if self.is_noisy() {
            let (shape, backend) = (values.dims(), values.device());
            let span = self.limits.span.clone();
            let deviation = if self.shot > 0.0 {
                let share = values.clone().abs() / span.clone();
                (share * self.shot.powi(2) + self.additive.powi(2)).sqrt() * span
            } else {
                span * self.additive
            };
            let normal = draws.normal(self.purpose, shape, &backend);
            values = self.limits.clamped(values + normal * deviation);
        }
        self.quantised(values, self.last_code_after)
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

fn last_code(bits: u32) -> f32 {
    ((1u32 << bits) - 1) as f32
}
