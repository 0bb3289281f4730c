//! Owen-scrambled Sobol points (Sobol 1967; Owen 1995; Burley, JCGT 9(4), 2020).

use nalgebra::DMatrix;
use rand::{Rng, RngExt};
use sobol_burley::{NUM_DIMENSIONS, sample};
use twinprop_devices::Channels;

/// Number of points of a sequence.
const LENGTH: usize = 1 << 16;

/// `[channels × shots]` in the channels' units. Channels beyond the sequence's dimensions, and shots
/// beyond its length, are drawn from further sequences with other seeds.
pub(super) fn draw(channels: &Channels, shots: usize, random: &mut impl Rng) -> DMatrix<f32> {
    let dimensions = NUM_DIMENSIONS as usize;
    let sequences = channels.len().div_ceil(dimensions) * shots.div_ceil(LENGTH);
    let seeds: Vec<u32> = (0..sequences).map(|_| random.random()).collect();
    let mut drives = DMatrix::zeros(channels.len(), shots);
    for (shot, mut drive) in drives.column_iter_mut().enumerate() {
        let first = shot / LENGTH * channels.len().div_ceil(dimensions);
        for (row, (drive, channel)) in drive.iter_mut().zip(channels.iter()).enumerate() {
            let seed = seeds[first + row / dimensions];
            let place = sample((shot % LENGTH) as u32, (row % dimensions) as u32, seed);
            *drive = channel.minimum + channel.span() * place;
        }
    }
    drives
}

#[cfg(test)]
mod tests {
    use super::*;
    use twinprop_devices::random::stream;

    /// Every square of a grid over two channels holds one point; independent draws would leave some
    /// empty.
    #[test]
    fn pairs_of_channels_are_filled_evenly() {
        let channels = Channels::bank("drive", 300, "V", -2.0, 3.0);
        let (shots, side) = (256, 16);
        let drives = draw(&channels, shots, &mut stream(3, "test"));
        let section = |row: usize, shot: usize| {
            let place = (drives[(row, shot)] + 2.0) / 5.0;
            ((place * side as f32) as usize).min(side - 1)
        };
        let mut hits = vec![0; side * side];
        (0..shots).for_each(|shot| hits[section(0, shot) * side + section(1, shot)] += 1);
        assert!(hits.iter().all(|&count| count == 1), "{hits:?}");
        // Channels beyond the sequence's dimensions: stratified, and different from the first channels.
        let mut hits = vec![0; side];
        (0..shots).for_each(|shot| hits[section(299, shot)] += 1);
        assert!(hits.iter().all(|&count| count == shots / side), "{hits:?}");
        assert_ne!(drives.row(0), drives.row(256));
    }
}
