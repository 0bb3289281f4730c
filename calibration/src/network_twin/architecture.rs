//! The contract of a network that a [`NetworkTwin`](super::NetworkTwin) is made of.

use burn::tensor::{Device, Tensor};
use serde::Serialize;
use serde::de::DeserializeOwned;
use twinprop_devices::Interface;

use super::units::Units;
use crate::twin::Linearised;

/// A network from normalised drives to normalised readings.
///
/// Drives x̂ `[shots, n_inputs]` and parameters θ̂ `[groups, n_parameters]` have ranges mapped to
/// [−1, 1]; readings ŷ `[shots, n_outputs]` have mean zero and variance one. Shots come in `groups`
/// runs of equal length that share their parameters, as
/// [`DigitalTwin`](crate::DigitalTwin) says.
pub trait Architecture: Clone + Send + Sync + 'static {
    /// Its size, as a recipe has it.
    type Config: Clone + Serialize + DeserializeOwned;

    /// The key of its size in a twin's JSON file.
    const KIND: &'static str;

    /// An untrained network for a device with `interface`, its weights drawn from `seed`.
    fn draw(config: &Self::Config, interface: &Interface, seed: u64, device: &Device) -> Self;

    /// A network with given weights, in the order of [`weights`](Self::weights).
    fn with_weights(
        config: Self::Config,
        interface: &Interface,
        weights: Vec<Tensor<2>>,
        device: &Device,
    ) -> Self;

    /// Its size.
    fn config(&self) -> &Self::Config;

    /// Its weights.
    fn weights(&self) -> &[Tensor<2>];

    /// Its weights, to be changed.
    fn weights_mut(&mut self) -> &mut [Tensor<2>];

    /// x̂, θ̂ → ŷ.
    fn forward(&self, inputs: Tensor<2>, parameters: Tensor<2>) -> Tensor<2>;

    /// Mean square of the differences from the measured ŷ `readings`, and its gradient by each of
    /// the [`weights`](Self::weights).
    fn learn(
        &self,
        inputs: Tensor<2>,
        parameters: Tensor<2>,
        readings: Tensor<2>,
    ) -> (Tensor<1>, Vec<Tensor<2>>);

    /// The twin at `x` `[shots, n_inputs]` and `theta` `[groups, n_parameters]`, both in the device's
    /// `units`, where the network has an adjoint of its own; otherwise burn differentiates
    /// [`forward`](Self::forward).
    fn linearise(
        &self,
        _units: &Units,
        _x: Tensor<2>,
        _theta: Tensor<2>,
    ) -> Option<Box<dyn Linearised>> {
        None
    }

    /// Multiply-adds of one shot's prediction, to leading order.
    fn multiply_adds(&self) -> u64;
}
