//! Arrays of finite numbers; the first axis is the samples.

use super::super::ImageSize;
use super::super::numbers::Numbers;
use super::place::ArrayLocation;
use crate::Error;

/// An array of numbers.
pub(in crate::data) struct Array {
    pub place: ArrayLocation,
    /// Length of each axis, samples first.
    pub shape: Vec<usize>,
    /// Finite numbers in C order: sample after sample.
    pub numbers: Numbers,
}

impl Array {
    /// Reads the array of finite numbers at `place`.
    pub fn read(place: ArrayLocation) -> Result<Self, Error> {
        let (shape, numbers) = place.open(|array| Ok((array.shape.clone(), array.numbers()?)))?;
        let array = Self { place, shape, numbers };
        if array.shape.is_empty() {
            return Err(array
                .place
                .broken("it is one number; save an array with the samples on the first axis"));
        }
        if let Some(place) = array.numbers.first_not_finite() {
            return Err(array.place.broken(&format!(
                "the value {:?} is {}, but all must be finite; correct it, or remove the sample",
                array.index_of(place),
                array.numbers.get(place)
            )));
        }
        Ok(array)
    }

    /// Number of samples.
    pub fn samples(&self) -> usize {
        self.shape[0]
    }

    /// Number of values per sample.
    pub fn width(&self) -> usize {
        self.shape[1..].iter().product()
    }

    /// Names of the values of a sample, such as `x[3]` and `x[2, 5]`, or of the pixels of an image.
    pub fn names(&self) -> Vec<String> {
        let called = self.place.called();
        if let Some(size) = self.image() {
            return size.pixel_names();
        }
        if self.width() == 1 {
            return vec![called];
        }
        (0..self.width()).map(|place| format!("{called}{:?}", &self.index_of(place)[1..])).collect()
    }

    /// Index on each axis of the value at `place` in C order.
    fn index_of(&self, mut place: usize) -> Vec<usize> {
        let mut index = Vec::new();
        for &length in self.shape.iter().rev() {
            index.push(place % length);
            place /= length;
        }
        index.reverse();
        index
    }

    /// Image size, if a sample has two axes, not counting axes of length 1.
    pub fn image(&self) -> Option<ImageSize> {
        let long: Vec<usize> = self.shape[1..].iter().copied().filter(|&axis| axis > 1).collect();
        match *long {
            [rows, columns] => Some(ImageSize { rows, columns }),
            _ => None,
        }
    }
}
