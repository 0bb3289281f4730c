//! How well two gradients agree.

use serde::{Deserialize, Serialize};

use crate::fidelity::estimate::Estimate;

/// Agreement of two gradients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gradient {
    /// Cosine of the angle between the twin's gradient and the device's.
    pub cosine: Estimate,
    /// Length of the twin's gradient over the device's.
    pub length: Estimate,
}

/// Agreement of the gradients with respect to one bank of channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupGradient {
    /// The bank, such as `input data` or `parameter bias`.
    pub group: String,
    /// The agreement.
    pub gradient: Gradient,
    /// Half the distance between the two ends of a central difference, as a share of the range: the
    /// median over the points.
    pub step: f32,
}

/// Sums over the directions of a point: measured · predicted, predicted², measured², and the variance of
/// the last by noise.
pub(super) type Products = [f64; 4];

/// Those of one direction, with the measured derivatives of both halves of the shots and the `predicted` one.
pub(super) fn products([one, other]: [f64; 2], predicted: f64) -> Products {
    // The difference of the halves has a variance of 2σ², and its fourth power a mean of 12σ⁴.
    let noise = (one - other).powi(4) / 12.0;
    [0.5 * (one + other) * predicted, predicted * predicted, one * other, noise]
}

/// Adds `more` to `sums`.
pub(super) fn add(sums: &mut Products, more: &Products) {
    sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

/// The measured square must be above zero by so many standard deviations of its noise.
const TOLD_FROM_NOISE: f64 = 4.0;

impl Gradient {
    pub(super) fn of(points: &[Products]) -> Self {
        let is_told = |device: f64, noise: f64| device > TOLD_FROM_NOISE * noise.sqrt();
        let cosine = |[both, twin, device, noise]: Products| {
            (twin > 0.0 && is_told(device, noise)).then(|| both / (twin * device).sqrt())
        };
        let length = |[_, twin, device, noise]: Products| {
            is_told(device, noise).then(|| (twin / device).sqrt())
        };
        Self {
            cosine: Estimate::of_cosine(points, cosine),
            length: Estimate::jackknife(points, (0.0, f64::from(f32::MAX)), length),
        }
    }
}
