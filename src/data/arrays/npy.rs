//! Reader of NumPy's array format: header, and elements in C order for files in any order.

use std::io::{ErrorKind, Read};

use npyz::{DType, Endianness, NpyHeader, Order, TypeChar, TypeStr};

use super::super::numbers::Numbers;

/// Bytes read at a time.
const CHUNK: usize = 1 << 16;

/// An array after reading its header. Errors are in words.
pub(super) struct Npy<R> {
    reader: R,
    /// Type of the elements.
    element: TypeStr,
    /// Bytes of an element.
    width: usize,
    order: Order,
    /// Length of each axis.
    pub shape: Vec<usize>,
}

/// Classes in an array, by element type.
pub(super) enum ClassValues {
    Whole(Vec<i128>),
    Floats(Numbers),
    Texts(Vec<String>),
}

impl<R: Read> Npy<R> {
    /// Reads the header of a file of `size` bytes.
    pub fn open(mut reader: R, size: u64) -> Result<Self, String> {
        let header = NpyHeader::from_reader(&mut reader).map_err(|error| {
            format!("not an array in NumPy's format, or damaged: {error}; save it again with np.save or np.savez")
        })?;
        let DType::Plain(element) = header.dtype() else {
            return Err(
                "its elements are records of several fields; save each field as a separate array"
                    .to_owned(),
            );
        };
        let refused = |what: &str, remedy: &str| {
            Err(format!("its elements are {what} ({element}); {remedy}"))
        };
        match element.type_char() {
            TypeChar::Object => {
                return refused(
                    "Python objects",
                    "save them as numbers, such as array.astype(float)",
                );
            }
            TypeChar::Complex => {
                return refused("complex numbers", "save real and imaginary parts side by side");
            }
            TypeChar::DateTime | TypeChar::TimeDelta => {
                return refused("times", "save them as numbers, such as seconds");
            }
            TypeChar::RawData => return refused("raw bytes", "save them as numbers"),
            TypeChar::Float if element.size_field() > 8 => {
                return refused("numbers of more than 64 bits", "save array.astype(float)");
            }
            _ => {}
        }
        let axes = header.shape().iter().map(|&length| usize::try_from(length).ok());
        let shape = axes.collect::<Option<Vec<_>>>();
        let width = element.num_bytes();
        let bytes = shape.iter().flatten().chain(&width).try_fold(1usize, |a, &b| a.checked_mul(b));
        let (Some(shape), Some(width), Some(bytes)) = (shape, width, bytes) else {
            return Err(damaged(header.shape(), &element));
        };
        if bytes == 0 {
            return Err(format!("it is empty: its shape is {shape:?}"));
        }
        if bytes as u64 > size {
            return Err(damaged(header.shape(), &element));
        }
        Ok(Self { reader, element, width, order: header.order(), shape })
    }

    /// Reads the elements as numbers in C order.
    pub fn numbers(self) -> Result<Numbers, String> {
        use TypeChar::{Bool, Float, Int, Uint};
        Ok(match (self.element.type_char(), self.width) {
            (Bool, 1) => Numbers::Single(self.fixed(|[byte]| f32::from(u8::from(byte != 0)))?),
            (Float, 2) => Numbers::Single(self.fixed(|bytes| half(u16::from_le_bytes(bytes)))?),
            (Float, 4) => Numbers::Single(self.fixed(f32::from_le_bytes)?),
            (Float, 8) => Numbers::Double(self.fixed(f64::from_le_bytes)?),
            (Int, 1) => Numbers::Single(self.fixed(|bytes| f32::from(i8::from_le_bytes(bytes)))?),
            (Int, 2) => Numbers::Single(self.fixed(|bytes| f32::from(i16::from_le_bytes(bytes)))?),
            (Int, 4) => Numbers::Double(self.fixed(|bytes| f64::from(i32::from_le_bytes(bytes)))?),
            (Int, 8) => Numbers::Double(self.fixed(|bytes| i64::from_le_bytes(bytes) as f64)?),
            (Uint, 1) => Numbers::Single(self.fixed(|[byte]| f32::from(byte))?),
            (Uint, 2) => Numbers::Single(self.fixed(|bytes| f32::from(u16::from_le_bytes(bytes)))?),
            (Uint, 4) => Numbers::Double(self.fixed(|bytes| f64::from(u32::from_le_bytes(bytes)))?),
            (Uint, 8) => Numbers::Double(self.fixed(|bytes| u64::from_le_bytes(bytes) as f64)?),
            _ => {
                return Err(format!(
                    "its elements are text ({}), but numbers are needed here; only classes can be text",
                    self.element
                ));
            }
        })
    }

    /// Reads the elements as classes.
    pub fn classes(self) -> Result<ClassValues, String> {
        use TypeChar::{Bool, ByteStr, Int, Uint, UnicodeStr};
        let is_big = self.element.endianness() == Endianness::Big;
        Ok(match (self.element.type_char(), self.width) {
            (Bool | Uint, 1) => ClassValues::Whole(self.fixed(|[byte]| i128::from(byte))?),
            (Int, 1) => ClassValues::Whole(self.fixed(|b| i128::from(i8::from_le_bytes(b)))?),
            (Int, 2) => ClassValues::Whole(self.fixed(|b| i128::from(i16::from_le_bytes(b)))?),
            (Int, 4) => ClassValues::Whole(self.fixed(|b| i128::from(i32::from_le_bytes(b)))?),
            (Int, 8) => ClassValues::Whole(self.fixed(|b| i128::from(i64::from_le_bytes(b)))?),
            (Uint, 2) => ClassValues::Whole(self.fixed(|b| i128::from(u16::from_le_bytes(b)))?),
            (Uint, 4) => ClassValues::Whole(self.fixed(|b| i128::from(u32::from_le_bytes(b)))?),
            (Uint, 8) => ClassValues::Whole(self.fixed(|b| i128::from(u64::from_le_bytes(b)))?),
            (UnicodeStr, _) => ClassValues::Texts(self.elements(|bytes| {
                let units = bytes.as_chunks::<4>().0.iter().map(|&unit| {
                    if is_big { u32::from_be_bytes(unit) } else { u32::from_le_bytes(unit) }
                });
                let letters = units.map(|unit| char::from_u32(unit).unwrap_or('\u{fffd}'));
                letters.collect::<String>().trim_end_matches('\0').to_owned()
            })?),
            (ByteStr, _) => ClassValues::Texts(self.elements(|bytes| {
                String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
            })?),
            _ => ClassValues::Floats(self.numbers()?),
        })
    }

