//! The optimisers by name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinprop_calibration::Adam;

use super::{ClippedRmsProp, Descent, Optimiser};

/// The optimisers by name; in a recipe, `optimiser = "adam"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum OptimiserKind {
    /// Adam (Kingma & Ba 2015).
    #[default]
    Adam,
    /// Plain descent, for a rule that returns complete updates.
    Descent,
    /// RMSprop for `emstdp`: each gradient over its running root mean square; parameters are clamped to [−1, 1].
    ClippedRmsProp,
}

impl OptimiserKind {
    /// A new optimiser.
    #[must_use]
    pub fn start(self) -> Box<dyn Optimiser> {
        match self {
            Self::Adam => Box::new(Adam::default()),
            Self::Descent => Box::new(Descent),
            Self::ClippedRmsProp => Box::new(ClippedRmsProp::default()),
        }
    }
}
