//! What a network answers to new samples, and the table of it.

use std::collections::BTreeMap;

use crate::data::Origins;

/// What a network answers to new samples, in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Where each sample comes from.
    pub origins: Origins,
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

impl Prediction {
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

    /// The answers as CSV with a header: the sample's line, file or image, the predicted class, the probability of each
    /// class, and the label, where there is one.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut header = vec![self.origins.heading().to_owned(), "predicted".to_owned()];
        header.extend(self.classes.iter().map(|class| format!("probability {class}")));
        header.extend(self.labels.as_ref().map(|_| "label".to_owned()));
        let mut text = csv_line(&header);
        for (sample, (&answer, probabilities)) in
            self.predicted.iter().zip(&self.probabilities).enumerate()
        {
            let mut fields = vec![self.origins.of(sample), self.classes[answer].clone()];
            fields.extend(probabilities.iter().map(|probability| format!("{probability:.6}")));
            let label = self.labels.as_ref().map(|labels| self.classes[labels[sample]].clone());
            fields.extend(label);
            text += &csv_line(&fields);
        }
        text
    }
}

/// `fields` as a line of CSV (RFC 4180, with a line feed alone).
fn csv_line(fields: &[String]) -> String {
    let quoted = |field: &String| {
        let is_plain = !field.contains(['"', ',', '\n', '\r']) && field.trim() == field;
        if is_plain { field.clone() } else { format!("\"{}\"", field.replace('"', "\"\"")) }
    };
    fields.iter().map(quoted).collect::<Vec<_>>().join(",") + "\n"
}

/// Probabilities of the classes with `logits`.
pub(super) fn softmax(logits: &[f32]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights = logits.iter().map(|logit| f64::from(logit - largest).exp());
    let sum: f64 = weights.clone().sum();
    weights.map(|weight| weight / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::{csv_line, softmax};

    #[test]
    fn classes_with_any_name_are_one_field() {
        let fields = ["1", "a,b", "say \"x\"", " pad", "two\nlines", ""].map(str::to_owned);
        let expected = "1,\"a,b\",\"say \"\"x\"\"\",\" pad\",\"two\nlines\",\n";
        assert_eq!(csv_line(&fields), expected);
    }

    #[test]
    fn probabilities_sum_to_one_for_logits_of_any_size() {
        for logits in [[0.0f32, 0.0], [1e30, -1e30], [-400.0, -401.0]] {
            let found = softmax(&logits);
            assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{found:?}");
            assert!(found[0] >= found[1]);
        }
    }
}