    /// Reads elements of `N` bytes; `value` gets them in little-endian order.
    fn fixed<const N: usize, T: Clone + Default>(
        self,
        value: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>, String> {
        let is_big = self.element.endianness() == Endianness::Big;
        self.elements(|bytes| {
            let mut element = [0; N];
            element.copy_from_slice(bytes);
            if is_big {
                element.reverse();
            }
            value(element)
        })
    }

    /// Reads all elements in C order; `value` converts the bytes of each.
    fn elements<T: Clone + Default>(
        mut self,
        value: impl Fn(&[u8]) -> T,
    ) -> Result<Vec<T>, String> {
        // The number was checked against the file's size.
        let count: usize = self.shape.iter().product();
        let mut values = Vec::new();
        values.try_reserve_exact(count).map_err(|_| {
            format!("its {count} elements do not fit into memory; save fewer samples")
        })?;
        let mut place = match self.order {
            Order::C => None,
            Order::Fortran => {
                values.resize(count, T::default());
                Some(Scattered::new(&self.shape))
            }
        };
        let at_once = (CHUNK / self.width).max(1);
        let mut buffer = vec![0; at_once.min(count) * self.width];
        let mut left = count;
        while left > 0 {
            let bytes = &mut buffer[..at_once.min(left) * self.width];
            self.reader.read_exact(bytes).map_err(|error| self.unreadable(&error))?;
            for element in bytes.chunks_exact(self.width) {
                match &mut place {
                    None => values.push(value(element)),
                    Some(place) => values[place.next()] = value(element),
                }
            }
            left -= bytes.len() / self.width;
        }
        // At its end, an archive checks the checksum.
        match self.reader.read(&mut [0]) {
            Ok(0) => Ok(values),
            Ok(_) => Err(format!(
                "its header says shape {:?} of {}, but more follows; the file is damaged, save it again",
                self.shape, self.element
            )),
            Err(error) => Err(self.unreadable(&error)),
        }
    }

    fn unreadable(&self, error: &std::io::Error) -> String {
        match error.kind() {
            ErrorKind::UnexpectedEof => {
                let shape: Vec<u64> = self.shape.iter().map(|&length| length as u64).collect();
                damaged(&shape, &self.element)
            }
            _ => format!("it cannot be read: {error}; the file is damaged, save it again"),
        }
    }
}

fn damaged(shape: &[u64], element: &TypeStr) -> String {
    format!(
        "its header says shape {shape:?} of {element}, but less follows; the file is cut short or damaged, save it again"
    )
}

/// Places in C order of elements in Fortran order.
struct Scattered {
    /// Length and stride of each axis.
    axes: Vec<(usize, usize)>,
    /// Index of the next element on each axis.
    index: Vec<usize>,
    place: usize,
}

impl Scattered {
    fn new(shape: &[usize]) -> Self {
        let mut distance = 1;
        let mut axes: Vec<(usize, usize)> = shape
            .iter()
            .rev()
            .map(|&length| {
                let axis = (length, distance);
                distance *= length;
                axis
            })
            .collect();
        axes.reverse();
        Self { index: vec![0; axes.len()], axes, place: 0 }
    }

    fn next(&mut self) -> usize {
        let place = self.place;
        for (index, &(length, distance)) in self.index.iter_mut().zip(&self.axes) {
            *index += 1;
            self.place += distance;
            if *index < length {
                break;
            }
            self.place -= length * distance;
            *index = 0;
        }
        place
    }
}

/// The value of an IEEE 754 binary16 number.
fn half(bits: u16) -> f32 {
    const TO_BIAS: f32 = f32::from_bits(0x7780_0000); // 2^112 = 2^(127 − 15), from the exponents' biases
    const NOT_FINITE: u16 = 0x7c00;
    let magnitude = bits & 0x7fff;
    let value = if magnitude < NOT_FINITE {
        f32::from_bits(u32::from(magnitude) << 13) * TO_BIAS
    } else if magnitude == NOT_FINITE {
        f32::INFINITY
    } else {
        f32::NAN
    };
    if bits & 0x8000 == 0 { value } else { -value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_numbers_are_exact() {
        for bits in 0..=u16::MAX {
            let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
            let magnitude = match exponent {
                0 => fraction * 2f64.powi(-24),
                31 if fraction == 0.0 => f64::INFINITY,
                31 => f64::NAN,
                _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
            };
            let expected = if bits >> 15 == 0 { magnitude } else { -magnitude };
            let found = f64::from(half(bits));
            assert!(found == expected || found.is_nan() && expected.is_nan(), "{bits:#x}: {found}");
        }
    }

    #[test]
    fn elements_in_fortran_order_are_placed_in_c_order() {
        let mut place = Scattered::new(&[2, 3, 2]);
        let found: Vec<usize> = (0..12).map(|_| place.next()).collect();
        // The first axis changes fastest: (0,0,0), (1,0,0), (0,1,0) …
        assert_eq!(found, [0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11]);
    }
}
