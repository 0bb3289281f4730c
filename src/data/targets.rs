//! Targets of a network's outputs: classes or values.

use std::ops::Range;

use nalgebra::DMatrix;

/// The target of each sample.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Targets {
    /// The class of each sample, from zero.
    Classes(Vec<usize>),
    /// Values, `[targets × samples]`: quantities, samples of a waveform, or 0 and 1 for each of several labels. Values
    /// from files are standardised; see [`FeatureScaling::standard`](super::FeatureScaling::standard).
    Values(DMatrix<f32>),
}

impl Targets {
    /// Number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Classes(classes) => classes.len(),
            Self::Values(values) => values.ncols(),
        }
    }

    /// Whether there are no samples.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Targets of the samples `chosen`, in that order.
    #[must_use]
    pub fn choose(&self, chosen: &[usize]) -> Self {
        match self {
            Self::Classes(classes) => {
                Self::Classes(chosen.iter().map(|&sample| classes[sample]).collect())
            }
            Self::Values(values) => Self::Values(values.select_columns(chosen)),
        }
    }

    /// Targets of a range of samples.
    #[must_use]
    pub fn range(&self, samples: Range<usize>) -> Self {
        match self {
            Self::Classes(classes) => Self::Classes(classes[samples].to_vec()),
            Self::Values(values) => {
                Self::Values(values.columns(samples.start, samples.len()).into_owned())
            }
        }
    }

    /// The class of each sample; empty if the targets are values.
    #[must_use]
    pub fn classes(&self) -> &[usize] {
        match self {
            Self::Classes(classes) => classes,
            Self::Values(_) => &[],
        }
    }
}

impl From<Vec<usize>> for Targets {
    fn from(classes: Vec<usize>) -> Self {
        Self::Classes(classes)
    }
}

impl From<DMatrix<f32>> for Targets {
    fn from(values: DMatrix<f32>) -> Self {
        Self::Values(values)
    }
}
