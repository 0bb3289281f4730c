//! What a run was trained on: `trained_on.json` of its folder.
//!
//! A network means something only with the features, the classes or targets and the encoder's constants of its training,
//! and on devices with the channels that it was trained on. They are written down before the first shot; a
//! run that is opened again is compared with them, and new samples are read by them without the training data.

mod adopt;
mod changes;
mod digest;
mod record;
mod refusal;

pub(super) use self::adopt::adopt;
pub(super) use self::changes::listed;
pub use self::record::{Half, TrainedFeature, TrainedOn};
pub(super) use self::refusal::{ChangedPart, check_loaded, refuse};
