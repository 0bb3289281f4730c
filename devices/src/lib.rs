//! Physical layers: systems that turn drives into measurements.
//!
//! A [`PhysicalLayer`] is a black box with an [`Interface`] (channels, ranges, units) and one
//! verb, [`measure`](PhysicalLayer::measure). Simulated devices live in a room by their physics
//! ([`optical`], [`mechanical`]); [`imperfections`] wrap any layer with what a laboratory adds; a [`Boundary`]
//! stands between a device and everybody who drives it, so that nothing out of range gets through.
//!
//! Every simulated device has two models: the *nominal* one (what the lab believes) and the
//! *fabricated* one (what it has). Their difference is the reality gap.

#![warn(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "they panic where the output is a closed pipe or a full disk"
)]

pub mod boundary;
#[cfg(any(feature = "rig", feature = "recording"))]
mod checksum;
pub mod differentiable;
pub mod electronic;
mod elementary;
pub mod error;
pub mod imperfections;
pub mod interface;
pub mod lanes;
pub mod layer;
mod matrix_product;
pub mod mechanical;
pub mod optical;
pub mod probe;
pub mod random;
#[cfg(feature = "recording")]
pub mod recording;
#[cfg(feature = "rig")]
pub mod rig;
pub mod simulated;
pub mod slew;
pub mod usage;
pub mod validate;
mod waveform;
pub mod whole_file;

pub use boundary::{Boundary, BoundaryCounts, ShotCounter};
pub use differentiable::{Constant, Differentiable, LinearisedEquation};
pub use elementary::{tanh, vectorised};
pub use error::DeviceError;
pub use imperfections::ImperfectionsConfig;
pub use interface::{Bank, Channel, Channels, Interface};
pub use lanes::Simulation;
pub use layer::{PhysicalLayer, runs_of_equal_parameters};
pub use matrix_product::multiply;
pub use nalgebra;
pub use simulated::{DeviceConfig, DeviceKind, SimulatedDevice};
pub use slew::SlewLimit;
pub use usage::{Programming, Usage};
pub use waveform::interleave;
pub use whole_file::write_whole;
