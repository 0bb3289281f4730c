//! Repeatability of a device.

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use super::session::Session;
use super::timing::Timing;
use crate::DeviceError;

/// Repeatability of a device, by repeated shots of the same drives and parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repeatability {
    /// Standard deviation of each output channel's noise, in its unit.
    pub noise: Vec<f32>,
    /// Standard deviation of its readings over random drives, without the noise.
    pub signal: Vec<f32>,
}

/// Most drives that are repeated, two for each setting of the parameters.
const DRIVES: usize = 16;
/// Most shots of each; on a slow device there are fewer drives and shots.
const REPEATS: usize = 16;
/// Share of the time for them.
const SHARE: f64 = 0.25;

impl Repeatability {
    pub(super) fn measure(
        session: &mut Session<'_>,
        timing: &Timing,
        seconds: f64,
    ) -> Result<Self, DeviceError> {
        // A variance takes two shots, and the variance of their means two drives.
        let shots = (SHARE * seconds / timing.seconds_per_shot()) as usize;
        let repeats = shots.isqrt().clamp(2, REPEATS);
        let pairs = (shots / repeats / 2).clamp(1, DRIVES / 2);
        let (mut means, mut variances) = (Vec::new(), Vec::new());
        let channels = session.device.interface().outputs.clone();
        for _ in 0..pairs {
            let parameters = session.any_parameters();
            for _ in 0..2 {
                let drive = session.any_inputs(1);
                let inputs = DMatrix::from_fn(drive.nrows(), repeats, |row, _| drive[row]);
                let measured = channels.in_binary_units(&session.play(&inputs, &parameters)?);
                means.push(measured.column_mean());
                variances.push(sample_variance(&measured));
            }
        }
        // [n_outputs]
        let noise = DMatrix::from_columns(&variances).column_mean();
        let of_means = sample_variance(&DMatrix::from_columns(&means));
        let signal = (of_means - &noise / repeats as f32).map(|variance| variance.max(0.0));
        let deviations = |variances: &DVector<f32>| {
            let with_units = variances.iter().zip(channels.binary_units());
            with_units.map(|(variance, unit)| variance.sqrt() * unit).collect()
        };
        Ok(Self { noise: deviations(&noise), signal: deviations(&signal) })
    }
}

/// Sample variance of each row: of each channel over at least two shots, in
/// [binary units](crate::Channels::in_binary_units), because a variance in the channel's unit may be too small
/// for a float. nalgebra's `column_variance` subtracts squares, which cancels noise that is small beside its
/// reading.
#[must_use]
pub fn sample_variance(values: &DMatrix<f32>) -> DVector<f32> {
    let count = values.ncols() as f32;
    let variances = values.row_iter().map(|row| row.variance() * count / (count - 1.0));
    DVector::from_iterator(values.nrows(), variances)
}
