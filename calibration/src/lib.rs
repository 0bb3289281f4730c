//! Digital twins: differentiable models of physical layers, fitted to their shots.
//!
//! ```text
//! design ──► measure ──► Shots ──► fit ──► DigitalTwin ──► fidelity
//! ```
//!
//! A [`Design`](design::DesignConfig) says which shots to take, [`Shots`] are what came back,
//! [`NeuralTwin::fit`](NetworkTwin::fit) turns them into a twin, and [`fidelity`] says how far to trust it.
//! [`EquationTwin`] is a simulated device's equation: what a lab knows without a shot, or, on the
//! fabricated constants, the upper bound.

#![warn(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "they panic where the output is a closed pipe or a full disk"
)]

mod activation;
pub mod adam;
pub mod bridge;
pub mod design;
pub mod drift;
pub mod ensemble;
pub mod equation;
pub mod error;
pub mod fidelity;
pub mod fit;
pub mod hybrid;
pub mod identify;
pub mod moments;
pub mod network_twin;
pub mod neural;
pub mod ranges;
pub mod refine;
pub mod shots;
pub mod state;
pub mod store;
pub mod temporal;
pub mod tensors;
pub mod twin;
pub mod twin_config;

pub use burn;
pub use nalgebra;

pub use adam::Adam;
pub use drift::{Drift, Reference, WatchConfig};
pub use ensemble::{Ensemble, EnsembleConfig};
pub use equation::EquationTwin;
pub use error::CalibrationError;
pub use fidelity::{Estimate, Fidelity, FidelityConfig};
pub use fit::FitConfig;
pub use hybrid::{HybridConfig, HybridTwin};
pub use identify::IdentifyConfig;
pub use moments::ReadingMoments;
pub use network_twin::{Architecture, NetworkTwin};
pub use neural::{NeuralTwin, NeuralTwinConfig};
pub use ranges::RangeMap;
pub use refine::{Refiner, Replay};
pub use shots::{Run, Shots};
pub use temporal::{TemporalTwin, TemporalTwinConfig};
pub use tensors::{TensorEquation, in_tensors};
pub use twin::{DigitalTwin, Learner, Linearised, at_point};
pub use twin_config::{FitProgress, FitSummary, Fitting, TwinConfig};
