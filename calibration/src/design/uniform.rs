//! Every channel uniform over its range, independently.

use nalgebra::DMatrix;
use rand::{Rng, RngExt};
use twinprop_devices::Channels;

/// `[channels × shots]` in the channels' units.
pub(super) fn draw(channels: &Channels, shots: usize, random: &mut impl Rng) -> DMatrix<f32> {
    let every_shot = (0..shots).flat_map(|_| channels.iter());
    DMatrix::from_iterator(
        channels.len(),
        shots,
        every_shot.map(|channel| channel.minimum + channel.span() * random.random::<f32>()),
    )
}
