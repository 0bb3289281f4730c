//! Estimates with their intervals.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An estimate from samples and its 99 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The estimate.
    pub value: f32,
    /// Lower end of its interval.
    pub low: f32,
    /// Upper end of its interval.
    pub high: f32,
}

impl fmt::Display for Estimate {
    /// As `0.98 (0.97 to 0.99)`, with the precision of the format, or four decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_known() {
            return f.write_str("unknown");
        }
        let digits = f.precision().unwrap_or(4);
        let Self { value, low, high } = self;
        write!(f, "{value:.digits$} ({low:.digits$} to {high:.digits$})")
    }
}

impl Estimate {
    /// Whether it is known; for example, the error of a constant channel is not.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.low > f32::MIN && self.high < f32::MAX
    }

    /// Whether a cosine is known: whether its interval is smaller than [−1, 1].
    #[must_use]
    pub fn is_known_cosine(&self) -> bool {
        self.low > -1.0 || self.high < 1.0
    }

    /// A cosine, by [`jackknife`](Self::jackknife): the wider of the intervals of c and of Fisher's
    /// z = artanh c, since a large cosine scatters further down than up. Near one, where z diverges and
    /// measured cosines can be larger than one, the interval of c.
    pub(super) fn of_cosine<const K: usize>(
        blocks: &[[f64; K]],
        cosine: impl Fn([f64; K]) -> Option<f64>,
    ) -> Self {
        let plain = Self::jackknife(blocks, (-1.0, 1.0), &cosine);
        let z = |sums| cosine(sums).filter(|cosine| cosine.abs() < LARGEST_ON_Z).map(f64::atanh);
        let on_z = Self::jackknife(blocks, (f64::from(f32::MIN), f64::from(f32::MAX)), z);
        if !on_z.is_known() {
            return plain;
        }
        Self {
            value: plain.value,
            low: plain.low.min(on_z.low.tanh()),
            high: plain.high.max(on_z.high.tanh()),
        }
    }

    /// A statistic of sums over samples, by the jackknife (Tukey 1958): `blocks` are the sums of
    /// independent parts, `statistic` is a function of their total, `None` where it is undefined. The
    /// estimate is `within` these bounds; where the statistic is undefined, its interval is all of them.
    pub(super) fn jackknife<const K: usize>(
        blocks: &[[f64; K]],
        within: (f64, f64),
        statistic: impl Fn([f64; K]) -> Option<f64>,
    ) -> Self {
        let mut total = [0.0; K];
        for block in blocks {
            total.iter_mut().zip(block).for_each(|(total, value)| *total += value);
        }
        let without = |block: &[f64; K]| {
            let mut rest = total;
            rest.iter_mut().zip(block).for_each(|(rest, value)| *rest -= value);
            statistic(rest)
        };
        let (low, high) = within;
        let replicates: Option<Vec<f64>> = blocks.iter().map(without).collect();
        let (Some(value), Some(replicates)) = (statistic(total), replicates) else {
            return Self { value: low.max(0.0) as f32, low: low as f32, high: high as f32 };
        };
        let count = blocks.len() as f64;
        let mean = replicates.iter().sum::<f64>() / count;
        let spread: f64 = replicates.iter().map(|replicate| (replicate - mean).powi(2)).sum();
        let half = students_t(NORMAL, count - 1.0) * ((count - 1.0) / count * spread).sqrt();
        let end = |value: f64| value.clamp(low, high) as f32;
        Self { value: end(value), low: end(value - half), high: end(value + half) }
    }
}

/// Largest cosine for which z is used.
const LARGEST_ON_Z: f64 = 0.99;

/// The 99.5 % quantile of the normal distribution.
const NORMAL: f64 = 2.575_829;

/// The quantile of Student's t with `freedom` degrees of freedom where that of the normal distribution is `z`
/// (Fisher & Cornish 1960).
#[must_use]
pub fn students_t(z: f64, freedom: f64) -> f64 {
    let first = (z.powi(3) + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    z + first / freedom + second / freedom.powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantile_is_that_of_students_distribution() {
        for (freedom, tabled) in [(10.0, 3.169), (19.0, 2.861), (31.0, 2.744), (1000.0, 2.581)] {
            assert!(
                (students_t(NORMAL, freedom) / tabled - 1.0_f64).abs() < 0.005,
                "{freedom}: {}",
                students_t(NORMAL, freedom)
            );
        }
    }

    #[test]
    fn the_interval_of_a_mean_is_that_of_the_textbook() {
        let values = [1.0, 4.0, 2.0, 8.0, 5.0, 7.0, 1.0, 4.0, 2.0, 8.0, 5.0];
        let blocks: Vec<[f64; 2]> = values.iter().map(|value| [*value, 1.0]).collect();
        let mean = Estimate::jackknife(&blocks, (0.0, 10.0), |[sum, count]| Some(sum / count));
        let count = values.len() as f64;
        let middle = values.iter().sum::<f64>() / count;
        let variance =
            values.iter().map(|value| (value - middle).powi(2)).sum::<f64>() / (count - 1.0);
        assert!((f64::from(mean.value) - middle).abs() < 1e-6);
        let half = 3.169 * (variance / count).sqrt();
        assert!((f64::from(mean.high) - middle - half).abs() < 0.02, "{mean}");
    }

    #[test]
    fn an_undefined_statistic_has_the_widest_interval() {
        let nothing = Estimate::jackknife(&[[0.0]; 4], (-1.0, 1.0), |_| None);
        assert_eq!(nothing, Estimate { value: 0.0, low: -1.0, high: 1.0 });
    }
}
