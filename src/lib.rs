//! twinprop trains physical systems as neural networks: **the forward pass runs on the physical
//! system, the backward pass through its digital twin.**
//!
//! ```text
//! data ─► network::encode ─► network::physical (device) ─► … ─► network::readout ─► loss
//!                              │                                                        │
//!                              └── calibration: the device's twin ◄── vjp ◄─────────────┘
//! ```
//!
//! [`experiment`] reads a recipe and runs it; [`report`] shows the results. Devices live in
//! [`twinprop_devices`], twins in [`twinprop_calibration`].

#![warn(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "they panic where the output is a closed pipe or a full disk; `outln!` and `errln!` do not"
)]

pub mod backend;
pub mod data;
pub mod error;
pub mod experiment;
pub mod loss;
pub mod network;
pub mod report;
pub mod rules;
pub mod training;
pub mod view;

pub use backend::Backend;
#[cfg(feature = "remote")]
pub use backend::BackendServer;
pub use error::Error;
pub use rules::Rule;
pub use twinprop_calibration as calibration;
pub use twinprop_devices as devices;

/// The README's code is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
