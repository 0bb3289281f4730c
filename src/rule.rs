//! Training rules: where the forward values and the backward values come from.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::network::Source;

/// A rule for training through devices.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Physics-aware training (Wright et al., Nature 601, 549, 2022): forward measured on the
    /// device, backward by the fitted twin's vector-Jacobian product at the measured point.
    Pat,
    /// Forward and backward by the fitted twin; the device is met only when it is tested.
    InSilico,
    /// Forward measured, backward by the fabricated device's own equation. Only a simulated
    /// device can offer that: it is the upper bound.
    Ideal,
}

impl Rule {
    const NAMES: [(&'static str, Self); 3] =
        [("pat", Self::Pat), ("in-silico", Self::InSilico), ("ideal", Self::Ideal)];

    /// Its name in recipes and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        let name = Self::NAMES.iter().find(|(_, rule)| *rule == self);
        name.map_or("", |(name, _)| name)
    }

    /// Where the forward values come from while training.
    #[must_use]
    pub fn forward(self) -> Source {
        match self {
            Self::Pat | Self::Ideal => Source::Measured,
            Self::InSilico => Source::Predicted,
        }
    }

    /// Whether the backward pass runs through the fitted twin, which must be calibrated first.
    #[must_use]
    pub fn needs_calibration(self) -> bool {
        self != Self::Ideal
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::NAMES.iter().find(|(name, _)| *name == text);
        found
            .map(|(_, rule)| *rule)
            .ok_or_else(|| format!("unknown rule `{text}`, expected pat, in-silico or ideal"))
    }
}
