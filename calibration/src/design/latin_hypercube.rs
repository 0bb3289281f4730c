//! Latin hypercube sampling (McKay, Beckman & Conover 1979).

use nalgebra::DMatrix;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use twinprop_devices::Channels;

/// `[channels × shots]` in the channels' units: each channel has one value in each of `shots` equal
/// slices of its range, in an order of its own.
pub(super) fn draw(channels: &Channels, shots: usize, random: &mut impl Rng) -> DMatrix<f32> {
    let mut drives = DMatrix::zeros(channels.len(), shots);
    let mut slices: Vec<usize> = (0..shots).collect();
    for (mut row, channel) in drives.row_iter_mut().zip(channels.iter()) {
        slices.shuffle(random);
        for (drive, &slice) in row.iter_mut().zip(&slices) {
            let place = (slice as f32 + random.random::<f32>()) / shots as f32;
            *drive = channel.minimum + channel.span() * place;
        }
    }
    drives
}

#[cfg(test)]
mod tests {
    use super::*;
    use twinprop_devices::random::stream;

    #[test]
    fn every_slice_of_every_channel_has_one_value() {
        let channels = Channels::bank("drive", 5, "V", -2.0, 3.0);
        let shots = 64;
        let drives = draw(&channels, shots, &mut stream(3, "test"));
        for row in drives.row_iter() {
            let mut hits = vec![0; shots];
            for drive in row.iter() {
                hits[(((drive + 2.0) / 5.0) * shots as f32) as usize] += 1;
            }
            assert!(hits.iter().all(|&count| count == 1), "{hits:?}");
        }
    }
}
