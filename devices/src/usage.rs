//! The state that use changes in a simulated device, so that a later process can resume it.

use serde::{Deserialize, Serialize};

/// How far a simulated device has been used: it sets where its noise continues, how far it has drifted, and
/// how its cells are programmed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Shots that it has played.
    pub shots: u64,
    /// The last programming of a device that remembers its parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub programming: Option<Programming>,
}

/// A programming of a device that remembers its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Programming {
    /// How many programmings there were before it.
    pub number: u64,
    /// Shots played before it.
    pub at_shot: u64,
    /// The parameters, in the interface's units.
    pub parameters: Vec<f32>,
}

impl Usage {
    /// The usage after `shots` shots without programming.
    #[must_use]
    pub fn after(shots: u64) -> Self {
        Self { shots, programming: None }
    }
}
