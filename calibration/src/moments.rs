//! Mean and standard deviation of readings, in any unit.

use nalgebra::{DMatrix, DVector};
use twinprop_devices::Channels;

use twinprop_devices::shots::Shots;

/// Smallest deviation of an output, as a share of the largest in its bank: about that of the rounding to
/// 32-bit floats, for an output with constant readings.
const STILL: f32 = 1e-6;

/// A variance below this share of the squared mean is lost to rounding, where it is computed as a
/// difference of squares.
const CANCELLED: f32 = 1e-4;

/// Mean and standard deviation of each output channel, in the channels' units.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadingMoments {
    /// Means.
    pub mean: Vec<f32>,
    /// Standard deviations, none of them zero.
    pub deviation: Vec<f32>,
}

/// Mean and standard deviation of the readings of `shots`.
pub(crate) fn reading_moments(shots: &Shots, outputs: &Channels) -> ReadingMoments {
    let scaled = outputs.in_binary_units(&shots.outputs);
    let mut mean = scaled.column_mean();
    for (bank, run) in outputs.runs_mut(mean.as_mut_slice()) {
        let (zero, unit) = (bank.nearest_to_zero(), bank.binary_unit());
        run.iter_mut().for_each(|mean| *mean = *mean * unit + zero);
    }
    let largest = |bank: &[f32]| bank.iter().copied().fold(0.0, f32::max);
    let deviation = deviations_above(&scaled, outputs, |bank| STILL * largest(bank));
    ReadingMoments { mean: mean.as_slice().to_vec(), deviation }
}

/// Standard deviation of each row of `scaled`, readings `[n_outputs × shots]` in binary units, in the
/// channels' units; at least the `floor` of its bank, which is computed from all deviations of the bank. In
/// a bank with constant readings it is half the range.
pub(crate) fn deviations_above(
    scaled: &DMatrix<f32>,
    outputs: &Channels,
    floor: impl Fn(&[f32]) -> f32,
) -> Vec<f32> {
    let mut deviations = deviations(scaled);
    for (bank, run) in outputs.runs_mut(deviations.as_mut_slice()) {
        let floor = floor(run);
        let floor = if floor > 0.0 { floor } else { 1.0 };
        run.iter_mut().for_each(|deviation| *deviation = deviation.max(floor) * bank.binary_unit());
    }
    deviations.as_slice().to_vec()
}

/// Standard deviation of each row.
fn deviations(scaled: &DMatrix<f32>) -> DVector<f32> {
    let mean = scaled.column_mean();
    let mut variance = scaled.column_variance();
    for (row, (variance, mean)) in variance.iter_mut().zip(&mean).enumerate() {
        let is_sound = *variance >= CANCELLED * mean * mean;
        if !is_sound {
            *variance = variance_of(scaled.row(row).iter().copied().map(f64::from)) as f32;
        }
    }
    variance.map(f32::sqrt)
}

/// Mean square of the distances from the mean.
fn variance_of(values: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
    let count = values.len() as f64;
    let mean = values.clone().sum::<f64>() / count;
    values.map(|value| (value - mean).powi(2)).sum::<f64>() / count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shots(outputs: DMatrix<f32>) -> Shots {
        let none = || DMatrix::zeros(0, outputs.ncols());
        Shots { inputs: none(), parameters: none(), outputs }
    }

    #[test]
    fn moments_scale_with_the_unit_of_the_readings() {
        let readings = DMatrix::from_fn(3, 50, |row, shot| match row {
            0 => (shot as f32 * 0.7).sin(),
            1 => 0.5 + 1e-3 * (shot as f32 * 1.3).cos(),
            _ => 0.25,
        });
        let of = |unit: f32| {
            let outputs = Channels::bank("y", 3, "any", -5.0 * unit, 5.0 * unit);
            reading_moments(&shots(unit * &readings), &outputs)
        };
        let ReadingMoments { mean, deviation } = of(1.0);
        assert!((deviation[0] - 0.707).abs() < 0.02 && (deviation[1] - 7e-4).abs() < 1e-4);
        assert!(deviation[2] > 0.0 && deviation[2] < 1e-5, "constant: {}", deviation[2]);
        for exponent in [-100, -30, 30, 100] {
            let unit = 2f32.powi(exponent);
            let by_unit = |values: &[f32]| values.iter().map(|v| v * unit).collect::<Vec<_>>();
            let scaled = ReadingMoments { mean: by_unit(&mean), deviation: by_unit(&deviation) };
            assert_eq!(of(unit), scaled, "2^{exponent}");
        }
    }

    #[test]
    fn each_bank_has_a_floor_of_its_own_and_no_deviation_is_zero() {
        let outputs = Channels::bank("current", 2, "A", -1e-9, 1e-9)
            .and(Channels::bank("frequency", 2, "Hz", 2e14, 2e14 + 4e9))
            .and(Channels::bank("dead", 1, "V", -2.0, 2.0));
        let readings = DMatrix::from_fn(5, 40, |row, shot| match row {
            0 => 1e-9 * (shot as f32).sin(),
            1 => 1e-12 * (shot as f32).cos(),
            2 => 2e14 + 2e9 + 1e9 * (shot as f32).sin(),
            3 => 2e14 + 1e9,
            _ => 0.0,
        });
        let ReadingMoments { mean, deviation } = reading_moments(&shots(readings), &outputs);
        assert!((deviation[0] / 7e-10 - 1.0).abs() < 0.1, "{deviation:?}");
        assert!(
            (deviation[1] / 7e-13 - 1.0).abs() < 0.1,
            "smaller than its neighbour: {deviation:?}"
        );
        assert!((deviation[2] / 7e8 - 1.0).abs() < 0.1, "{deviation:?}");
        assert!(deviation[3] > 0.0 && deviation[3] < 1e-5 * deviation[2], "{deviation:?}");
        assert_eq!(deviation[4], 2.0, "half a range for constant readings");
        assert!((mean[2] / 2e14 - 1.0).abs() < 1e-4);
    }

    #[test]
    fn a_small_deviation_of_a_large_reading_is_found() {
        // A difference of squares would round it away.
        let outputs = Channels::bank("y", 1, "V", 0.0, 1000.0);
        let readings = DMatrix::from_fn(1, 100, |_, shot| 900.0 + 0.01 * (shot % 2) as f32);
        let deviation = reading_moments(&shots(readings), &outputs).deviation;
        assert!((deviation[0] / 0.005 - 1.0).abs() < 0.05, "{deviation:?}");
    }
}
