//! How well a network's values meet the true ones, quantity by quantity.

use std::ops::Range;

use nalgebra::DMatrix;
use twinprop_calibration::fidelity::students_t;

use crate::experiment::test_answers::TestAnswers;

/// Values of an array that are quantities of their own; more are one quantity.
const MOST_QUANTITIES: usize = 12;
/// Parts of the samples of which one after another is left out; each is of neighbours, which may be alike.
const BLOCKS: usize = 32;

/// Rows of the answers that are one quantity: a target, the times of a waveform, or the values of a long array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Quantity {
    pub name: String,
    pub rows: Range<usize>,
    /// What its rows are: `time` of a waveform, `value` of an array.
    pub axis: &'static str,
}

impl Quantity {
    /// The quantities that the targets called `names` are, in their order.
    pub fn all_of(names: &[String]) -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        for (row, name) in names.iter().enumerate() {
            let waveform = name.rsplit_once(" at ").and_then(|(name, step)| {
                step.parse::<usize>().ok().map(|step| (name, step, "time"))
            });
            let array = || {
                let (name, place) = name.strip_suffix(']')?.rsplit_once('[')?;
                Some((name, place.parse::<usize>().ok()?, "value"))
            };
            let (base, step, axis) = waveform.or_else(array).unwrap_or((name, 0, ""));
            match found.last_mut() {
                Some(last) if step > 0 && last.name == base && last.rows.len() == step => {
                    last.rows.end += 1;
                }
                _ => found.push(Self { name: base.to_owned(), rows: row..row + 1, axis }),
            }
        }
        let quantities = found.into_iter().flat_map(|quantity| {
            let count = quantity.rows.len();
            let is_one = match quantity.axis {
                "time" => count > 1,
                "value" => count > MOST_QUANTITIES,
                _ => false,
            };
            if is_one {
                return vec![quantity];
            }
            let each = |row: usize| Self { name: names[row].clone(), rows: row..row + 1, axis: "" };
            quantity.rows.map(each).collect()
        });
        quantities.collect()
    }

    /// Whether it has several values a sample.
    pub fn is_waveform(&self) -> bool {
        self.rows.len() > 1
    }

    /// Its scores.
    pub fn score(&self, answers: &TestAnswers) -> QuantityScore {
        let sums = self.sums(answers);
        let total = sums.iter().fold(Sums::of(self.rows.len()), |total, block| total.plus(block));
        let r2 = total.r2();
        let without = sums.iter().map(|block| total.minus(block).r2());
        let interval = interval(r2, &without.collect::<Vec<_>>());
        let deviation = (total.squares() / total.values()).sqrt();
        let rmse = (total.errors / total.values()).sqrt();
        QuantityScore { r2, interval, rmse, nrmse: rmse / deviation, deviation }
    }

    /// Sums over blocks of neighbouring samples.
    fn sums(&self, answers: &TestAnswers) -> Vec<Sums> {
        let samples = answers.truth.ncols();
        let blocks = BLOCKS.min(samples);
        let means: Vec<f64> = self.rows.clone().map(|row| answers.truth.row(row).mean()).collect();
        let block = |block: usize| {
            let mut sums = Sums::of(self.rows.len());
            for sample in block * samples / blocks..(block + 1) * samples / blocks {
                sums.count += 1.0;
                for (place, row) in self.rows.clone().enumerate() {
                    let truth = answers.truth[(row, sample)];
                    let from_mean = truth - means[place];
                    sums.errors += (truth - answers.predicted[(row, sample)]).powi(2);
                    sums.from_mean[place] += from_mean;
                    sums.from_mean_squared += from_mean.powi(2);
                }
            }
            sums
        };
        (0..blocks).map(block).collect()
    }

    /// The sample with the median squared error.
    pub fn median_sample(&self, answers: &TestAnswers) -> usize {
        let error = |sample: usize| -> f64 {
            let rows = self.rows.clone();
            rows.map(|row| residual(answers, row, sample).powi(2)).sum()
        };
        let mut samples: Vec<usize> = (0..answers.truth.ncols()).collect();
        samples.sort_by(|&left, &right| error(left).total_cmp(&error(right)));
        samples.get(samples.len() / 2).copied().unwrap_or_default()
    }

    /// The 5, 25, 50, 75 and 95 % quantiles of true minus predicted values.
    pub fn residual_quantiles(&self, answers: &TestAnswers) -> [f64; 5] {
        let samples = 0..answers.truth.ncols();
        let mut residuals: Vec<f64> = samples
            .flat_map(|sample| self.rows.clone().map(move |row| residual(answers, row, sample)))
            .collect();
        residuals.sort_by(f64::total_cmp);
        [0.05, 0.25, 0.5, 0.75, 0.95].map(|share| quantile(&residuals, share))
    }
}

/// How well a quantity is answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct QuantityScore {
    /// R² = 1 − Σ (t − y)² / Σ (t − mean t)², with the mean of each row.
    pub r2: f64,
    /// 95 % confidence interval of R², by the jackknife; `None` where it is unknown.
    pub interval: Option<(f64, f64)>,
    /// Root mean squared error, in the unit of the file.
    pub rmse: f64,
    /// The error in units of the deviation.
    pub nrmse: f64,
    /// Standard deviation of the true values about the mean of each row.
    pub deviation: f64,
}

