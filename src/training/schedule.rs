//! The learning rate over a training.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_calibration::adam::half_cosine;
use twinprop_devices::validate;

/// How the learning rate changes from the first step to the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Schedule {
    /// It stays the same.
    Constant,
    /// Down to zero along a half cosine (Loshchilov & Hutter 2017, eq. 5, without restarts).
    #[default]
    Cosine,
    /// Constant for a share of the steps, then as `cosine`.
    HeldCosine {
        /// The share, below one.
        #[serde(deserialize_with = "validate::part")]
        held: f64,
    },
    /// Halved after each of `parts` equal parts of the training.
    Halved {
        /// Number of parts, of equal length.
        #[serde(deserialize_with = "validate::count")]
        parts: usize,
    },
}

impl Schedule {
    /// Factor on the learning rate when the share `done` (0 to 1) of the steps is done.
    #[must_use]
    pub fn factor(self, done: f64) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Cosine => half_cosine(done),
            Self::Halved { parts } => {
                let part = (done * parts as f64).floor().min(parts as f64 - 1.0);
                0.5f64.powf(part)
            }
            Self::HeldCosine { held } => Self::Cosine.factor((done - held).max(0.0) / (1.0 - held)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_halved_rate_has_parts_of_equal_length() {
        let schedule = Schedule::Halved { parts: 5 };
        let factors: Vec<f64> =
            [0.0, 0.19, 0.21, 0.5, 0.79, 0.81, 1.0].map(|done| schedule.factor(done)).to_vec();
        assert_eq!(factors, [1.0, 1.0, 0.5, 0.25, 0.125, 0.0625, 0.0625]);
    }
}
