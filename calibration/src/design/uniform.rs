//! Every channel uniform over its range, independently.

use nalgebra::DMatrix;
use rand::{Rng, RngExt};
use twinprop_devices::Channel;

/// `[channels × shots]` in the channels' units.
pub(super) fn draw(channels: &[Channel], shots: usize, random: &mut impl Rng) -> DMatrix<f32> {
    DMatrix::from_fn(channels.len(), shots, |channel, _| {
        channels[channel].minimum + channels[channel].span() * random.random::<f32>()
    })
}
