//! How well a device repeats itself.

use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

use super::Bench;
use crate::DeviceError;

/// How well a device repeats itself: shots of one drive and setting, many times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repeatability {
    /// Standard deviation of each output channel's noise, in its unit.
    pub noise: Vec<f32>,
    /// Standard deviation of its readings over drives all over the range, without the noise.
    pub signal: Vec<f32>,
}

/// Drives that are repeated, two a setting of the parameters.
const DRIVES: usize = 16;
/// Shots of each.
const REPEATS: usize = 16;

impl Repeatability {
    pub(super) fn measure(bench: &mut Bench<'_>) -> Result<Self, DeviceError> {
        let channels = bench.device.interface().outputs.len();
        // Over drives: variance within, mean and square of the mean.
        let mut sums = vec![[0.0f64; 3]; channels];
        for _ in 0..DRIVES / 2 {
            let parameters = bench.any_parameters();
            for _ in 0..2 {
                let drive = bench.any_inputs(1);
                let inputs = DMatrix::from_fn(drive.nrows(), REPEATS, |row, _| drive[row]);
                let measured = bench.play(&inputs, &parameters)?;
                for (row, sums) in measured.row_iter().zip(&mut sums) {
                    let (mean, variance) = moments(row.iter().copied());
                    sums[0] += variance;
                    sums[1] += mean;
                    sums[2] += mean * mean;
                }
            }
        }
        let drives = DRIVES as f64;
        let noise = |sums: &[f64; 3]| (sums[0] / drives).sqrt() as f32;
        let signal = |sums: &[f64; 3]| {
            let of_means = (sums[2] - sums[1] * sums[1] / drives) / (drives - 1.0);
            (of_means - sums[0] / drives / REPEATS as f64).max(0.0).sqrt() as f32
        };
        Ok(Self {
            noise: sums.iter().map(noise).collect(),
            signal: sums.iter().map(signal).collect(),
        })
    }
}

/// Mean and variance (of the sample) of `values`.
pub(super) fn moments(values: impl Iterator<Item = f32> + Clone) -> (f64, f64) {
    let count = values.clone().count() as f64;
    let mean = values.clone().map(f64::from).sum::<f64>() / count;
    let squares: f64 = values.map(|value| (f64::from(value) - mean).powi(2)).sum();
    (mean, squares / (count - 1.0).max(1.0))
}
