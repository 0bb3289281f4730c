//! What is compared.

use burn::tensor::Device;

use crate::fidelity::config::FidelityConfig;
use crate::twin::DigitalTwin;
use twinprop_devices::shots::Shots;

/// A twin that is compared with its device.
pub(in crate::fidelity) struct GradientComparison<'a> {
    pub twin: &'a dyn DigitalTwin,
    /// Shots that the twin was not fitted to, in the device's units.
    pub unseen: &'a Shots,
    pub config: &'a FidelityConfig,
    pub seed: u64,
    pub backend: &'a Device,
}
