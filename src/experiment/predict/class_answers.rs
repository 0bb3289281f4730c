//! Answers that are classes.

use std::collections::BTreeMap;

use nalgebra::DMatrix;

use crate::loss::predictions;

/// The class of each sample.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassAnswers {
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Most probable class of each sample.
    pub predicted: Vec<usize>,
    /// Probability of each class, a sample.
    pub probabilities: Vec<Vec<f64>>,
    /// True class of each sample, where the samples have labels.
    pub labels: Option<Vec<usize>>,
}

/// Samples of one class that were taken for another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confused {
    /// Their class.
    pub label: String,
    /// What they were taken for.
    pub predicted: String,
    /// How many.
    pub samples: usize,
}

impl ClassAnswers {
    /// Of a network's `outputs`, the logits `[classes × samples]`.
    pub(super) fn of(
        outputs: &DMatrix<f32>,
        classes: Vec<String>,
        labels: Option<Vec<usize>>,
    ) -> Self {
        let of_samples = outputs.as_slice().chunks(outputs.nrows().max(1));
        let probabilities = of_samples.map(softmax).collect();
        Self { classes, predicted: predictions(outputs), probabilities, labels }
    }

    /// How many answers are right, and of how many samples; nothing without labels.
    #[must_use]
    pub fn right(&self) -> Option<(usize, usize)> {
        let labels = self.labels.as_ref()?;
        let right = labels.iter().zip(&self.predicted).filter(|(label, answer)| label == answer);
        Some((right.count(), labels.len()))
    }

    /// The pairs of classes that were confused, the most frequent first.
    #[must_use]
    pub fn confused(&self) -> Vec<Confused> {
        let mut counts: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for (&label, &answer) in self.labels.iter().flatten().zip(&self.predicted) {
            if label != answer {
                *counts.entry((label, answer)).or_default() += 1;
            }
        }
        let mut pairs: Vec<_> = counts.into_iter().collect();
        pairs.sort_by_key(|&(_, samples)| std::cmp::Reverse(samples));
        let name = |class: usize| self.classes[class].clone();
        pairs
            .into_iter()
            .map(|((label, predicted), samples)| Confused {
                label: name(label),
                predicted: name(predicted),
                samples,
            })
            .collect()
    }

    /// Names of its columns in a table.
    pub(super) fn header(&self) -> Vec<String> {
        let mut header = vec!["predicted".to_owned()];
        header.extend(self.classes.iter().map(|class| format!("probability {class}")));
        header.extend(self.labels.as_ref().map(|_| "label".to_owned()));
        header
    }

    /// Its columns of `sample`.
    pub(super) fn fields(&self, sample: usize) -> Vec<String> {
        let mut fields = vec![self.classes[self.predicted[sample]].clone()];
        let probabilities = self.probabilities[sample].iter();
        fields.extend(probabilities.map(|probability| format!("{probability:.6}")));
        let label = self.labels.as_ref().map(|labels| self.classes[labels[sample]].clone());
        fields.extend(label);
        fields
    }
}

/// Probabilities of the classes with `logits`.
fn softmax(logits: &[f32]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights = logits.iter().map(|logit| f64::from(logit - largest).exp());
    let sum: f64 = weights.clone().sum();
    weights.map(|weight| weight / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::softmax;

    #[test]
    fn probabilities_sum_to_one_for_logits_of_any_size() {
        for logits in [[0.0f32, 0.0], [1e30, -1e30], [-400.0, -401.0]] {
            let found = softmax(&logits);
            assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{found:?}");
            assert!(found[0] >= found[1]);
        }
    }
}
