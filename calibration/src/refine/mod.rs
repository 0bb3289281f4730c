//! Refinement: a twin keeps learning while it is used.
//!
//! ```text
//! shots that are played anyway ──► Replay ──► Refiner (a Learner in the background) ──► DigitalTwin
//! ```
//!
//! As the parameters move, or the device drifts, the twin is asked where it was never fitted; but the
//! device has just answered there. A [`Learner`](crate::Learner) takes steps on those answers beside the training, and
//! its copy takes the twin's place.

mod recalibrate;
mod refiner;
mod replay;

pub use recalibrate::{SHOTS_A_SETTING, recalibrate};
pub use refiner::{Learned, Lesson, PendingLesson, Refiner, RefinerState};
pub use replay::Replay;
