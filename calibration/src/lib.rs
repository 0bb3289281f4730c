//! Digital twins: differentiable models of physical layers, fitted to their shots.
//!
//! ```text
//! design ──► measure ──► Shots ──► fit ──► DigitalTwin ──► fidelity
//! ```
//!
//! A [`Design`](design::DesignConfig) says which shots to take, [`Shots`] are what came back,
//! [`fit`] turns them into a [`NeuralTwin`], and [`fidelity`] says how far to trust it.
//! [`ExactTwin`] is a simulated device's own equation: the upper bound.

pub mod adam;
pub mod bridge;
pub mod design;
pub mod error;
pub mod exact;
pub mod fidelity;
pub mod fit;
pub mod neural;
pub mod shots;
pub mod store;
pub mod twin;

pub use adam::AdamList;
pub use error::CalibrationError;
pub use exact::ExactTwin;
pub use fidelity::Fidelity;
pub use fit::FitConfig;
pub use neural::{NeuralTwin, NeuralTwinConfig};
pub use shots::Shots;
pub use twin::DigitalTwin;
