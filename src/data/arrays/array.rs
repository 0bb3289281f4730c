//! An array of finite numbers, of which the first axis is the samples.

use super::super::ImageSize;
use super::super::numbers::Numbers;
use super::place::Place;
use crate::Error;

/// An array of numbers.
pub(in crate::data) struct Array {
    pub place: Place,
    /// Length of each axis; the first is the samples.
    pub shape: Vec<usize>,
    /// All finite, in C order: sample after sample.
    pub numbers: Numbers,
}

impl Array {
    /// Reads the array of finite numbers at `place`.
    pub fn read(place: Place) -> Result<Self, Error> {
        let (shape, numbers) = place.open(|array| Ok((array.shape.clone(), array.numbers()?)))?;
        let array = Self { place, shape, numbers };
        if array.shape.is_empty() {
            return Err(array.place.broken("it is one number; its first axis must be the samples"));
        }
        if let Some(place) = array.numbers.first_not_finite() {
            return Err(array.place.broken(&format!(
                "the value {:?} is {}; all must be finite numbers: correct it, or take the sample out",
                array.index_of(place),
                array.numbers.get(place)
            )));
        }
        Ok(array)
    }

    /// How many samples there are.
    pub fn samples(&self) -> usize {
        self.shape[0]
    }

    /// Values of a sample.
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

    /// The place on each axis of the value `place` in C order.
    fn index_of(&self, mut place: usize) -> Vec<usize> {
        let mut index = Vec::new();
        for &length in self.shape.iter().rev() {
            index.push(place % length);
            place /= length;
        }
        index.reverse();
        index
    }

    /// Size of the images that the samples are: of two axes, or of two that are longer than one.
    pub fn image(&self) -> Option<ImageSize> {
        if let &[rows, columns] = &self.shape[1..] {
            return Some(ImageSize { rows, columns });
        }
        let long: Vec<usize> = self.shape[1..].iter().copied().filter(|&axis| axis > 1).collect();
        match *long {
            [rows, columns] => Some(ImageSize { rows, columns }),
            _ => None,
        }
    }
}
