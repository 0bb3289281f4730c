//! Samples in memory, in the caller's units.

use super::numbers::Numbers;
use super::{Dataset, FeatureScaling, Split, Targets};
use crate::Error;

/// Samples in the caller's units, before they are scaled; all values are sample after sample.
#[derive(Debug)]
pub struct Unscaled {
    /// The features.
    pub features: Numbers,
    /// What the network is to answer.
    pub targets: UnscaledTargets,
}

/// Targets in the caller's units.
#[derive(Debug)]
pub enum UnscaledTargets {
    /// Number of each sample's class, from zero.
    Classes(Vec<usize>),
    /// Values of each sample.
    Values(Numbers),
}

impl Unscaled {
    /// Number of samples, if they have `width` features and `targets` targets.
    fn len(&self, half: &str, width: usize, targets: usize) -> Result<usize, Error> {
        let samples = self.features.len() / width.max(1);
        let (found, expected) = match &self.targets {
            UnscaledTargets::Classes(classes) => (classes.len(), samples),
            UnscaledTargets::Values(values) => (values.len(), samples * targets),
        };
        if samples == 0 || self.features.len() != samples * width || found != expected {
            return Err(Error::Usage(format!(
                "the {half} samples have {} values of {width} features and {found} targets; pass as many targets as samples, and at least one",
                self.features.len()
            )));
        }
        let not_finite = |values: &Numbers, width: usize, what: &str| {
            values.first_not_finite().map(|place| {
                Error::Usage(format!(
                    "{what} {} of {half} sample {} (both counted from 0) is NaN or infinite; leave the sample out",
                    place % width,
                    place / width
                ))
            })
        };
        let of_targets = match &self.targets {
            UnscaledTargets::Values(values) => not_finite(values, targets, "target"),
            UnscaledTargets::Classes(_) => None,
        };
        not_finite(&self.features, width, "feature").or(of_targets).map_or(Ok(samples), Err)
    }

    fn scaled(self, features: &[FeatureScaling], targets: &[FeatureScaling]) -> Dataset {
        let targets: Targets = match self.targets {
            UnscaledTargets::Classes(classes) => classes.into(),
            UnscaledTargets::Values(values) => values.scaled(targets).into(),
        };
        Dataset { features: self.features.scaled(features), targets }
    }
}

impl Split {
    /// Samples in memory with `width` features and, where the targets are values, `targets` of them, scaled by the
    /// training samples as those of a file are. Classes are named by their numbers.
    ///
    /// # Errors
    /// [`Error::Usage`] names the first value that is NaN or infinite, and a half without samples or with another
    /// number of targets.
    pub fn scaled(
        train: Unscaled,
        test: Unscaled,
        width: usize,
        targets: usize,
    ) -> Result<Self, Error> {
        let all: Vec<usize> = (0..train.len("training", width, targets)?).collect();
        test.len("test", width, targets)?;
        let features = train.features.feature_scalings(width, &all);
        let of_targets = match &train.targets {
            UnscaledTargets::Values(values) => values.target_scalings(targets, &all),
            UnscaledTargets::Classes(_) => Vec::new(),
        };
        let [train, test] = [train, test].map(|half| half.scaled(&features, &of_targets));
        let mut split = Self::new(train, test);
        let schema = &mut split.schema;
        for (feature, scaling) in schema.features.iter_mut().zip(features) {
            feature.scaling = scaling;
        }
        for (target, scaling) in schema.targets.iter_mut().zip(of_targets) {
            target.scaling = scaling;
        }
        Ok(split)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(features: Vec<f64>, targets: Vec<f64>) -> Unscaled {
        Unscaled {
            features: Numbers::Double(features),
            targets: UnscaledTargets::Values(Numbers::Double(targets)),
        }
    }

    /// Frequencies that f32 cannot tell apart, and targets far from zero, keep their differences.
    #[test]
    fn values_are_scaled_in_double_precision() {
        let hertz = |steps: [f64; 4]| steps.map(|step| 193_414_489.0e6 + 1e6 * step).to_vec();
        let train = values(hertz([0.0, 1.0, 2.0, 3.0]), vec![1e9, 1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0]);
        let test = values(hertz([0.5, 1.5, 2.5, 3.5]), vec![1e9; 4]);
        let split = Split::scaled(train, test, 1, 1).unwrap();
        assert!((split.train.features[1] - split.train.features[0] - 2.0 / 3.0).abs() < 1e-6);
        let Targets::Values(targets) = &split.train.targets else { panic!("values") };
        assert!((targets[3] - targets[0] - 3.0 / 1.25_f32.sqrt()).abs() < 1e-5, "{targets}");
    }

    #[test]
    fn unusable_samples_are_refused() {
        let good = || values(vec![1.0, 2.0], vec![0.0, 1.0]);
        for (train, test, words) in [
            (values(vec![1.0, f64::NAN], vec![0.0, 1.0]), good(), "feature 0 of training sample 1"),
            (good(), values(vec![1.0, 2.0], vec![0.0, f64::INFINITY]), "target 0 of test sample 1"),
            (good(), values(Vec::new(), Vec::new()), "the test samples have 0"),
            (values(vec![1.0, 2.0], vec![0.0]), good(), "the training samples have 2"),
        ] {
            let error = Split::scaled(train, test, 1, 1).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