/// True minus predicted value.
fn residual(answers: &TestAnswers, row: usize, sample: usize) -> f64 {
    answers.truth[(row, sample)] - answers.predicted[(row, sample)]
}

/// Sums over samples: of squared errors, and of true values from the mean of all.
struct Sums {
    count: f64,
    errors: f64,
    from_mean: Vec<f64>,
    from_mean_squared: f64,
}

impl Sums {
    /// Of no sample of `rows` values.
    fn of(rows: usize) -> Self {
        Self { count: 0.0, errors: 0.0, from_mean: vec![0.0; rows], from_mean_squared: 0.0 }
    }

    fn plus(&self, other: &Self) -> Self {
        self.with(other, 1.0)
    }

    fn minus(&self, other: &Self) -> Self {
        self.with(other, -1.0)
    }

    fn with(&self, other: &Self, sign: f64) -> Self {
        let each = self.from_mean.iter().zip(&other.from_mean);
        Self {
            count: self.count + sign * other.count,
            errors: self.errors + sign * other.errors,
            from_mean: each.map(|(own, other)| own + sign * other).collect(),
            from_mean_squared: self.from_mean_squared + sign * other.from_mean_squared,
        }
    }

    fn values(&self) -> f64 {
        self.count * self.from_mean.len() as f64
    }

    /// Squares of the true values about the means of these samples.
    fn squares(&self) -> f64 {
        let of_means: f64 = self.from_mean.iter().map(|sum| sum * sum / self.count).sum();
        self.from_mean_squared - of_means
    }

    fn r2(&self) -> f64 {
        1.0 - self.errors / self.squares()
    }
}

/// The 95 % interval about `value` by the jackknife (Tukey 1958), from its values `without` each block.
fn interval(value: f64, without: &[f64]) -> Option<(f64, f64)> {
    let count = without.len() as f64;
    if without.len() < 3 || !value.is_finite() || without.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let mean = without.iter().sum::<f64>() / count;
    let spread: f64 = without.iter().map(|one| (one - mean).powi(2)).sum();
    let half = students_t(NORMAL, count - 1.0) * ((count - 1.0) / count * spread).sqrt();
    Some((value - half, (value + half).min(1.0)))
}

/// The 97.5 % quantile of the normal distribution.
const NORMAL: f64 = 1.959_964;

/// The quantile `share` of `sorted` values, between neighbours by the line.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = share * last as f64;
    let (below, part) = (place.floor() as usize, place.fract());
    sorted[below] + part * (sorted[(below + 1).min(last)] - sorted[below])
}

/// Mean and standard deviation of true values.
pub(super) struct Moments {
    pub mean: f64,
    pub deviation: f64,
}

impl Moments {
    /// Of each row of `truth`.
    pub fn of_rows(truth: &DMatrix<f64>) -> Vec<Self> {
        let of_row = |row: usize| {
            let row = truth.row(row);
            let mean = row.mean();
            let squares: f64 = row.iter().map(|value| (value - mean).powi(2)).sum();
            Self { mean, deviation: (squares / row.len() as f64).sqrt() }
        };
        (0..truth.nrows()).map(of_row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waveforms_and_long_arrays_are_one_quantity() {
        let mut names: Vec<String> =
            ["y", "d at 0", "d at 1", "d at 2", "e at 0", "look at 5"].map(str::to_owned).into();
        names.extend((0..2).map(|place| format!("few[{place}]")));
        names.extend((0..20).map(|place| format!("many[{place}]")));
        let found = Quantity::all_of(&names);
        let found: Vec<(&str, Range<usize>)> =
            found.iter().map(|one| (one.name.as_str(), one.rows.clone())).collect();
        assert_eq!(
            found,
            [
                ("y", 0..1),
                ("d", 1..4),
                ("e at 0", 4..5),
                ("look at 5", 5..6),
                ("few[0]", 6..7),
                ("few[1]", 7..8),
                ("many", 8..28),
            ]
        );
    }

    #[test]
    fn scores_are_those_of_their_formulas() {
        let truth: Vec<f64> = (0..64).map(|sample| 1e9 + f64::from(sample * 37 % 64)).collect();
        let predicted: Vec<f64> =
            truth.iter().enumerate().map(|(n, t)| t + (n % 2) as f64).collect();
        let answers = TestAnswers {
            targets: vec!["y".to_owned()],
            truth: DMatrix::from_vec(1, 64, truth),
            predicted: DMatrix::from_vec(1, 64, predicted),
        };
        let quantity = &Quantity::all_of(&answers.targets)[0];
        let score = quantity.score(&answers);
        let variance = (64.0 * 64.0 - 1.0) / 12.0;
        assert!((score.r2 - (1.0 - 0.5 / variance)).abs() < 1e-9, "{score:?}");
        assert!((score.rmse - 0.5_f64.sqrt()).abs() < 1e-6, "{score:?}");
        assert!((score.deviation - f64::sqrt(variance)).abs() < 1e-6, "{score:?}");
        let (low, high) = score.interval.unwrap();
        assert!(low < score.r2 && score.r2 < high && high <= 1.0, "{score:?}");
        assert_eq!(quantity.residual_quantiles(&answers), [-1.0, -1.0, -0.5, 0.0, 0.0]);
        assert!((students_t(NORMAL, 31.0) / 2.0395 - 1.0).abs() < 0.002);
    }
}
