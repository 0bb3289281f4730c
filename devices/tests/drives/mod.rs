//! Random drives and parameters, and the readings to them.

#![allow(dead_code, clippy::unwrap_used, reason = "each test uses its part, and may panic")]

use nalgebra::{DMatrix, DVector};
use rand::RngExt;
use twinprop_devices::{Channels, Differentiable, random};

/// Uniform over a share of the channels' ranges, a column a shot.
pub fn drives(channels: &Channels, shots: usize, share: f32, seed: u64) -> DMatrix<f32> {
    let mut random = random::stream(seed, "test values");
    let every_shot = (0..shots).flat_map(|_| channels.iter());
    DMatrix::from_iterator(
        channels.len(),
        shots,
        every_shot.map(|channel| {
            let middle = 0.5 * (channel.minimum + channel.maximum);
            middle + 0.5 * share * channel.span() * random.random_range(-1.0..1.0f32)
        }),
    )
}

/// Parameters of `device`, uniform over seven tenths of their ranges.
pub fn setting(device: &dyn Differentiable, seed: u64) -> DVector<f32> {
    drives(&device.interface().parameters, 1, 0.7, seed).column(0).into_owned()
}

/// The noiseless readings of `device`.
pub fn respond(
    device: &dyn Differentiable,
    x: &DMatrix<f32>,
    parameters: &DVector<f32>,
) -> DMatrix<f32> {
    let mut y = DMatrix::zeros(device.interface().outputs.len(), x.ncols());
    device.respond(x, parameters, &mut y).unwrap();
    y
}
