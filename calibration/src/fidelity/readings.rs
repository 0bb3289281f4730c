//! A twin's readings compared with the device's, and with the device's noise.

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};
use twinprop_devices::probe::sample_variance;
use twinprop_devices::{DeviceError, PhysicalLayer};

use super::estimate::Estimate;
use twinprop_devices::shots::Shots;

/// How well a twin predicts readings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Readings {
    /// Coefficient of determination: 1 − Σ squared error / Σ variance.
    pub r2: Estimate,
    /// Root mean square error over the standard deviation.
    pub nrmse: Estimate,
    /// The smallest such error that a twin can have: the noise of a shot over the standard deviation of
    /// the readings.
    pub noise_floor: f32,
}

/// Blocks of the unseen shots; the scatter between them gives the intervals.
const BLOCKS: usize = 20;

impl Readings {
    /// The error over the smallest possible error; `None` for a device without noise, but for the rounding
    /// of its readings to f32.
    #[must_use]
    pub fn over_the_floor(&self) -> Option<f32> {
        const ROUNDING: f32 = 1e-5;
        (self.noise_floor > ROUNDING).then(|| self.nrmse.value / self.noise_floor)
    }

    /// From each block's Σ squared error, Σ y, Σ y² and count, the variance of the noise, and the variance that the rounding
    /// of the readings can give: readings that vary less are constant.
    fn of(blocks: &[[f64; 4]], noise: f64, rounding: f64) -> Self {
        let share = |[error, sum, square, count]: [f64; 4]| {
            let spread = square - sum * sum / count;
            (spread > rounding * count).then(|| error / spread)
        };
        let total = blocks.iter().fold([0.0; 4], |total: [f64; 4], block| {
            std::array::from_fn(|place| total[place] + block[place])
        });
        let [_, sum, square, count] = total;
        let variance = (square - sum * sum / count) / count;
        let noise_floor =
            if variance > rounding { (noise / variance).sqrt().min(1.0) } else { 0.0 };
        Self {
            r2: Estimate::jackknife(blocks, (f64::from(f32::MIN), 1.0), |sums| {
                Some(1.0 - share(sums)?)
            }),
            nrmse: Estimate::jackknife(blocks, (0.0, f64::from(f32::MAX)), |sums| {
                Some(share(sums)?.sqrt())
            }),
            noise_floor: noise_floor as f32,
        }
    }
}

/// Agreement of all channels together, and of each channel; all values in binary units, `noise` as a
/// variance.
pub(super) fn judge(
    predicted: &DMatrix<f32>,
    measured: &DMatrix<f32>,
    noise: &DVector<f32>,
) -> (Readings, Vec<Readings>) {
    let (channels, shots) = measured.shape();
    let blocks = BLOCKS.min(shots);
    let means: Vec<f64> = measured
        .row_iter()
        .map(|row| row.iter().map(|&value| f64::from(value)).sum::<f64>() / shots as f64)
        .collect();
    let mut by_channel = vec![vec![[0.0; 4]; blocks]; channels];
    for shot in 0..shots {
        for (channel, sums) in by_channel.iter_mut().enumerate() {
            // About the mean: squares would round away a small spread.
            let y = f64::from(measured[(channel, shot)]) - means[channel];
            let error = f64::from(predicted[(channel, shot)] - measured[(channel, shot)]);
            let block = &mut sums[shot * blocks / shots];
            for (sum, value) in block.iter_mut().zip([error * error, y, y * y, 1.0]) {
                *sum += value;
            }
        }
    }
    // Each channel's mean is subtracted already: the squares add up.
    let together: Vec<[f64; 4]> = (0..blocks)
        .map(|block| {
            let mut sums = [0.0; 4];
            for channel in &by_channel {
                let [error, _, square, count] = channel[block];
                let sums_of = [error, 0.0, square, count];
                sums.iter_mut().zip(sums_of).for_each(|(total, value)| *total += value);
            }
            sums
        })
        .collect();
    let noise: Vec<f64> = noise.iter().map(|noise| f64::from(*noise)).collect();
    let rounding = measured.row_iter().map(|row| f64::from(f32::EPSILON * row.amax()).powi(2));
    let rounding: Vec<f64> = rounding.collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / channels as f64;
    let overall = Readings::of(&together, mean(&noise), mean(&rounding));
    let each = by_channel.iter().zip(noise.iter().zip(&rounding));
    let each = each.map(|(sums, (noise, rounding))| Readings::of(sums, *noise, *rounding));
    (overall, each.collect())
}

/// Variance of a single shot's noise in each output, in binary units, from `repeats` shots of each of
/// `drives` unseen drives.
pub(super) fn noise(
    device: &mut dyn PhysicalLayer,
    unseen: &Shots,
    drives: usize,
    repeats: usize,
) -> Result<DVector<f32>, DeviceError> {
    let channels = device.interface().outputs.clone();
    let outputs = channels.len();
    let mut total = DVector::<f32>::zeros(channels.counted().len());
    let drives = drives.min(unseen.len());
    let mut measured = DMatrix::zeros(outputs, repeats);
    for drive in 0..drives {
        let shot = drive * unseen.len() / drives;
        let input = unseen.inputs.column(shot);
        let inputs = DMatrix::from_fn(input.len(), repeats, |row, _| input[row]);
        let parameters = unseen.parameters.column(shot).into_owned();
        device.measure(&inputs, &parameters, &mut measured)?;
        total += sample_variance(&channels.counted_in_binary_units(&measured));
    }
    Ok(total / drives as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Channels of 50 shots with these readings, and predictions that are wrong.
    fn judged<const N: usize>(readings: [fn(f32) -> f32; N]) -> (Readings, Vec<Readings>) {
        let step = |shot: usize| (shot % 7) as f32 / 7.0;
        let measured = DMatrix::from_fn(N, 50, |channel, shot| readings[channel](step(shot)));
        let predicted = measured.map(|reading| 0.9 * reading);
        judge(&predicted, &measured, &DVector::zeros(N))
    }

    #[test]
    fn the_error_of_constant_readings_is_unknown() {
        let (overall, each) = judged([|_| 0.3, |step| step]);
        assert!(overall.r2.is_known() && each[1].r2.is_known());
        assert!(!each[0].r2.is_known() && !each[0].nrmse.is_known());
        // As far as f32 can tell.
        let (_, each) = judged([|step| 0.3 + 1e-9 * step]);
        assert!(!each[0].r2.is_known());
    }

    #[test]
    fn small_readings_that_vary_are_judged() {
        let (overall, each) = judged([|step| 1e-7 + 5e-8 * step]);
        assert!(overall.r2.is_known() && each[0].nrmse.is_known());
    }
}
