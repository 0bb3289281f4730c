//! The shots that judged a twin: what the device measured, and what the twin predicted.

use nalgebra::DMatrix;
use twinprop_devices::recording;
use twinprop_devices::{Channels, Interface};

use super::calibrated::CalibrationSummary;
use super::run_folder::RunFolder;
use super::trained_on::TrainedOn;
use super::twins::file_name;
use crate::Error;
use crate::training::Unobserved;

/// A device's readings beside its twin's, of shots that the twin never saw.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgedShots {
    /// Measured, `[n_outputs × shots]`, in the device's units.
    pub measured: DMatrix<f32>,
    /// Predicted by the twin as it was calibrated, of the same shape.
    pub predicted: DMatrix<f32>,
    /// The device's output channels.
    pub outputs: Channels,
}

impl RunFolder {
    /// Name of the file of the readings that the twin of `device` predicted.
    fn predicted(device: &str) -> String {
        format!("{}.predicted.npy", file_name(device))
    }

    /// Writes the readings `[n_outputs × shots]` that the twin of `device` predicted, as an array
    /// `[shots, n_outputs]`.
    pub(super) fn write_predicted(
        &self,
        device: &str,
        readings: &DMatrix<f32>,
    ) -> Result<(), Error> {
        self.write_array(&Self::predicted(device), readings)
    }

    /// The shots that judged the twin of `device`; `None` where the folder has none, as in runs of earlier versions.
    ///
    /// # Errors
    /// [`Error::Data`] for a damaged file.
    pub fn judged_shots(
        &self,
        device: &str,
        summary: &CalibrationSummary,
    ) -> Result<Option<JudgedShots>, Error> {
        let name = Self::predicted(device);
        let interface =
            |known: &TrainedOn| -> Option<Interface> { known.devices.get(device).cloned() };
        let known = TrainedOn::of_run(self, &mut Unobserved)?;
        let (Some(twin), Some(interface), Some(predicted)) = (
            summary.twins.get(device),
            known.as_ref().and_then(interface),
            self.read_array::<f32>(&name)?,
        ) else {
            return Ok(None);
        };
        let recorded = recording::read(&self.shots(device))?.outputs;
        let (channels, shots) = (interface.outputs.len(), twin.test_shots);
        if predicted.shape() != (channels, shots) || recorded.ncols() < shots {
            let problem = format!(
                "it has {} values, and {shots} shots of {channels} channels judged the twin",
                predicted.len()
            );
            return Err(Error::Data { path: self.path().join(name), problem });
        }
        Ok(Some(JudgedShots {
            measured: recorded.columns(recorded.ncols() - shots, shots).into_owned(),
            predicted,
            outputs: interface.outputs,
        }))
    }
}
