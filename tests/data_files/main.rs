//! Data sets from files: tables, recordings, MNIST's format, and new samples for a trained network.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

mod csv;
mod idx;
mod new_samples;
mod wav;
