//! Twins that are networks between normalised drives and normalised readings.
//!
//! ```text
//! x, θ ──[Units]──► x̂, θ̂ ──[Architecture]──► ŷ ──[Units]──► y
//! ```
//!
//! An [`Architecture`] is the network, with all of its quantities of order one. A [`NetworkTwin`]
//! puts the device's units around it, and has in one place what every network needs: the fit, its
//! files, and a learner.

mod architecture;
mod files;
mod fit;
mod groups;
mod twin;
mod units;

pub use architecture::Architecture;
pub(crate) use groups::{gather, spread};
pub(crate) use twin::NetworkLearner;
pub use twin::NetworkTwin;
pub use units::Units;
