//! Channels that are moved together, and directions that move them.

use std::ops::Range;

use nalgebra::DMatrix;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use twinprop_devices::Channels;

/// Channels that are moved together.
pub(super) struct Group {
    pub name: String,
    /// Place of the first channel among inputs and parameters.
    pub first: usize,
    pub count: usize,
    pub is_input: bool,
}

/// The groups of a device: its banks of inputs and of parameters.
pub(super) fn groups(inputs: &Channels, parameters: &Channels) -> Vec<Group> {
    let sides = [("input", inputs, true), ("parameter", parameters, false)];
    let banks = sides.into_iter().flat_map(|(side, channels, is_input)| {
        channels.banks().iter().map(move |bank| (side, bank, is_input))
    });
    let mut first = 0;
    let groups = banks.map(|(side, bank, is_input)| {
        let group =
            Group { name: format!("{side} {}", bank.name), first, count: bank.count, is_input };
        first += bank.count;
        group
    });
    groups.filter(|group| group.count > 0).collect()
}

/// Directions about a point, drawn when they are needed: all together they would fill the memory.
pub(super) struct Directions {
    /// Random numbers, where the directions begin.
    pub random: ChaCha8Rng,
    /// Places of the group's channels.
    pub places: Range<usize>,
}

impl Directions {
    /// The first `count` of them, `[channels × count]`: ± its range on each channel of the group.
    pub fn first(&self, channels: &Channels, count: usize) -> DMatrix<f32> {
        let mut random = self.random.clone();
        let mut directions = DMatrix::zeros(channels.len(), count);
        for mut direction in directions.column_iter_mut() {
            let places =
                channels.iter().enumerate().skip(self.places.start).take(self.places.len());
            for (place, channel) in places {
                let span = channel.span();
                direction[place] = if random.random::<bool>() { span } else { -span };
            }
        }
        directions
    }
}
