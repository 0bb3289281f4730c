//! Experiments: from a recipe to a trained network and its run folder.
//!
//! The functions and types that a program meets first are here; the modules have the rest.
//!
//! | task | start at |
//! |---|---|
//! | train a recipe | [`train`], [`train_recipe`], [`resume`] |
//! | build a network without training it | [`prepare`] |
//! | evaluate, predict, recalibrate | [`evaluate_run`], [`predict_samples`], [`recalibrate_run`] |
//! | calibrate twins alone | [`calibration`] |
//! | compare training rules | [`compare`](mod@compare) |
//! | move a network to another copy of its devices | [`transfer`] |
//! | meta-train a plasticity rule | [`meta`] |
//! | read a run's results | [`RunFolder`], [`Summary`] |

pub mod accounting;
pub mod adapt;
mod assemble;
pub mod assemblies;
pub mod baseline;
pub mod build;
mod calibrate;
mod calibrated;
pub mod calibration;
mod checkpoint;
pub mod compare;
mod digital_network;
pub mod digital_peer;
pub mod evaluate;
pub mod feasible;
pub mod fidelity_words;
mod first_shots;
mod folder_lock;
pub mod judged;
mod keeper;
pub mod live;
mod memory;
pub mod meta;
mod npy;
pub mod options;
mod outcome;
pub mod predict;
mod preparation;
pub mod provenance;
mod recalibrate;
pub mod recipe;
mod reference;
mod renamed;
mod ridge;
mod run;
pub mod run_folder;
pub mod score_words;
pub mod served;
pub mod summary;
pub mod test_answers;
mod trained;
pub mod trained_on;
pub mod transfer;
pub mod troubles;
mod twins;
mod unopened;
pub mod verdict;
pub mod watch;

pub use build::{Experiment, Given, Setup, prepare};
pub use compare::{compare, resume_comparison};
pub use evaluate::evaluate_run;
pub use options::RunOptions;
pub use predict::predict_samples;
pub use recalibrate::recalibrate_run;
pub use recipe::Recipe;
pub use run::{resume, resume_given, train, train_recipe};
pub use run_folder::RunFolder;
pub use summary::Summary;
pub use trained::{Reopening, Trained};
