//! The rules by name.

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
#[non_exhaustive]
pub enum Rule {
    /// Physics-aware training (Wright et al., Nature 601, 549, 2022): forward measured on the
    /// device, backward by the fitted twin's vector-Jacobian product at the measured point.
    Pat,
    /// Forward and backward by the fitted twin; the device is used only in tests.
    InSilico,
    /// Forward measured, backward by the fabricated device's own equation. Only a simulated
    /// device can offer that: it is the upper bound.
    Ideal,
    /// The error of the measured outputs goes back by the fitted twin at its own states (Wang et al. 2025).
    Asymmetric,
    /// Every layer learns from the error of its prediction (Rosenbaum 2022).
    PredictiveCoding,
    /// The error goes down through fixed random matrices (Lillicrap et al. 2016).
    FeedbackAlignment,
    /// Every layer gets the error through a fixed random matrix of its own (Nøkland 2016).
    DirectFeedbackAlignment,
    /// The same without a derivative of what follows a layer (Nakajima et al. 2022).
    AugmentedDirectFeedbackAlignment,
    /// Local terms with meta-learned weights (Shervani-Tabar & Rosenbaum 2023).
    LearnedPlasticity,
    /// Spike counts of two phases on a chip with error neurons (Shrestha et al. 2019).
    Emstdp,
    /// Simultaneous perturbation of all parameters, without a twin (Spall 1992).
    Spsa,
    /// Central finite differences of every parameter, without a twin.
    FiniteDifferences,
}

impl Rule {
    const NAMES: [(&'static str, Self); 12] = [
        ("pat", Self::Pat),
        ("in-silico", Self::InSilico),
        ("ideal", Self::Ideal),
        ("asymmetric", Self::Asymmetric),
        ("predictive-coding", Self::PredictiveCoding),
        ("feedback-alignment", Self::FeedbackAlignment),
        ("direct-feedback-alignment", Self::DirectFeedbackAlignment),
        ("augmented-direct-feedback-alignment", Self::AugmentedDirectFeedbackAlignment),
        ("learned-plasticity", Self::LearnedPlasticity),
        ("emstdp", Self::Emstdp),
        ("spsa", Self::Spsa),
        ("finite-differences", Self::FiniteDifferences),
    ];

    /// Its name in recipes and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        let name = Self::NAMES.iter().find(|(_, rule)| *rule == self);
        name.map_or("", |(name, _)| name)
    }

    /// The names of all rules.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::NAMES.iter().map(|(name, _)| *name)
    }

    /// Where the forward values come from while training.
    #[must_use]
    pub fn forward(self) -> Source {
        match self {
            Self::InSilico => Source::Predicted,
            _ => Source::Measured,
        }
    }

    /// Whether it uses a fitted twin, which must be calibrated first.
    #[must_use]
    pub fn needs_calibration(self) -> bool {
        !matches!(self, Self::Ideal | Self::Emstdp | Self::Spsa | Self::FiniteDifferences)
    }

    /// Whether it uses a fitted twin at measured points, so that the shots of training can teach the twin.
    #[must_use]
    pub fn refines_twins(self) -> bool {
        self.needs_calibration() && self.forward() == Source::Measured
    }

    /// Whether its gradient differs from backpropagation's, so that the alignment is worth reporting.
    #[must_use]
    pub fn departs_from_backpropagation(self) -> bool {
        !matches!(self, Self::Pat | Self::InSilico | Self::Ideal)
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
        found.map(|(_, rule)| *rule).ok_or_else(|| {
            let names: Vec<&str> = Self::names().collect();
            format!("unknown rule `{text}`, expected one of {}", names.join(", "))
        })
    }
}
