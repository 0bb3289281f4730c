//! Deserialisers that refuse impossible values, so that an error points at the place of the value; for the
//! configurations of simulated devices of your own, as `#[serde(deserialize_with = "validate::positive")]`.

use serde::de::{Deserialize, Deserializer, Error};

fn number<'de, D: Deserializer<'de>>(
    deserializer: D,
    fits: impl Fn(f64) -> bool,
    expected: &str,
) -> Result<f64, D::Error> {
    let value = f64::deserialize(deserializer)?;
    if fits(value) {
        Ok(value)
    } else {
        Err(D::Error::custom(format!("expected {expected}, found {value}")))
    }
}

/// A finite number, zero or more.
///
/// # Errors
/// The deserialiser's own error, or one that says what was expected.
pub fn non_negative<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    number(deserializer, |value| value.is_finite() && value >= 0.0, "a number of zero or more")
}

/// A finite number above zero.
///
/// # Errors
/// As [`non_negative`].
pub fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    number(deserializer, |value| value.is_finite() && value > 0.0, "a number above zero")
}

/// An optional finite number above zero.
///
/// # Errors
/// As [`non_negative`].
pub fn optional_positive<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<f64>, D::Error> {
    positive(deserializer).map(Some)
}

/// Any finite number.
///
/// # Errors
/// As [`non_negative`].
pub fn finite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    number(deserializer, f64::is_finite, "a finite number")
}

/// A fraction from zero to one.
///
/// # Errors
/// As [`non_negative`].
pub fn fraction<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    number(deserializer, |value| (0.0..=1.0).contains(&value), "a fraction from 0 to 1")
}

/// A fraction above zero, at most one.
///
/// # Errors
/// As [`non_negative`].
pub fn positive_fraction<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    number(deserializer, |value| value > 0.0 && value <= 1.0, "a fraction above 0, at most 1")
}

/// A fraction above zero and below one.
///
/// # Errors
/// As [`non_negative`].
pub fn open_fraction<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    number(deserializer, |value| value > 0.0 && value < 1.0, "a fraction above 0 and below 1")
}

/// A fraction of zero or more and below one.
///
/// # Errors
/// As [`non_negative`].
pub fn part<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    number(deserializer, |value| (0.0..1.0).contains(&value), "a fraction of 0 or more, below 1")
}

/// A whole number of one or more.
///
/// # Errors
/// As [`non_negative`].
pub fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let value = i64::deserialize(deserializer)?;
    usize::try_from(value).ok().filter(|value| *value > 0).ok_or_else(|| {
        D::Error::custom(format!("expected a whole number of 1 or more, found {value}"))
    })
}

/// An optional whole number of one or more.
///
/// # Errors
/// As [`non_negative`].
pub fn optional_count<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<usize>, D::Error> {
    count(deserializer).map(Some)
}

/// Converter resolution: 0 (no quantisation) or 1 to 24 bits.
///
/// # Errors
/// As [`non_negative`].
pub fn bits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let value = i64::deserialize(deserializer)?;
    u32::try_from(value).ok().filter(|value| *value <= 24).ok_or_else(|| {
        D::Error::custom(format!("expected 0 (no quantisation) to 24 bits, found {value}"))
    })
}
