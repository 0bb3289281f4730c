//! Refinement: a twin keeps learning while it is used.
//!
//! ```text
//! shots that are played anyway ──► Replay ──► Refiner (a thread with a Learner) ──► DigitalTwin
//! ```
//!
//! As the parameters move, or the device drifts, the twin is asked where it was never fitted; but the
//! device has just answered there. A [`Learner`] takes steps on those answers beside the training, and
//! its copy takes the twin's place.

mod constants;
mod ensemble;
mod hybrid;
mod learner;
mod network;
mod recalibrate;
mod refiner;
mod replay;

pub(crate) use constants::ConstantLearner;
pub(crate) use ensemble::EnsembleLearner;
pub(crate) use hybrid::HybridLearner;
pub use learner::Learner;
pub(crate) use network::NetworkLearner;
pub use recalibrate::{SHOTS_A_SETTING, recalibrate};
pub use refiner::{Learned, Lesson, Refiner, RefinerState, Untold};
pub use replay::Replay;
