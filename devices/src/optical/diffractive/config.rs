//! A network as a recipe describes it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::validate;

/// A diffractive network, as a recipe describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DiffractiveConfig {
    /// Side m of the square of drives, amplitudes from 0 to 1: inputs m². Each lights a square of whole pixels, as large as
    /// fits, and the squares are centred in the grid.
    #[serde(deserialize_with = "validate::count")]
    pub inputs: usize,
    /// Side c of the square of camera bins: outputs c². Each reads a square of whole pixels, laid out in the same way.
    #[serde(deserialize_with = "validate::count")]
    pub outputs: usize,
    /// Masks K, up to 256, each with n² parameters.
    #[serde(deserialize_with = "validate::count")]
    pub layers: usize,
    /// Side n of the grid in pixels, a power of two from 4 to 1024.
    #[serde(deserialize_with = "validate::count")]
    pub pixels: usize,
    /// Side p of a pixel, in µm.
    #[serde(deserialize_with = "validate::positive")]
    pub pitch: f64,
    /// Wavelength λ, in µm.
    #[serde(deserialize_with = "validate::positive")]
    pub wavelength: f64,
    /// Length of the gaps between masks, in mm.
    #[serde(deserialize_with = "validate::positive")]
    pub gap: f64,
    /// Length of the gap between the modulator and the first mask, in mm; as `gap` without it.
    #[serde(
        deserialize_with = "validate::optional_positive",
        skip_serializing_if = "Option::is_none"
    )]
    pub first_gap: Option<f64>,
    /// Length of the gap between the last mask and the camera, in mm; as `gap` without it.
    #[serde(
        deserialize_with = "validate::optional_positive",
        skip_serializing_if = "Option::is_none"
    )]
    pub last_gap: Option<f64>,
    /// Standard deviation of the true masks' displacements across and down, in pixels.
    #[serde(deserialize_with = "validate::non_negative")]
    pub misalignment: f64,
    /// Relative standard deviation of the true gaps' lengths.
    #[serde(deserialize_with = "validate::non_negative")]
    pub gap_error: f64,
    /// Standard deviation of the true masks' phases about those that were set, pixel by pixel, in rad.
    #[serde(deserialize_with = "validate::non_negative")]
    pub phase_error: f64,
    /// κ of the true masks: a pixel takes this share of the difference from each of its four neighbours' phases; below 0.25.
    #[serde(deserialize_with = "validate::part")]
    pub pixel_crosstalk: f64,
    /// Reading g of a bin that is lit by the intensity 1, that of the drive 1 where it leaves the modulator.
    #[serde(deserialize_with = "validate::positive")]
    pub gain: f64,
    /// Reading at which the camera saturates.
    #[serde(deserialize_with = "validate::positive")]
    pub full_scale: f64,
    /// Time one shot takes, in seconds.
    #[serde(deserialize_with = "validate::positive")]
    pub seconds_per_shot: f64,
}

impl Default for DiffractiveConfig {
    /// Two perfect masks of 32 × 32 pixels, as large as those of liquid crystal modulators, in green light. Over a gap a
    /// pixel's light spreads to half of the grid on either side.
    fn default() -> Self {
        Self {
            inputs: 8,
            outputs: 4,
            layers: 2,
            pixels: 32,
            pitch: 8.0,
            wavelength: 0.532,
            gap: 4.0,
            first_gap: None,
            last_gap: None,
            misalignment: 0.0,
            gap_error: 0.0,
            phase_error: 0.0,
            pixel_crosstalk: 0.0,
            gain: 2.0,
            full_scale: 4.0,
            seconds_per_shot: 1e-3,
        }
    }
}
