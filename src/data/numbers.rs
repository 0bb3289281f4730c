//! Numbers of many samples in one block of memory, and their conversion to scaled features and targets.

use nalgebra::DMatrix;

use super::FeatureScaling;
use super::halves::Halves;

/// Numbers of a file: f32 if that type holds them exactly, else f64.
#[derive(Debug)]
pub enum Numbers {
    /// Single precision.
    Single(Vec<f32>),
    /// Double precision.
    Double(Vec<f64>),
}

impl Numbers {
    /// Number of values.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Single(values) => values.len(),
            Self::Double(values) => values.len(),
        }
    }

    /// The value at `place`.
    pub(super) fn get(&self, place: usize) -> f64 {
        match self {
            Self::Single(values) => f64::from(values[place]),
            Self::Double(values) => values[place],
        }
    }

    /// All values in double precision.
    pub fn into_doubles(self) -> Vec<f64> {
        match self {
            Self::Single(values) => values.into_iter().map(f64::from).collect(),
            Self::Double(values) => values,
        }
    }

    /// Position of the first value that is NaN or infinite.
    pub(super) fn first_not_finite(&self) -> Option<usize> {
        match self {
            Self::Single(values) => values.iter().position(|value| !value.is_finite()),
            Self::Double(values) => values.iter().position(|value| !value.is_finite()),
        }
    }

    /// Scaling of each of `width` features from the samples `train`. The values are sample after sample.
    pub(super) fn feature_scalings(&self, width: usize, train: &[usize]) -> Vec<FeatureScaling> {
        let mut ranges = vec![(f64::INFINITY, f64::NEG_INFINITY); width];
        for &sample in train {
            for (place, (low, high)) in ranges.iter_mut().enumerate() {
                let value = self.get(sample * width + place);
                (*low, *high) = (low.min(value), high.max(value));
            }
        }
        ranges.into_iter().map(|(low, high)| FeatureScaling::of_range(low, high)).collect()
    }

    /// Standardisation of each of `width` targets from the samples `train`. The values are sample after sample.
    pub(super) fn target_scalings(&self, width: usize, train: &[usize]) -> Vec<FeatureScaling> {
        let values =
            |target: usize| train.iter().map(move |&sample| self.get(sample * width + target));
        (0..width).map(|target| FeatureScaling::standard(values(target))).collect()
    }

    /// The targets, of `width`, that are equal in all samples of `train`.
    pub(super) fn constants(&self, width: usize, train: &[usize]) -> Vec<usize> {
        let value = |sample: usize, target: usize| self.get(sample * width + target);
        let is_constant = |&target: &usize| {
            train.iter().all(|&sample| value(sample, target) == value(train[0], target))
        };
        (0..width).filter(is_constant).collect()
    }

    /// All samples, scaled, `[scalings × samples]`. Values in f32 are scaled in place.
    pub(super) fn scaled(self, scalings: &[FeatureScaling]) -> DMatrix<f32> {
        let width = scalings.len();
        let samples = self.len() / width.max(1);
        let values = match self {
            Self::Single(mut values) => {
                scale(&mut values, scalings);
                values
            }
            Self::Double(values) => values
                .chunks_exact(width)
                .flat_map(|sample| sample.iter().zip(scalings))
                .map(|(&value, scaling)| scaling.apply(value))
                .collect(),
        };
        DMatrix::from_vec(width, samples, values)
    }

    /// Training and test samples, scaled, each `[scalings × samples]`. Of values in f32 only the test samples are
    /// copied.
    pub(super) fn halves(self, scalings: &[FeatureScaling], halves: &Halves) -> [DMatrix<f32>; 2] {
        let width = scalings.len();
        let Halves { train, test } = halves;
        let values = match self {
            Self::Double(values) => {
                return [train, test].map(|half| {
                    let samples = half
                        .iter()
                        .flat_map(|&sample| values[sample * width..][..width].iter().zip(scalings));
                    let scaled = samples.map(|(&value, scaling)| scaling.apply(value));
                    DMatrix::from_iterator(width, half.len(), scaled)
                });
            }
            Self::Single(mut values) => {
                scale(&mut values, scalings);
                values
            }
        };
        let tested = test.iter().flat_map(|&sample| &values[sample * width..][..width]);
        let tested = DMatrix::from_iterator(width, test.len(), tested.copied());
        let mut learned = values;
        // Training samples are in ascending order: each moves forward, over samples that are moved or copied already.
        for (place, &sample) in train.iter().enumerate() {
            learned.copy_within(sample * width..(sample + 1) * width, place * width);
        }
        learned.truncate(train.len() * width);
        learned.shrink_to_fit();
        [DMatrix::from_vec(width, train.len(), learned), tested]
    }
}

/// Scales the values of consecutive samples, each with one value per scaling.
fn scale(values: &mut [f32], scalings: &[FeatureScaling]) {
    if scalings.iter().all(|scaling| *scaling == FeatureScaling::default()) {
        return;
    }
    for sample in values.chunks_exact_mut(scalings.len()) {
        for (value, scaling) in sample.iter_mut().zip(scalings) {
            *value = scaling.apply(f64::from(*value));
        }
    }
}
