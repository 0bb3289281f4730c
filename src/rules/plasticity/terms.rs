//! The local terms of a plasticity rule, and their amounts.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A local term in the change of the weights W_l from layer l − 1 to layer l, with y the activations and e the error
/// signals.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// −e_l y_{l−1}ᵀ: backpropagation, if the errors are backpropagation's.
    PseudoGradient,
    /// −y_l e_{l−1}ᵀ.
    ActivityError,
    /// −e_l e_{l−1}ᵀ: it couples errors that occur together.
    ErrorHebb,
    /// −W_l.
    Decay,
    /// −1 e_{l−1}ᵀ.
    InputError,
    /// −e_l ȳ_l y_{l−1}ᵀ with ȳ_l the mean activity; the paper has the sum, which depends on the layer's width.
    ActivePseudoGradient,
    /// −y_l (y_lᵀ W_l e_{l−1}) e_{l−1}ᵀ.
    MatchedActivityError,
    /// −e_l (y_lᵀ W_l e_{l−1}) y_{l−1}ᵀ.
    MatchedPseudoGradient,
    /// −y_l (y_{l−1}ᵀ W_lᵀ e_l) e_{l−1}ᵀ.
    DrivenActivityError,
    /// y_l y_{l−1}ᵀ − y_l y_lᵀ W_l: Oja's rule, which makes rows of W_l orthonormal.
    Oja,
}

impl Term {
    /// Number of terms.
    pub const COUNT: usize = 10;

    /// All of them, in the order of their numbers in the paper, from zero.
    pub const ALL: [Self; Self::COUNT] = [
        Self::PseudoGradient,
        Self::ActivityError,
        Self::ErrorHebb,
        Self::Decay,
        Self::InputError,
        Self::ActivePseudoGradient,
        Self::MatchedActivityError,
        Self::MatchedPseudoGradient,
        Self::DrivenActivityError,
        Self::Oja,
    ];

    /// Its name in recipes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PseudoGradient => "pseudo_gradient",
            Self::ActivityError => "activity_error",
            Self::ErrorHebb => "error_hebb",
            Self::Decay => "decay",
            Self::InputError => "input_error",
            Self::ActivePseudoGradient => "active_pseudo_gradient",
            Self::MatchedActivityError => "matched_activity_error",
            Self::MatchedPseudoGradient => "matched_pseudo_gradient",
            Self::DrivenActivityError => "driven_activity_error",
            Self::Oja => "oja",
        }
    }
}

/// Θ: the amount of each term; 0 for a term that is not named.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Coefficients(BTreeMap<Term, f64>);

impl Coefficients {
    /// `amount` of the pseudo-gradient and nothing else.
    #[must_use]
    pub fn pseudo_gradient(amount: f64) -> Self {
        Self([(Term::PseudoGradient, amount)].into())
    }

    /// From one number a term, in the order of [`Term::ALL`].
    #[must_use]
    pub fn from_array(theta: [f64; Term::COUNT]) -> Self {
        let named = Term::ALL.into_iter().zip(theta);
        Self(named.filter(|(_, amount)| *amount != 0.0).collect())
    }

    /// One number a term, in the order of [`Term::ALL`].
    #[must_use]
    pub fn to_array(&self) -> [f64; Term::COUNT] {
        Term::ALL.map(|term| self.of(term))
    }

    /// Amount of `term`.
    #[must_use]
    pub fn of(&self, term: Term) -> f64 {
        self.0.get(&term).copied().unwrap_or(0.0)
    }

    /// The terms with an amount other than 0.
    pub fn terms(&self) -> impl Iterator<Item = Term> + '_ {
        self.0.iter().filter(|(_, amount)| **amount != 0.0).map(|(term, _)| *term)
    }
}
