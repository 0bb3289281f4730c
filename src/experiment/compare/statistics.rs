//! Statistics of scores over seeds.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Mean and sample standard deviation of `values`; the deviation of a single value is 0.
pub fn mean_and_deviation(values: &[f32]) -> (f32, f32) {
    let count = values.len() as f32;
    let mean = values.iter().sum::<f32>() / count;
    let square: f32 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let deviation = if count > 1.0 { (square / (count - 1.0)).sqrt() } else { 0.0 };
    (mean, deviation)
}

/// Two-sided p-value of a paired t-test; `None` for fewer than two pairs, or if all differences are equal.
pub(super) fn paired_p_value(left: &[f32], right: &[f32]) -> Option<f64> {
    let differences: Vec<f32> = left.iter().zip(right).map(|(left, right)| left - right).collect();
    let count = differences.len() as f64;
    let (mean, deviation) = mean_and_deviation(&differences);
    if differences.len() < 2 || deviation <= 0.0 {
        return None;
    }
    let t = f64::from(mean) / (f64::from(deviation) / count.sqrt());
    let student = StudentsT::new(0.0, 1.0, count - 1.0).ok()?;
    Some(2.0 * student.cdf(-t.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_p_value_of_paired_samples_is_the_tabulated_one() {
        // Differences 1, 2, 3: t = 2 / (1 / √3) = 3.4641, two degrees of freedom: p = 0.0742.
        let p = paired_p_value(&[2.0, 4.0, 6.0], &[1.0, 2.0, 3.0]).expect("there are three pairs");
        assert!((p - 0.074_18).abs() < 1e-4, "{p}");
        assert_eq!(paired_p_value(&[1.0, 2.0], &[1.0, 2.0]), None);
        assert_eq!(mean_and_deviation(&[1.0, 3.0]), (2.0, 2f32.sqrt()));
    }
}
