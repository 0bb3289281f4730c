//! Refinement: a twin keeps learning while it is used.
//!
//! ```text
//! shots of a training ──► ReplayBuffer ──► Refiner (a Learner in the background) ──► DigitalTwin
//! ```
//!
//! As the parameters change, or the device drifts, the twin is used where it was not fitted; but the training
//! has just measured the device there. A [`Learner`](crate::Learner) takes steps on these shots beside the
//! training, and its copy replaces the twin.

mod recalibrate;
mod refiner;
mod replay;

pub use recalibrate::{SHOTS_A_SETTING, recalibrate};
pub use refiner::{Learned, Lesson, PendingLesson, Refiner, RefinerState};
pub use replay::ReplayBuffer;
