//! The response of a device with complex drives to a phase that all of them share.

use std::f32::consts::TAU;

use nalgebra::DMatrix;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::repeatability::{Repeatability, sample_variance};
use super::session::Session;
use super::timing::Timing;
use crate::DeviceError;

/// How far readings change when the phases of all complex drives turn together. Powers do not: where they change,
/// in-phase and quadrature parts (or amplitude and phase) of the modulators do not match, or light of another phase is
/// mixed in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommonPhase {
    /// Standard deviation of each output over a turn, without its noise, as a share of its signal over random drives.
    pub change: Vec<f32>,
}

/// Phases of a turn.
const PHASES: usize = 8;
/// Most drives that are turned; a slow device plays fewer.
const DRIVES: usize = 8;
/// Share of the time for them.
const SHARE: f64 = 0.05;

impl CommonPhase {
    /// `None` for a device whose drives are not all complex amplitudes.
    pub(super) fn measure(
        session: &mut Session<'_>,
        repeatability: &Repeatability,
        timing: &Timing,
        seconds: f64,
    ) -> Result<Option<Self>, DeviceError> {
        let interface = session.device.interface().clone();
        let banks = interface.inputs.complex_banks();
        let complex: usize = banks.iter().map(|bank| 2 * bank.first.len()).sum();
        if complex == 0 || complex != interface.inputs.len() {
            return Ok(None);
        }
        let shots = (SHARE * seconds / timing.seconds_per_shot()) as usize;
        let drives = (shots / PHASES).clamp(1, DRIVES);
        let mut variances = Vec::with_capacity(drives);
        for _ in 0..drives {
            let parameters = session.any_parameters();
            let mut inputs = DMatrix::zeros(interface.inputs.len(), PHASES);
            for bank in &banks {
                for number in 0..bank.first.len() {
                    let magnitude = bank.largest() * session.random.random_range(0.0..1.0f32);
                    let phase = session.random.random_range(0.0..TAU);
                    for (turn, mut shot) in inputs.column_iter_mut().enumerate() {
                        let phase = phase + TAU * turn as f32 / PHASES as f32;
                        bank.set(shot.as_mut_slice(), number, magnitude, phase);
                    }
                }
            }
            let measured = session.play(&inputs, &parameters)?;
            variances.push(sample_variance(&interface.outputs.in_binary_units(&measured)));
        }
        let variance = DMatrix::from_columns(&variances).column_mean();
        let Repeatability { noise, signal } = repeatability;
        let units = interface.outputs.binary_units();
        let change = variance.iter().zip(units).zip(noise.iter().zip(signal));
        let change = change.map(|((variance, unit), (noise, signal))| {
            let [noise, signal] = [noise, signal].map(|deviation| deviation / unit);
            (variance - noise * noise).max(0.0).sqrt() / signal
        });
        Ok(Some(Self { change: change.collect() }))
    }
}
