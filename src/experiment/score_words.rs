//! Scores of values in words, with their units.

use crate::data::Feature;
use crate::loss::Measure;
use crate::training::TestScore;

/// `score` of `targets` in words: `accuracy 98.1 %`, or R² with the errors and their unit.
#[must_use]
pub fn score_in_words(score: TestScore, targets: &[Feature]) -> String {
    let measure = score.measure();
    let mut text = format!("{} {}", measure.name(), measure.format(score.value()));
    if let Some(exact) = score.test_exact {
        let exact = Measure::Accuracy.format(exact);
        text += &format!(" of the labels, {exact} of the samples with all labels right");
    }
    if let Some(rmse) = score.test_rmse {
        text += &format!(", RMSE {} {}", error_in_words(rmse.into()), error_unit(targets));
    }
    if let Some(nrmse) = score.test_nrmse {
        text += &format!(", NRMSE {nrmse:.3}");
    }
    text
}

/// The unit of a root mean squared error of `targets`, in words.
#[must_use]
pub fn error_unit(targets: &[Feature]) -> String {
    let quantity = |target: &Feature| -> String {
        let waveform = target.name.rsplit_once(" at ");
        let waveform = waveform.filter(|(_, step)| step.parse::<usize>().is_ok());
        waveform.map_or(target.name.as_str(), |(name, _)| name).to_owned()
    };
    let Some(first) = targets.first() else { return "in the targets' unit".to_owned() };
    if targets.iter().any(|target| target.scaling.unit != first.scaling.unit) {
        "in standard deviations of the targets".to_owned()
    } else if targets.iter().all(|target| quantity(target) == quantity(first)) {
        format!("in the unit of `{}`", quantity(first))
    } else {
        "in the targets' unit".to_owned()
    }
}

/// An error with four digits that say something, whatever its unit.
#[must_use]
pub fn error_in_words(error: f64) -> String {
    if error == 0.0 || !error.is_finite() {
        return error.to_string();
    }
    let digits = 3.0 - error.abs().log10().floor();
    if (0.0..=6.0).contains(&digits) {
        let digits = digits as usize;
        format!("{error:.digits$}")
    } else if (-3.0..0.0).contains(&digits) {
        format!("{error:.0}")
    } else {
        format!("{error:.3e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::FeatureScaling;

    #[test]
    fn an_error_has_its_unit_and_four_digits() {
        for (error, text) in [
            (0.0, "0"),
            (0.123_456, "0.1235"),
            (12.345_6, "12.35"),
            (1_234.5, "1234"),
            (3.2e-9, "3.200e-9"),
            (0.001_234_5, "0.001234"),
            (2.5e12, "2.500e12"),
        ] {
            assert_eq!(error_in_words(error), text);
        }
        let target = |name: &str, unit: f64| Feature {
            name: name.to_owned(),
            scaling: FeatureScaling { offset: 1.0, unit },
        };
        assert_eq!(error_unit(&[target("y", 2.0)]), "in the unit of `y`");
        let waveform = [target("y at 0", 2.0), target("y at 1", 2.0)];
        assert_eq!(error_unit(&waveform), "in the unit of `y`");
        let both = [target("y", 2.0), target("z", 3.0)];
        assert_eq!(error_unit(&both), "in standard deviations of the targets");
        let score = TestScore {
            test_r2: Some(0.75),
            test_rmse: Some(0.5),
            test_nrmse: Some(0.5),
            ..TestScore::default()
        };
        assert_eq!(
            score_in_words(score, &both[..1]),
            "R² 0.750, RMSE 0.5000 in the unit of `y`, NRMSE 0.500"
        );
    }
}
