//! What a network answers to new samples, and the table of it.

use super::class_answers::ClassAnswers;
use super::value_answers::ValueAnswers;
use crate::data::Origins;

/// What a network answers to new samples, in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Where each sample comes from.
    pub origins: Origins,
    /// The answers.
    pub answers: Answers,
}

/// Answers to samples, of the kind that the network was trained for.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Answers {
    /// A class a sample.
    Classes(ClassAnswers),
    /// Values, or several labels, a sample.
    Values(ValueAnswers),
}

impl Prediction {
    /// Number of samples.
    #[must_use]
    pub fn samples(&self) -> usize {
        match &self.answers {
            Answers::Classes(classes) => classes.predicted.len(),
            Answers::Values(values) => values.predicted.ncols(),
        }
    }

    /// The answers as CSV with a header, a line a sample: its line, file, image, place or time; of classes the predicted
    /// class, the probability of each class, and the label, if known; of values a column `predicted NAME` for each
    /// target, and a column `NAME` for each true value, if known, in the units of the training's file. Labels of 0 and
    /// 1 have a column `probability NAME` besides.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut header = vec![self.origins.heading().to_owned()];
        header.extend(match &self.answers {
            Answers::Classes(classes) => classes.header(),
            Answers::Values(values) => values.header(),
        });
        let mut text = csv_line(&header);
        for sample in 0..self.samples() {
            let mut fields = vec![self.origins.of(sample)];
            fields.extend(match &self.answers {
                Answers::Classes(classes) => classes.fields(sample),
                Answers::Values(values) => values.fields(sample),
            });
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

#[cfg(test)]
mod tests {
    use super::csv_line;

    #[test]
    fn classes_with_any_name_are_one_field() {
        let fields = ["1", "a,b", "say \"x\"", " pad", "two\nlines", ""].map(str::to_owned);
        let expected = "1,\"a,b\",\"say \"\"x\"\"\",\" pad\",\"two\nlines\",\n";
        assert_eq!(csv_line(&fields), expected);
    }
}
