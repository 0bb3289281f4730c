//! Digital twins: differentiable models of physical layers, fitted to their shots.
//!
//! A physical layer is a black box: drives x and parameters θ in, readings y out, and no gradient. A
//! digital twin is a model of it that has one.
//!
//! ```text
//! DesignConfig ──► PhysicalLayer ──► Shots ──► TwinConfig::fit ──► DigitalTwin ──► vjp(x, θ, y, dy)
//!  which shots       measure           │                            │     ▲          dx, dθ
//!                                      └───────► Fidelity ◄─────────┘     └── Refiner
//!                                             how far to trust it             learns while the twin is used
//! ```
//!
//! ```
//! use twinprop_calibration::bridge::to_tensor;
//! use twinprop_calibration::burn::tensor::Device;
//! use twinprop_calibration::design::DesignConfig;
//! use twinprop_calibration::{
//!     Fidelity, FidelityConfig, FitConfig, Fitting, NeuralTwinConfig, Shots, TwinConfig,
//! };
//! use twinprop_devices::PhysicalLayer;
//! use twinprop_devices::optical::{SecondHarmonic, SecondHarmonicConfig};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A simulated device that is off its data sheet by a tenth.
//! let config =
//!     SecondHarmonicConfig { inputs: 4, parameters: 3, outputs: 5, ..Default::default() };
//! let mut device = SecondHarmonic::fabricated(&config, 0.1, 1)?;
//! let interface = device.interface().clone();
//!
//! // Measure shots over its ranges. The last hundred are not fitted to: they judge the twin.
//! let (inputs, parameters) = DesignConfig::Sobol.draw(&interface, 612, None, 1)?;
//! let (seen, unseen) =
//!     Shots::measure(&mut device, inputs, parameters, |_| ())?.split_last(100);
//!
//! // Fit a small neural twin.
//! let twin = TwinConfig::Neural(NeuralTwinConfig { width: 16, depth: 1, residual: false });
//! let fit = FitConfig { epochs: 10, batch: 32, ..FitConfig::default() };
//! let backend = Device::flex();
//! let fitting =
//!     Fitting { interface: &interface, nominal: None, fit: &fit, seed: 1, backend: &backend };
//! let twin = twin.fit(fitting, &seen, &mut |_| ())?;
//!
//! // Its readings, and its vector-Jacobian product at the measured readings.
//! let (x, theta) = (to_tensor(&unseen.inputs, &backend), to_tensor(&unseen.parameters, &backend));
//! let predicted = twin.predict(x.clone(), theta.clone());
//! let measured = to_tensor(&unseen.outputs, &backend);
//! let dy = predicted - measured.clone();
//! let (dx, dtheta) = twin.vjp(x, theta, measured, dy);
//! assert_eq!((dx.dims(), dtheta.dims()), ([100, 4], [100, 3]));
//!
//! // How far to trust it.
//! let judge = FidelityConfig { points: 16, ..FidelityConfig::default() };
//! let fidelity =
//!     Fidelity::measure(&*twin, &mut device, &unseen, &judge, 1, &backend, |_| ())?;
//! println!("R² {:.2}, cosine {:.2}", fidelity.readings.r2, fidelity.gradient.cosine);
//! # Ok(())
//! # }
//! ```
//!
//! # Where to go next
//!
//! * A twin of your own: [`DigitalTwin`]; only `predict` is needed. One that is computed elsewhere: [`RemoteModel`].
//! * Which twin to choose: [`TwinConfig`]. [`NeuralTwin`] and [`TemporalTwin`] are networks,
//!   [`Ensemble`] several of them; [`EquationTwin`] is a simulated device's equation: on nominal
//!   constants what a lab knows without a shot, on fabricated constants the upper bound;
//!   [`HybridTwin`] is an equation and a network for the rest.
//! * Which shots to take: [`design`].
//! * Twins that keep learning while a network trains: [`refine`].
//! * Whether a device has drifted: [`Reference`].
//!
//! Drives, parameters and readings are in the device's units everywhere. A column of a nalgebra
//! matrix and a row of a burn tensor are one shot, the same bytes: [`bridge`]. Both crates are
//! re-exported as [`burn`] and [`nalgebra`], so that versions match.

#![warn(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "they panic where the output is a closed pipe or a full disk"
)]

mod activation;
pub mod adam;
pub mod bridge;
pub mod by_name;
pub mod dense;
pub mod design;
pub mod drift;
pub mod ensemble;
pub mod equation;
pub mod error;
pub mod fidelity;
pub mod fit;
pub mod hybrid;
pub mod identify;
pub mod moments;
pub mod network_twin;
pub mod neural;
pub mod ranges;
pub mod refine;
pub mod remote;
pub mod spiking;
pub mod state;
pub mod store;
pub mod temporal;
pub mod tensors;
pub mod twin;
pub mod twin_config;

pub use burn;
pub use nalgebra;

pub use adam::Adam;
pub use drift::{DriftTest, Reference, WatchConfig};
pub use ensemble::{Ensemble, EnsembleConfig};
pub use equation::EquationTwin;
pub use error::CalibrationError;
pub use fidelity::{Estimate, Fidelity, FidelityConfig};
pub use fit::FitConfig;
pub use hybrid::{HybridConfig, HybridTwin};
pub use identify::IdentifyConfig;
pub use moments::ReadingMoments;
pub use network_twin::{Architecture, NetworkTwin};
pub use neural::{NeuralTwin, NeuralTwinConfig};
pub use ranges::RangeMap;
pub use refine::{Refiner, ReplayBuffer};
pub use remote::{RemoteModel, RemoteTwin};
pub use spiking::{SpikeTrainConfig, SurrogateConfig};
pub use temporal::{TemporalTwin, TemporalTwinConfig};
pub use tensors::{TensorEquation, in_tensors, in_tensors_of};
pub use twin::{DigitalTwin, Learner, Linearised, at_point};
pub use twin_config::{FitProgress, FitSummary, Fitting, TwinConfig};
pub use twinprop_devices::{ShotRun, Shots};
