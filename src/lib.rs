//! twinprop trains physical systems as neural networks: **the forward pass runs on the physical
//! system, the backward pass through its digital twin** (physics-aware training; Wright, Onodera et al., Nature 601,
//! 549, 2022).
//!
//! ```text
//!           inputs x ──► encode ──► PhysicalLayer ──► … ──► readout ──► loss
//!                                    (measure)                            │
//!                                                                         │ dL/dy
//!    parameters θ ◄── optimiser ◄── dL/dθ ◄── DigitalTwin (vjp at the measured x, θ, y) ◄──┘
//! ```
//!
//! # A first training
//!
//! ```
//! use twinprop::experiment::{Given, Recipe, RunOptions, train_recipe};
//! use twinprop::training::Unobserved;
//!
//! // Handwritten digits, twice through 64 coupled oscillators. The digital twin is their nominal equation.
//! let recipe = Recipe::parse(
//!     r#"
//!     network = [
//!         "encode",
//!         { physical = { device = "array", start = 0.06 } }, "scale",
//!         { physical = { device = "array", start = 0.06 } }, "scale",
//!         "readout",
//!     ]
//!     data = { source = "digits" }
//!     devices = { array = { model = { oscillators = { count = 64, largest_angle = 1.5 } } } }
//!     calibration = { twin = "physics", test_shots = 100 }
//!     training = { epochs = 5, learning_rate = 0.02 }
//!     accounting = { digital_peer = false }
//!     "#,
//! )?;
//! let folder = tempfile::tempdir()?;
//! let options = RunOptions { out: Some(folder.path().join("run")), ..RunOptions::default() };
//! let (summary, _) =
//!     train_recipe(&recipe, "digits", Given::default(), &options, &mut Unobserved)?;
//! assert!(summary.test.value() > 0.9, "{}", summary.test);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where to go next
//!
//! | you have | start at |
//! |---|---|
//! | a device of your own | [`devices::PhysicalLayer`], `examples/own_device.rs` |
//! | a loss of your own | [`loss::Loss`], `examples/own_loss.rs` |
//! | a digital twin of your own | [`calibration::DigitalTwin`], `examples/own_twin.rs` |
//! | a training rule of your own | [`rules::TrainingRule`], `examples/own_rule.rs` |
//! | a loop of your own | [`network::Network`], `examples/own_loop.rs` |
//! | no recipe: a network built by hand | [`training::Trainer`], `examples/without_recipe.rs` |
//! | arrays in memory | [`data::Split::new`], `examples/own_loss.rs` |
//! | a recipe | [`experiment::Recipe`], [`experiment::train`] |
//! | a spiking network of another simulator, or for one | module `nir`, with the feature `nir` |
//! | a progress bar or a log of your own | [`training::Observer`] |
//!
//! The modules build on each other, from the bottom: [`devices`] and [`calibration`], which are crates of their own,
//! [`loss`] and [`data`], [`network`], [`rules`], [`training`], [`experiment`], [`report`].
//!
//! # Features
//!
//! `cli` (default) is the command line with its terminal display, `png` (default) writes figures as PNG beside
//! SVG, `serial` (default) opens serial ports. `nir` reads and writes spiking networks as NIR files, and needs the C library
//! HDF5. `ndarray`, `wgpu`, `vulkan`, `cuda` and `remote` are further backends.

#![warn(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "they panic where the output is a closed pipe or a full disk; `outln!` and `errln!` do not"
)]

pub mod backend;
#[cfg(feature = "cli")]
pub mod cli;
mod counted;
pub mod data;
pub mod error;
pub mod experiment;
pub mod loss;
pub mod network;
#[cfg(feature = "nir")]
pub mod nir;
pub mod report;
pub mod rules;
pub mod training;
#[cfg(feature = "cli")]
pub mod view;

pub use backend::Backend;
#[cfg(feature = "remote")]
pub use backend::BackendServer;
pub use burn;
pub use error::Error;
pub use nalgebra;
pub use rules::Rule;
pub use twinprop_calibration as calibration;
pub use twinprop_devices as devices;

/// The book's code in Rust is a test.
#[cfg(doctest)]
#[doc = include_str!("../docs/src/tutorials/rust.md")]
struct BookInRust;
