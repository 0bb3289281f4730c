//! Noise on the readings: additive electronics noise and shot noise.

use nalgebra::{DMatrix, DVector};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::words_a_shot;
use crate::{DeviceError, Interface, PhysicalLayer, random};

/// y → y + σ_a ξ + σ_s √|y| ξ′, kept inside the detector's range.
///
/// σ_a is in the reading's full scale (1); σ_s is the standard deviation of the shot noise there.
pub struct ReadoutNoise<L> {
    layer: L,
    additive: f32,
    shot: f32,
    random: ChaCha8Rng,
    shots: u64,
}

impl<L: PhysicalLayer> ReadoutNoise<L> {
    /// `additive` and `shot`: standard deviations at full scale.
    pub fn new(layer: L, additive: f64, shot: f64, seed: u64) -> Self {
        Self {
            layer,
            additive: additive as f32,
            shot: shot as f32,
            random: random::stream(seed, "readout noise"),
            shots: 0,
        }
    }
}

impl<L: PhysicalLayer> PhysicalLayer for ReadoutNoise<L> {
    fn interface(&self) -> &Interface {
        self.layer.interface()
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.layer.measure(inputs, parameters, outputs)?;
        let channels = &self.layer.interface().outputs;
        for mut shot in outputs.column_iter_mut() {
            random::seek(&mut self.random, self.shots, words_a_shot(channels.len()));
            self.shots += 1;
            for (reading, channel) in shot.iter_mut().zip(channels) {
                let normal: f32 = StandardNormal.sample(&mut self.random);
                // Independent sources add in variance, so one deviate serves both.
                let variance = self.additive.powi(2) + self.shot.powi(2) * reading.abs();
                *reading =
                    (*reading + variance.sqrt() * normal).clamp(channel.minimum, channel.maximum);
            }
        }
        Ok(())
    }
}
