//! Noise of a true chip: of its membranes, and of the link that carries its spikes.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::neuromorphic::Spikes;

/// Noise of the membranes and of the link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    /// Probability that a spike is lost, on the way to the chip and from it.
    pub loss: f64,
    /// Probability that a recorded spike is one step late.
    pub jitter: f64,
    /// Standard deviation of what a step adds to a membrane.
    pub noise: f32,
}

impl Link {
    /// Adds noise to the membranes of a step.
    pub fn disturb(&self, membranes: &mut [f32], random: &mut ChaCha8Rng) {
        if self.noise > 0.0 {
            for membrane in membranes {
                let normal: f32 = StandardNormal.sample(random);
                *membrane += self.noise * normal;
            }
        }
    }

    /// Adds `spikes` without those that are lost to `passed`.
    pub fn pass_on(&self, spikes: &Spikes, passed: &mut Spikes, random: &mut ChaCha8Rng) {
        for step in 0..spikes.steps() {
            for &line in spikes.at(step) {
                if self.loss == 0.0 || !random.random_bool(self.loss) {
                    passed.fire(line);
                }
            }
            passed.end_step();
        }
    }

    /// Writes `spikes` of `lines` lines into a raster `cells` as they are recorded.
    pub fn record(
        &self,
        spikes: &Spikes,
        cells: &mut [f32],
        lines: usize,
        random: &mut ChaCha8Rng,
    ) {
        if self.loss == 0.0 && self.jitter == 0.0 {
            return spikes.write_raster(cells, lines);
        }
        cells.fill(0.0);
        for step in 0..spikes.steps() {
            for &line in spikes.at(step) {
                if self.loss > 0.0 && random.random_bool(self.loss) {
                    continue;
                }
                let cell = step * lines + line as usize;
                let is_late = self.jitter > 0.0 && random.random_bool(self.jitter);
                let late = cell + lines;
                cells[if is_late && late < cells.len() { late } else { cell }] = 1.0;
            }
        }
    }
}
