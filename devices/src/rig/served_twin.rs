//! A digital twin that a real device serves beside its measurements.

use std::fmt;
use std::sync::Arc;

use nalgebra::DMatrix;

use super::shared::Shared;
use super::work::Work;
use crate::boundary::clamp;
use crate::{Channels, DeviceError, Interface};

/// The digital twin of a rig, computed at the other end of the rig's link.
///
/// Asking it plays no shot and drives nothing: a device in its safe state stays there. Its answers wait for shots
/// that are being measured, and shots for them. After the rig is dropped, or all devices have been made safe, it
/// answers [`RigError::Interrupted`](super::RigError::Interrupted).
#[derive(Clone)]
pub struct ServedTwin {
    interface: Interface,
    shared: Arc<Shared>,
}

impl ServedTwin {
    pub(super) fn new(interface: Interface, shared: Arc<Shared>) -> Self {
        Self { interface, shared }
    }

    /// Channels, ranges and units: those of the device.
    #[must_use]
    pub fn interface(&self) -> &Interface {
        &self.interface
    }

    /// Predicted readings `[n_outputs × shots]` at `inputs` `[n_inputs × shots]`; values out of range are clamped.
    /// Shots come in as many runs of equal length as `parameters` `[n_parameters × groups]` has columns.
    ///
    /// # Errors
    /// [`DeviceError::Shape`] where a size does not fit; [`DeviceError::Rig`] where the twin or the link fails, as
    /// for measurements.
    pub fn predict(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DMatrix<f32>,
    ) -> Result<DMatrix<f32>, DeviceError> {
        self.check(inputs, parameters)?;
        let inputs = &within(&self.interface.inputs, inputs);
        let parameters = &within(&self.interface.parameters, parameters);
        let shots = inputs.ncols();
        let mut outputs = Vec::with_capacity(self.interface.outputs.len() * shots);
        self.ask(Work::Predict, inputs.as_slice(), parameters, shots, |answers| {
            outputs.extend_from_slice(answers);
        })?;
        Ok(DMatrix::from_vec(self.interface.outputs.len(), shots, outputs))
    }

    /// Vector-Jacobian product: the cotangents of `inputs` `[n_inputs × shots]` and of `parameters`
    /// `[n_parameters × groups]`, these summed over the shots of each group, from the readings' `cotangents`
    /// `[n_outputs × shots]`. Groups as for [`predict`](Self::predict).
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn vjp(
        &self,
        inputs: &DMatrix<f32>,
        parameters: &DMatrix<f32>,
        cotangents: &DMatrix<f32>,
    ) -> Result<(DMatrix<f32>, DMatrix<f32>), DeviceError> {
        self.check(inputs, parameters)?;
        let inputs = &within(&self.interface.inputs, inputs);
        let parameters = &within(&self.interface.parameters, parameters);
        let Interface { inputs: drives, outputs: readings, .. } = &self.interface;
        self.interface.check_size(
            "the readings' cotangents of a shot",
            readings.len(),
            cotangents.nrows(),
        )?;
        self.interface.check_size(
            "the readings' cotangents",
            inputs.ncols(),
            cotangents.ncols(),
        )?;
        let (n_inputs, shots, groups) = (drives.len(), inputs.ncols(), parameters.ncols());
        let mut values = Vec::with_capacity(inputs.len() + cotangents.len());
        for (x, dy) in inputs.column_iter().zip(cotangents.column_iter()) {
            values.extend(x.iter().chain(&dy));
        }
        let width = Work::Vjp.answer_width(&self.interface);
        let mut dx = Vec::with_capacity(inputs.len());
        let mut dtheta = Vec::with_capacity(parameters.len());
        let mut sum = vec![0.0f64; parameters.nrows()];
        self.ask(Work::Vjp, &values, parameters, shots, |answers| {
            sum.fill(0.0);
            for shot in answers.chunks_exact(width) {
                let (of_inputs, of_parameters) = shot.split_at(n_inputs);
                dx.extend_from_slice(of_inputs);
                sum.iter_mut()
                    .zip(of_parameters)
                    .for_each(|(sum, value)| *sum += f64::from(*value));
            }
            dtheta.extend(sum.iter().map(|sum| *sum as f32));
        })?;
        let dtheta = DMatrix::from_vec(parameters.nrows(), groups, dtheta);
        Ok((DMatrix::from_vec(n_inputs, shots, dx), dtheta))
    }

    /// Asks for `work` on `values` `[shots · width]`, group after group; `take` gets the answers of each.
    fn ask(
        &self,
        work: Work,
        values: &[f32],
        parameters: &DMatrix<f32>,
        shots: usize,
        mut take: impl FnMut(&[f32]),
    ) -> Result<(), DeviceError> {
        let each = work.width(&self.interface) * (shots / parameters.ncols().max(1));
        for (group, setting) in parameters.column_iter().enumerate() {
            let values = &values[group * each..(group + 1) * each];
            let pump = self.shared.ask(work, setting.as_slice(), values)?;
            take(pump.host().outputs());
        }
        Ok(())
    }

    fn check(&self, inputs: &DMatrix<f32>, parameters: &DMatrix<f32>) -> Result<(), DeviceError> {
        self.interface.check_size(
            "the inputs of a shot",
            self.interface.inputs.len(),
            inputs.nrows(),
        )?;
        self.interface.check_size(
            "the parameters",
            self.interface.parameters.len(),
            parameters.nrows(),
        )?;
        let (shots, groups) = (inputs.ncols(), parameters.ncols());
        let whole = shots.checked_div(groups).unwrap_or(0) * groups;
        self.interface.check_size("the shots in groups of equal length", whole, shots)
    }
}

impl fmt::Debug for ServedTwin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServedTwin").field("target", &self.shared.target()).finish_non_exhaustive()
    }
}

/// `values` `[channels × columns]` inside the ranges: conversions from normalised values round past their ends.
fn within(channels: &Channels, values: &DMatrix<f32>) -> DMatrix<f32> {
    let mut values = values.clone();
    clamp(channels, values.as_mut_slice());
    values
}
