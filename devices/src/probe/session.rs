//! The device under test.

use std::time::Instant;

use nalgebra::{DMatrix, DVector};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::{Channels, DeviceError, PhysicalLayer};

/// A device under test, and the shots that it has played.
pub(super) struct Session<'a> {
    pub device: &'a mut dyn PhysicalLayer,
    pub random: ChaCha8Rng,
    pub start: Instant,
    pub shots: u64,
}

impl Session<'_> {
    /// Readings `[n_outputs × shots]` of `inputs` `[n_inputs × shots]`.
    pub fn play(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
    ) -> Result<DMatrix<f32>, DeviceError> {
        let outputs = self.device.interface().outputs.len();
        let mut measured = DMatrix::zeros(outputs, inputs.ncols());
        self.device.measure(inputs, parameters, &mut measured)?;
        self.shots += inputs.ncols() as u64;
        Ok(measured)
    }

    /// Random drives over all of the ranges, `[n_inputs × shots]`.
    pub fn any_inputs(&mut self, shots: usize) -> DMatrix<f32> {
        let channels = self.device.interface().inputs.clone();
        let columns: Vec<_> = (0..shots).map(|_| self.within(&channels, 1.0)).collect();
        DMatrix::from_columns(&columns)
    }

    /// Random parameters over all of the ranges.
    pub fn any_parameters(&mut self) -> DVector<f32> {
        let channels = self.device.interface().parameters.clone();
        self.within(&channels, 1.0)
    }

    /// Values uniform over `share` of each range, about its middle.
    pub fn within(&mut self, channels: &Channels, share: f32) -> DVector<f32> {
        let values = channels.iter().map(|channel| {
            let middle = 0.5 * (channel.minimum + channel.maximum);
            middle + share * 0.5 * channel.span() * self.random.random_range(-1.0f32..=1.0)
        });
        DVector::from_iterator(channels.len(), values.collect::<Vec<_>>())
    }
}
