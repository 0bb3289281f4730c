//! Noise on the readings: additive electronics noise and shot noise.

use nalgebra::{DMatrix, DVector};

use crate::random::ShotStream;
use crate::{DeviceError, Interface, PhysicalLayer, Usage};

/// y/R → y/R + σ_a ξ + σ_s √(|y|/R) ξ′, clamped to the channel's range of width R.
pub struct ReadoutNoise<L> {
    layer: L,
    additive: f32,
    shot: f32,
    random: ShotStream,
    shots: u64,
}

impl<L: PhysicalLayer> ReadoutNoise<L> {
    /// `additive` and `shot`: σ_a and σ_s.
    pub fn new(layer: L, additive: f64, shot: f64, seed: u64) -> Self {
        Self {
            layer,
            additive: additive as f32,
            shot: shot as f32,
            random: ShotStream::new(seed, "readout noise"),
            shots: 0,
        }
    }

    /// Adds the noise of the next shots to their readings.
    fn add_noise(&mut self, outputs: &mut DMatrix<f32>) {
        let channels = &self.layer.interface().outputs;
        let (width, readings) = (channels.len(), outputs.as_mut_slice());
        let (additive, shot) = (self.additive.powi(2), self.shot.powi(2));
        self.random.each_shot(
            self.shots,
            width,
            readings,
            #[inline(always)]
            |_, normals, readings| {
                let runs = channels.runs_mut(readings).zip(channels.runs(normals));
                for ((bank, readings), (_, normals)) in runs {
                    let range = bank.span();
                    for (reading, normal) in readings.iter_mut().zip(normals) {
                        // Independent sources add in variance, so one deviate serves both.
                        let variance = additive + shot * reading.abs() / range;
                        *reading = (*reading + range * variance.sqrt() * normal)
                            .clamp(bank.minimum, bank.maximum);
                    }
                }
            },
        );
        self.shots += outputs.ncols() as u64;
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
        self.add_noise(outputs);
        Ok(())
    }

    fn measure_each(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.layer.measure_each(inputs, parameters, outputs)?;
        self.add_noise(outputs);
        Ok(())
    }

    fn measure_settings(
        &mut self,
        inputs: &DMatrix<f32>,
        settings: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.layer.measure_settings(inputs, settings, outputs)?;
        self.add_noise(outputs);
        Ok(())
    }

    fn plays_settings_at_once(&self) -> bool {
        self.layer.plays_settings_at_once()
    }

    fn usage(&self) -> Usage {
        Usage { shots: self.shots, ..self.layer.usage() }
    }

    fn resume(&mut self, usage: &Usage) {
        self.shots = usage.shots;
        self.layer.resume(usage);
    }
}
