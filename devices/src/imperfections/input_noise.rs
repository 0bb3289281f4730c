//! Noise on the drives.

use nalgebra::{DMatrix, DVector};

use crate::random::ShotStream;
use crate::{DeviceError, Interface, PhysicalLayer, Usage};

/// Adds Gaussian noise to every data drive of every shot, kept inside the channel's range.
pub struct InputNoise<L> {
    layer: L,
    strength: f32,
    random: ShotStream,
    shots: u64,
    noisy: DMatrix<f32>,
}

impl<L: PhysicalLayer> InputNoise<L> {
    /// `strength`: standard deviation as a share of each channel's range.
    pub fn new(layer: L, strength: f64, seed: u64) -> Self {
        Self {
            layer,
            strength: strength as f32,
            random: ShotStream::new(seed, "input noise"),
            shots: 0,
            noisy: DMatrix::zeros(0, 0),
        }
    }

    /// Copies the drives of the next shots and adds their noise.
    fn add_noise(&mut self, inputs: &DMatrix<f32>) {
        let channels = &self.layer.interface().inputs;
        self.noisy.clone_from(inputs);
        let noisy = self.noisy.as_mut_slice();
        self.random.each_shot(
            self.shots,
            channels.len(),
            noisy,
            #[inline(always)]
            |_, normals, drives| {
                let runs = channels.runs_mut(drives).zip(channels.runs(normals));
                for ((bank, drives), (_, normals)) in runs {
                    let deviation = self.strength * bank.span();
                    for (drive, normal) in drives.iter_mut().zip(normals) {
                        *drive = (*drive + deviation * normal).clamp(bank.minimum, bank.maximum);
                    }
                }
            },
        );
        self.shots += inputs.ncols() as u64;
    }
}

impl<L: PhysicalLayer> PhysicalLayer for InputNoise<L> {
    fn interface(&self) -> &Interface {
        self.layer.interface()
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.add_noise(inputs);
        self.layer.measure(&self.noisy, parameters, outputs)
    }

    fn measure_each(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.add_noise(inputs);
        self.layer.measure_each(&self.noisy, parameters, outputs)
    }

    fn measure_settings(
        &mut self,
        inputs: &DMatrix<f32>,
        settings: &DMatrix<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        self.add_noise(inputs);
        self.layer.measure_settings(&self.noisy, settings, outputs)
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
