//! Ridge regression, for comparison.
//!
//! With X the standardised features of the training samples, a row a sample, and T their targets, the weights are
//! W = (XᵀX + λ 1)⁻¹ Xᵀ T (Hoerl & Kennard, Technometrics 12, 55, 1970, eq. 2.1). λ is the one of a grid with the smallest
//! generalised cross-validation: n ‖T − X W‖² / (n − trace H)², H = X (XᵀX + λ 1)⁻¹ Xᵀ (Golub, Heath &
//! Wahba, Technometrics 21, 215, 1979, eq. 1.4).

use nalgebra::{DMatrix, DVector, SymmetricEigen};

use crate::data::{Split, Targets};
use crate::loss::{Loss, Score};

/// λ from 10⁻⁶ to 10⁴ of the mean eigenvalue of XᵀX.
const EXPONENTS: std::ops::RangeInclusive<i32> = -6..=4;

/// The score of ridge regression on the test data of `split`; the targets are values.
pub(super) fn test(split: &Split, loss: &dyn Loss) -> Score {
    let (Targets::Values(train), Targets::Values(_)) = (&split.train.targets, &split.test.targets)
    else {
        return Score::of(&DMatrix::zeros(0, 0), &split.test.targets);
    };
    loss.score(&answers(split, &train.map(f64::from)).cast(), &split.test.targets)
}

/// The accuracy of a linear equaliser on the test data of `split`: ridge regression of the symbol that each class
/// names, then the class of the nearest symbol. `None` if the targets are values, or if a class is not named by a
/// number.
pub(super) fn equaliser(split: &Split) -> Option<Score> {
    let symbols: Vec<f64> =
        split.classes.iter().map(|name| name.parse().ok()).collect::<Option<_>>()?;
    let (Targets::Classes(train), Targets::Classes(test)) =
        (&split.train.targets, &split.test.targets)
    else {
        return None;
    };
    let sent = DMatrix::from_iterator(1, train.len(), train.iter().map(|&class| symbols[class]));
    let nearest = |answer: f64| {
        let distance = |class: &usize| (symbols[*class] - answer).abs();
        (0..symbols.len()).min_by(|a, b| distance(a).total_cmp(&distance(b)))
    };
    let found = answers(split, &sent);
    let right = found.iter().zip(test).filter(|(answer, class)| nearest(**answer) == Some(**class));
    Some(Score::Accuracy(right.count() as f32 / test.len() as f32))
}

/// Answers `[targets × samples]` to the test samples, by a fit to `targets` of the training samples.
fn answers(split: &Split, targets: &DMatrix<f64>) -> DMatrix<f64> {
    let scale = Scale::of(&split.train.features);
    let weights = fit(&scale.apply(&split.train.features), targets);
    weights.transpose() * scale.apply(&split.test.features)
}

/// Mean and deviation of each feature.
struct Scale {
    mean: DVector<f64>,
    deviation: DVector<f64>,
}

impl Scale {
    /// Of `features` `[features × samples]`.
    fn of(features: &DMatrix<f32>) -> Self {
        let features = features.map(f64::from);
        let mean = features.column_mean();
        let deviation = features.column_variance().map(|variance| match variance.sqrt() {
            0.0 => 1.0,
            deviation => deviation,
        });
        Self { mean, deviation }
    }

    /// The standardised `features` under a row of ones, `[1 + features × samples]`.
    fn apply(&self, features: &DMatrix<f32>) -> DMatrix<f64> {
        let mut scaled = features.map(f64::from);
        for mut sample in scaled.column_iter_mut() {
            sample -= &self.mean;
            sample.component_div_assign(&self.deviation);
        }
        scaled.insert_row(0, 1.0)
    }
}

/// W `[features × targets]` for `x` `[features × samples]` and `targets` `[targets × samples]`.
fn fit(x: &DMatrix<f64>, targets: &DMatrix<f64>) -> DMatrix<f64> {
    let samples = x.ncols() as f64;
    let SymmetricEigen { eigenvalues, eigenvectors } = (x * x.transpose()).symmetric_eigen();
    // In the eigenvectors' basis each λ is a division.
    let rotated = eigenvectors.transpose() * x;
    let projected = &rotated * targets.transpose();
    let mean = eigenvalues.mean();
    let solve = |lambda: f64| {
        let mut weights = projected.clone();
        for (mut row, value) in weights.row_iter_mut().zip(eigenvalues.iter()) {
            row /= value.max(0.0) + lambda;
        }
        weights
    };
    let validation = |lambda: f64| {
        let errors = targets - solve(lambda).transpose() * &rotated;
        let trace: f64 =
            eigenvalues.iter().map(|value| value.max(0.0) / (value.max(0.0) + lambda)).sum();
        samples * errors.norm_squared() / (samples - trace).powi(2)
    };
    let lambdas = EXPONENTS.map(|exponent| mean * 10_f64.powi(exponent));
    let best = lambdas.min_by(|a, b| validation(*a).total_cmp(&validation(*b)));
    eigenvectors * solve(best.unwrap_or(mean))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_function_is_found_whatever_its_units() {
        let x = DMatrix::from_fn(2, 50, |feature, sample| {
            let phase = (feature + 2) as f32 * sample as f32;
            if feature == 0 { 1e6 * phase.sin() } else { 1e-6 * phase.cos() }
        });
        let values =
            DMatrix::from_fn(1, 50, |_, sample| 3.0 + 2e-6 * x[(0, sample)] - 1e6 * x[(1, sample)]);
        let all = crate::data::Dataset::new(x, values);
        let split = Split::new(all.clone(), all);
        let Score::Values { r2, .. } = test(&split, &crate::loss::MeanSquare) else {
            panic!("values have a score of values");
        };
        assert!(r2 > 0.999_99, "{r2}");
    }

    #[test]
    fn an_equaliser_takes_the_nearest_symbol() {
        let symbol = |sample: usize| [-3.0_f32, -1.0, 1.0, 3.0][sample * sample % 7 % 4];
        let classes: Vec<usize> = (0..40).map(|s| ((symbol(s) + 3.0) / 2.0) as usize).collect();
        let x = DMatrix::from_fn(1, 40, |_, s| 0.7 * symbol(s) + 5.0 + 0.1 * (s as f32).sin());
        let all = crate::data::Dataset::new(x, classes);
        let mut split = Split::new(all.clone(), all);
        split.classes = ["-3", "-1", "1", "3"].map(str::to_owned).to_vec();
        assert_eq!(equaliser(&split), Some(Score::Accuracy(1.0)));
        split.classes[0] = "low".to_owned();
        assert_eq!(equaliser(&split), None);
    }

    #[test]
    fn noise_is_not_learned() {
        // Twenty features of nothing and thirty samples: without λ the fit would be worse than the mean by far.
        let noise = |i: usize| ((i * 7919 + 13) as f32).sin() * ((i * 104_729) as f32).cos();
        let set = |from: usize| {
            let x = DMatrix::from_fn(20, 30, |f, s| noise(from + 31 * f + 1000 * s));
            crate::data::Dataset::new(x, DMatrix::from_fn(1, 30, |_, s| noise(from + 77_000 + s)))
        };
        let split = Split::new(set(0), set(500_000));
        let Score::Values { r2, .. } = test(&split, &crate::loss::MeanSquare) else {
            panic!("values have a score of values");
        };
        assert!(r2 > -0.3, "{r2}");
    }
}
