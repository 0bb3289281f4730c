//! Scaling from a file's units to the network's: features that f32 can tell apart, targets of mean 0 and deviation 1.

use serde::{Deserialize, Serialize};

/// (value − offset) / unit, computed in f64 and rounded to f32.
///
/// Most features are not scaled: offset 0, unit 1. A feature is scaled to [−1, 1] if f32 would lose its differences, such
/// as optical frequencies of 2e14 Hz that differ by 1 MHz, or currents of 1e-30 A.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureScaling {
    /// Value that becomes 0, in the file's unit.
    pub offset: f64,
    /// Difference that becomes 1, in the file's unit; not zero.
    pub unit: f64,
}

impl Default for FeatureScaling {
    fn default() -> Self {
        Self { offset: 0.0, unit: 1.0 }
    }
}

/// Largest ratio of a feature's magnitude to its range without scaling; f32 then resolves the range in 2^16 steps.
const LARGEST_RATIO: f64 = 256.0;
/// Magnitudes that f32 squares without overflow or underflow.
const MAGNITUDES: std::ops::Range<f64> = 1e-15..1e15;

impl FeatureScaling {
    /// The scaling of a feature with the training values `values` (all finite).
    #[must_use]
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        Self::of_range(low, high)
    }

    /// The scaling of a feature with training values from `low` to `high`.
    pub(super) fn of_range(low: f64, high: f64) -> Self {
        if low > high {
            return Self::default();
        }
        // Halves first: the difference of two values near 1e308 overflows.
        let (middle, half) = (0.5 * low + 0.5 * high, 0.5 * high - 0.5 * low);
        let largest = low.abs().max(high.abs());
        if half == 0.0 {
            // The feature is constant; later values must stay finite.
            let fits = largest == 0.0 || MAGNITUDES.contains(&largest);
            return if fits { Self::default() } else { Self { offset: low, unit: largest } };
        }
        let fits = largest <= LARGEST_RATIO * 2.0 * half
            && MAGNITUDES.contains(&largest)
            && MAGNITUDES.contains(&half);
        // Half of the smallest differences may round to zero; MIN_POSITIVE avoids a division by zero.
        if fits {
            Self::default()
        } else {
            Self { offset: middle, unit: half.max(f64::MIN_POSITIVE) }
        }
    }

    /// The standardisation of a target with the training values `values` (all finite): the network's target is
    /// (v − μ) / σ, with the mean μ = Σ v / n and the standard deviation σ = √(Σ (v − μ)² / n) in f64.
    ///
    /// A target with only the values 0 and 1 (a label) is not scaled; a constant target becomes 0, its unit is the file's.
    #[must_use]
    pub fn standard(values: impl Iterator<Item = f64> + Clone) -> Self {
        if values.clone().all(|value| value == 0.0 || value == 1.0) {
            return Self::default();
        }
        let count = values.clone().count() as f64;
        let (low, high) = values
            .clone()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high): (f64, f64), value| {
                (low.min(value), high.max(value))
            });
        if low == high {
            return Self { offset: low, unit: 1.0 };
        }
        // Dividing by a power of two is exact, and prevents overflow and underflow of sums and squares.
        let unit = binary_unit(low.abs().max(high.abs()));
        let mean = values.clone().map(|value| value / unit).sum::<f64>() / count * unit;
        let unit = binary_unit((0.5 * high - 0.5 * mean).max(0.5 * mean - 0.5 * low));
        let squares = values.map(|value| {
            let difference = value / unit - mean / unit;
            difference * difference
        });
        let deviation = (squares.sum::<f64>() / count).sqrt() * unit;
        Self { offset: mean, unit: deviation.max(f64::MIN_POSITIVE) }
    }

    /// The scaled value.
    #[must_use]
    pub fn apply(&self, value: f64) -> f32 {
        // A value far outside the training range is clamped by the network's first stage; here it must stay finite.
        let scaled = if self.offset == 0.0 {
            value / self.unit
        } else {
            let difference = value - self.offset;
            if difference.is_finite() {
                difference / self.unit
            } else {
                value / self.unit - self.offset / self.unit
            }
        };
        scaled.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
    }

    /// The value in the file's unit: the inverse of [`apply`](Self::apply).
    #[must_use]
    pub fn invert(&self, scaled: f32) -> f64 {
        f64::from(scaled) * self.unit + self.offset
    }
}

/// The largest power of two up to `magnitude`, limited so that it and its reciprocal are normal f64 numbers.
fn binary_unit(magnitude: f64) -> f64 {
    const LARGEST: f64 = f64::from_bits(0x7fd0_0000_0000_0000); // 2^1022
    const EXPONENT: u64 = 0x7ff0_0000_0000_0000;
    f64::from_bits(magnitude.to_bits() & EXPONENT).clamp(f64::MIN_POSITIVE, LARGEST)
}

#[cfg(test)]
mod tests {
    use super::FeatureScaling;

    fn scaled(values: &[f64]) -> Vec<f32> {
        let scaling = FeatureScaling::of(values.iter().copied());
        values.iter().map(|&value| scaling.apply(value)).collect()
    }

    #[test]
    fn ordinary_features_are_not_scaled() {
        for values in [[0.0, 0.5, 1.0], [-3.0, 2.0, 7e5], [100.0, 101.0, 102.0], [5.0; 3], [0.0; 3]]
        {
            assert_eq!(scaled(&values), values.map(|value| value as f32));
        }
    }

    #[test]
    fn differences_that_f32_would_lose_are_kept() {
        for (offset, step) in [
            (1.93414489032e14, 1e6),
            (-1.93414489032e14, 1e6),
            (1e9, 1.0),
            (0.0, 1e-30),
            (0.0, 1e-300),
            (0.0, 1e300),
            (1e-30, 1e-40),
            (0.0, 8e307),
        ] {
            let values = [offset, offset + step, offset + 2.0 * step];
            let scaled = scaled(&values);
            for (value, expected) in scaled.iter().zip([-1.0, 0.0, 1.0]) {
                assert!((value - expected).abs() < 1e-4, "{offset} {step}: {scaled:?}");
            }
        }
        assert_eq!(scaled(&[-f64::MAX, 0.0, f64::MAX]), [-1.0, 0.0, 1.0]);
        assert_eq!(
            scaled(&[0.0, 0.0, 5e-324]).iter().filter(|value| !value.is_finite()).count(),
            0
        );
        // A constant feature outside f32's range becomes zero.
        assert_eq!(scaled(&[1e300; 2]), [0.0; 2]);
    }

    #[test]
    fn later_values_are_scaled_as_the_training_values_and_stay_finite() {
        let scaling = FeatureScaling::of([2e14, 2e14 + 2e6].into_iter());
        assert_eq!(scaling.apply(2e14 + 3e6), 2.0);
        assert!(scaling.apply(f64::MAX).is_finite() && scaling.apply(f64::MIN).is_finite());
    }
}
