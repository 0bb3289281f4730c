//! Answers that are values.

use nalgebra::DMatrix;

use crate::data::{Feature, FeatureScaling, Schema, Targets};
use crate::loss::Loss;
use crate::training::TestScore;

/// The values of each sample.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueAnswers {
    /// The targets, with the scaling of the training.
    pub targets: Vec<Feature>,
    /// The answers, `[targets × samples]`, in the units of the training's file; of labels, 0 or 1.
    pub predicted: DMatrix<f64>,
    /// The probability that each label is 1, where the targets are labels.
    pub probabilities: Option<DMatrix<f64>>,
    /// The true values, of the same shape and units, where the samples have them.
    pub truth: Option<DMatrix<f64>>,
    /// How well the answers meet them.
    pub score: Option<TestScore>,
}

impl ValueAnswers {
    /// Of a network's `outputs` and the samples' `targets`, `[targets × samples]` and standardised as `schema` says;
    /// the network was trained by `loss`, and `are_labels` where its outputs are the logits of labels.
    pub(super) fn of(
        outputs: &DMatrix<f32>,
        targets: Option<DMatrix<f32>>,
        schema: Schema,
        loss: &dyn Loss,
        are_labels: bool,
    ) -> Self {
        let truth = targets.as_ref().map(|targets| schema.in_file_units(targets));
        let score = targets.map(|targets| {
            TestScore::of(loss.score(outputs, &Targets::Values(targets)), &schema.targets)
        });
        let (predicted, probabilities) = if are_labels {
            let probabilities = outputs.map(|logit| 1.0 / (1.0 + f64::from(-logit).exp()));
            (outputs.map(|logit| f64::from(u8::from(logit > 0.0))), Some(probabilities))
        } else {
            (schema.in_file_units(outputs), None)
        };
        Self { targets: schema.targets, predicted, probabilities, truth, score }
    }

    /// Names of its columns in a table.
    pub(super) fn header(&self) -> Vec<String> {
        let names = || self.targets.iter().map(|target| &target.name);
        let mut header: Vec<String> = names().map(|name| format!("predicted {name}")).collect();
        if self.probabilities.is_some() {
            header.extend(names().map(|name| format!("probability {name}")));
        }
        if self.truth.is_some() {
            header.extend(names().cloned());
        }
        header
    }

    /// Its columns of `sample`.
    pub(super) fn fields(&self, sample: usize) -> Vec<String> {
        let numbers = |values: &DMatrix<f64>| -> Vec<String> {
            let of_sample = values.column(sample);
            let values = self.targets.iter().zip(of_sample.iter());
            values.map(|(target, &value)| number(value, target.scaling)).collect()
        };
        let mut fields = numbers(&self.predicted);
        if let Some(probabilities) = &self.probabilities {
            let of_sample = probabilities.column(sample);
            fields.extend(of_sample.iter().map(|probability| format!("{probability:.6}")));
        }
        fields.extend(self.truth.iter().flat_map(numbers));
        fields
    }
}

/// `value` with as few digits as lead back to the same f32 by `scaling`.
fn number(value: f64, scaling: FeatureScaling) -> String {
    let standardised = scaling.apply(value);
    let shortened = (0..17).flat_map(|digits| format!("{value:.digits$e}").parse());
    let is_same = |shorter: &f64| scaling.apply(*shorter) == standardised;
    // Zero first: its rounding error has no shorter form.
    let value = std::iter::once(0.0).chain(shortened).find(is_same).unwrap_or(value);
    if value == 0.0 || (1e-4..1e15).contains(&value.abs()) {
        value.to_string()
    } else {
        format!("{value:e}")
    }
}

#[cfg(test)]
mod tests {
    use super::{FeatureScaling, number};

    #[test]
    fn a_number_has_the_digits_that_lead_back_to_it() {
        for scaling in [
            FeatureScaling::default(),
            FeatureScaling { offset: 1.934e14, unit: 1e6 },
            FeatureScaling { offset: 3e-30, unit: 1e-30 },
        ] {
            for y in [0.1_f32, -1.234_567_9, 3.0, 0.0, 1e-20] {
                let text = number(scaling.invert(y), scaling);
                let back = scaling.apply(text.parse().unwrap());
                let exact = scaling.apply(scaling.invert(y));
                assert_eq!(back, exact, "{y} {scaling:?} {text}");
            }
        }
        assert_eq!(number(f64::from(0.1_f32), FeatureScaling::default()), "0.1");
        assert_eq!(number(2.5e-9, FeatureScaling { offset: 0.0, unit: 1e-9 }), "2.5e-9");
        assert_eq!(number(f64::NAN, FeatureScaling::default()), "NaN");
    }
}
