//! Physical layers: systems that turn drives into measurements.
//!
//! ```text
//!  drives, parameters ──► Boundary ──► noise, converters, drift ──► device ──► measurements
//!                         (clamps,     (imperfections)              (simulated, a rig,
//!                          counts)                                   a recording, your own)
//! ```
//!
//! A [`PhysicalLayer`] is a black box: its [`Interface`] says which channels it has, with ranges and units,
//! and [`measure`](PhysicalLayer::measure) plays drives and returns measurements. It has no gradient. A
//! [`Boundary`] in front of it keeps every drive within its range.
//!
//! ```
//! use twinprop_devices::nalgebra::{DMatrix, DVector};
//! use twinprop_devices::optical::SecondHarmonicConfig;
//! use twinprop_devices::{Boundary, DeviceConfig, DeviceKind, ImperfectionsConfig, PhysicalLayer};
//!
//! let config = DeviceConfig {
//!     model: DeviceKind::SecondHarmonic(SecondHarmonicConfig::default()),
//!     imperfections: ImperfectionsConfig { mismatch: 0.05, readout_noise: 0.01, ..Default::default() },
//! };
//! // The seed draws the copy's fabrication errors and its noise.
//! let mut device = Boundary::new(config.fabricate(1)?.device);
//!
//! // Two shots, one a column: each channel in the middle of its range.
//! let interface = device.interface().clone();
//! let inputs = DMatrix::from_element(interface.inputs.len(), 2, 0.5);
//! let parameters = DVector::from_element(interface.parameters.len(), 0.5);
//! let mut outputs = DMatrix::zeros(interface.outputs.len(), 2);
//! device.measure(&inputs, &parameters, &mut outputs)?;
//! assert_eq!(device.counts().shots, 2);
//! # Ok::<(), twinprop_devices::DeviceError>(())
//! ```
//!
//! Where to go next:
//!
//! * Simulated devices: [`optical`] (second-harmonic generation, meshes of interferometers, banks of
//!   microrings, diffractive networks), [`mechanical`] (oscillators, pendula, a plate), [`electronic`] (a transistor, a
//!   crossbar) and [`neuromorphic`] (spiking chips). Each has two models: the *nominal* one, which the laboratory
//!   believes, and the *fabricated* one, which it has. Their difference is the reality gap. Both are
//!   [`Differentiable`] by a hand-written adjoint.
//! * [`imperfections`]: noise, converters and drift around any layer.
#![cfg_attr(
    feature = "rig",
    doc = "* [`rig`]: real devices on a socket or as a child process (feature `rig`), or on a serial port (feature `serial`)."
)]
#![cfg_attr(
    feature = "recording",
    doc = "* [`recording`]: shots on disk, and a recording as a device (feature `recording`)."
)]
//! * [`probe`]: latency, repeatability, drift and linearity of a device.
//! * A device of your own: implement [`PhysicalLayer`]; for a simulated one, implement
//!   [`Equation`](lanes::Equation) and let [`Simulation`] run it on many shots at once.
//!
//! All three features are on by default. Without them nothing that only they need is compiled.

#![warn(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "they panic where the output is a closed pipe or a full disk"
)]

pub mod boundary;
#[cfg(any(feature = "rig", feature = "recording"))]
mod checksum;
mod complex_channels;
pub mod differentiable;
pub mod electronic;
mod elementary;
pub mod error;
pub mod imperfections;
pub mod interface;
pub mod lanes;
pub mod layer;
mod matrix_product;
mod matrix_shots;
pub mod mechanical;
pub mod neuromorphic;
pub mod optical;
mod part;
mod pool;
pub mod probe;
pub mod random;
mod raster;
#[cfg(feature = "recording")]
pub mod recording;
#[cfg(feature = "rig")]
pub mod rig;
mod saturation;
pub mod shot_sampler;
pub mod shots;
pub mod shots_of_settings;
pub mod simulated;
pub mod slew;
pub mod usage;
pub mod validate;
mod waveform;
#[doc(hidden)]
pub mod whole_file;

pub use boundary::{Boundary, BoundaryCounts, ShotCounter};
pub use complex_channels::ComplexBank;
pub use differentiable::{Constant, Differentiable, Inside, LinearisedEquation};
#[doc(hidden)]
pub use elementary::{tanh, vectorised};
pub use error::DeviceError;
pub use imperfections::ImperfectionsConfig;
pub use interface::{Bank, Channel, Channels, Interface};
pub use lanes::Simulation;
pub use layer::{PhysicalLayer, measure_runs, runs_of_equal_parameters};
#[doc(hidden)]
pub use matrix_product::{add_outer, multiply, write_product};
pub use nalgebra;
pub use part::Part;
pub use shot_sampler::{SampledShot, ShotSampler};
pub use shots::{ShotRun, Shots};
pub use shots_of_settings::ShotsOfSettings;
pub use simulated::{DeviceConfig, DeviceKind, SimulatedDevice};
pub use slew::SlewLimit;
pub use usage::{Programming, Usage};
pub use waveform::interleave;
#[doc(hidden)]
pub use whole_file::write_whole;
