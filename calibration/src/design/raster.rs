//! Rasters of a design: random spikes.

use nalgebra::DMatrix;
use rand::{Rng, RngExt};
use twinprop_devices::Channels;

/// Largest share of the steps in which a line fires.
const LARGEST_RATE: f32 = 0.1;

/// Gives the rasters of `drives` `[channels × shots]` random spikes, unless they have spikes already: each line of a shot has
/// a rate of its own, uniform up to a tenth of the steps.
pub(super) fn draw(channels: &Channels, drives: &mut DMatrix<f32>, random: &mut impl Rng) {
    if !channels.has_raster() {
        return;
    }
    for mut shot in drives.column_iter_mut() {
        for (bank, cells) in channels.runs_mut(shot.as_mut_slice()) {
            let Some(lines) = bank.lines() else { continue };
            if cells.iter().all(|&cell| cell == 0.0 || cell == 1.0) {
                continue;
            }
            let rates: Vec<f32> =
                (0..lines).map(|_| LARGEST_RATE * random.random::<f32>()).collect();
            for step in cells.chunks_mut(lines.max(1)) {
                for (cell, rate) in step.iter_mut().zip(&rates) {
                    *cell = if random.random::<f32>() < *rate { 1.0 } else { 0.0 };
                }
            }
        }
    }
}

/// Whether each channel is a cell of a raster.
pub(super) fn is_cell(channels: &Channels) -> impl Iterator<Item = bool> + '_ {
    let banks = channels.banks().iter();
    banks.flat_map(|bank| std::iter::repeat_n(bank.steps.is_some(), bank.count))
}
