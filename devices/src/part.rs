//! Parts of complex amplitudes.

use serde::{Deserialize, Serialize};

/// The part of complex amplitudes that the channels of a [`Bank`](crate::Bank) have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Part {
    /// The in-phase, or real, part; the quadrature parts follow.
    InPhase,
    /// The quadrature, or imaginary, part.
    Quadrature,
    /// The amplitude; the phases follow.
    Amplitude,
    /// The phase, in rad.
    Phase,
}

impl Part {
    /// The part that follows this one; `None` for a second part.
    #[must_use]
    pub fn second(self) -> Option<Self> {
        match self {
            Self::InPhase => Some(Self::Quadrature),
            Self::Amplitude => Some(Self::Phase),
            Self::Quadrature | Self::Phase => None,
        }
    }

    /// Its name in an interface's JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InPhase => "in_phase",
            Self::Quadrature => "quadrature",
            Self::Amplitude => "amplitude",
            Self::Phase => "phase",
        }
    }
}
