//! Classes in an array: whole numbers or text, one per sample.

use std::collections::HashMap;
use std::hash::Hash;
use std::path::Path;

use super::super::{Schema, classes};
use super::npy::ClassValues;
use super::place::ArrayLocation;
use crate::Error;

/// Classes of samples.
#[derive(Debug)]
pub(in crate::data) struct Labels {
    /// Index of each sample's class in `names`.
    pub of_samples: Vec<usize>,
    /// Classes that occur: numbers in numeric order, names in alphabetical order.
    pub names: Vec<String>,
    /// Name of the array in messages.
    called: String,
    /// Line of each sample in a table; empty for an array.
    lines: Vec<usize>,
}

impl Labels {
    /// Reads the array at `place`, of shape `(samples)` or `(samples, 1)`.
    pub fn read(place: &ArrayLocation) -> Result<Self, Error> {
        let (shape, values) = place.open(|array| Ok((array.shape.clone(), array.classes()?)))?;
        if shape.is_empty() || shape[1..].iter().any(|&length| length != 1) {
            return Err(place.broken(&format!(
                "its shape is {shape:?}, but each sample must have one class; for a column of 0 and 1 per class, name the array as targets"
            )));
        }
        let called = place.called();
        match values {
            ClassValues::Whole(values) => Ok(Self::of(&values, ToString::to_string, called)),
            ClassValues::Floats(numbers) => {
                if let Some(sample) = numbers.first_not_finite() {
                    return Err(place.broken(&format!(
                        "the class [{sample}] is {}; correct it, or remove the sample",
                        numbers.get(sample)
                    )));
                }
                Ok(Self::of_numbers((0..numbers.len()).map(|sample| numbers.get(sample)), called))
            }
            ClassValues::Texts(values) => {
                let is_missing =
                    |text: &String| text.trim().is_empty() || classes::is_missing(text);
                if let Some(sample) = values.iter().position(is_missing) {
                    return Err(place.broken(&format!(
                        "the class [{sample}] is missing (`{}`); correct it, or remove the sample",
                        values[sample]
                    )));
                }
                Ok(Self::of_texts(&values, called, Vec::new()))
            }
        }
    }

    /// Classes that are finite numbers.
    pub fn of_numbers(values: impl Iterator<Item = f64>, called: String) -> Self {
        // Adding zero turns −0 into 0: both are one class.
        let bits: Vec<u64> = values.map(|value| (value + 0.0).to_bits()).collect();
        Self::of(&bits, |&bits| classes::canonical(f64::from_bits(bits)), called)
    }

    /// Classes by name, on `lines` of a table; `lines` is empty for an array.
    pub fn of_texts(values: &[String], called: String, lines: Vec<usize>) -> Self {
        Self { lines, ..Self::of(values, Clone::clone, called) }
    }

    fn of<T: Hash + Eq>(values: &[T], name: impl Fn(&T) -> String, called: String) -> Self {
        let mut codes: HashMap<&T, usize> = HashMap::new();
        let of_samples = values.iter().map(|value| {
            let next = codes.len();
            *codes.entry(value).or_insert(next)
        });
        let of_samples: Vec<usize> = of_samples.collect();
        let mut found = vec![String::new(); codes.len()];
        codes.into_iter().for_each(|(value, code)| found[code] = name(value));
        let names = classes::of_labels(found.iter());
        let known = Schema::unscaled(Vec::new(), names.clone());
        // `names` has every name found.
        let numbers: Vec<usize> =
            found.iter().map(|name| known.class_of(name).unwrap_or_default()).collect();
        let of_samples = of_samples.into_iter().map(|code| numbers[code]).collect();
        Self { of_samples, names, called, lines: Vec::new() }
    }

    /// Names of the classes of the samples `chosen`.
    pub fn occurring(&self, chosen: impl Iterator<Item = usize>) -> Vec<String> {
        let mut occurs = vec![false; self.names.len()];
        chosen.for_each(|sample| occurs[self.of_samples[sample]] = true);
        let names = self.names.iter().zip(occurs).filter(|(_, occurs)| *occurs);
        names.map(|(name, _)| name.clone()).collect()
    }

    /// Class numbers in `schema` of the samples `chosen`.
    ///
    /// # Errors
    /// [`Error::Data`] about the file `path` for a class that the training data do not have.
    pub fn numbers(
        &self,
        chosen: impl Iterator<Item = usize>,
        schema: &Schema,
        path: &Path,
    ) -> Result<Vec<usize>, Error> {
        let known: Vec<Option<usize>> =
            self.names.iter().map(|name| schema.class_of(name)).collect();
        let number = |sample: usize| {
            let class = self.of_samples[sample];
            known[class].map_or_else(
                || {
                    let name = std::iter::once(self.names[class].as_str());
                    let place = |_| match self.lines.get(sample) {
                        Some(line) => format!("line {line}: "),
                        None => format!("`{}` [{sample}]: ", self.called),
                    };
                    Ok(schema.numbers_of(name, path, place)?.first().copied().unwrap_or_default())
                },
                Ok,
            )
        };
        chosen.map(number).collect()
    }
}
