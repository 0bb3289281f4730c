//! Data sets from files: tables, arrays, time series, recordings, MNIST's format, and new samples for a trained network.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

mod arrays;
mod csv;
mod idx;
mod new_arrays;
mod new_samples;
mod numpy;
mod sequences;
mod values;
mod wav;
