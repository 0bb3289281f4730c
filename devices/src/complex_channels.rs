//! Complex amplitudes: two banks of channels that belong together, as a laboratory's modulators have them.
//!
//! | parts | first bank | second bank | amplitude |
//! |---|---|---|---|
//! | Cartesian | in-phase part I | quadrature part Q | x = I + i Q |
//! | polar | amplitude a | phase φ in rad | x = a exp(iφ) |
//!
//! Both banks have one channel an amplitude, in the same order; the second bank follows the first.

use std::f32::consts::PI;
use std::ops::Range;

use crate::{Bank, Channels, Part};

/// Two banks of channels that carry complex amplitudes.
#[derive(Clone, Debug, PartialEq)]
pub struct ComplexBank<'a> {
    /// The bank with the first parts: its name, unit and range.
    pub bank: &'a Bank,
    /// Whether the parts are amplitude and phase, not in-phase and quadrature.
    pub is_polar: bool,
    /// Places of the channels with the first parts.
    pub first: Range<usize>,
    /// Places of the channels with the second parts.
    pub second: Range<usize>,
}

impl ComplexBank<'_> {
    /// The largest amplitude that both banks can be driven to at any phase.
    #[must_use]
    pub fn largest(&self) -> f32 {
        if self.is_polar { self.bank.maximum } else { self.bank.maximum.min(-self.bank.minimum) }
    }

    /// Magnitudes and phases (in rad) of the amplitudes in one shot's `values`.
    pub fn polar<'v>(&self, values: &'v [f32]) -> impl Iterator<Item = (f32, f32)> + use<'v> {
        let is_polar = self.is_polar;
        let parts = values[self.first.clone()].iter().zip(&values[self.second.clone()]);
        parts.map(move |(&first, &second)| match is_polar {
            true => (first, second),
            false => (first.hypot(second), second.atan2(first)),
        })
    }

    /// Sets the amplitude with the number `number` in one shot's `values` to `magnitude` and `phase` in rad.
    pub fn set(&self, values: &mut [f32], number: usize, magnitude: f32, phase: f32) {
        let (first, second) = (self.first.start + number, self.second.start + number);
        let (sine, cosine) = phase.sin_cos();
        (values[first], values[second]) = match self.is_polar {
            true => (magnitude, sine.atan2(cosine)),
            false => (magnitude * cosine, magnitude * sine),
        };
    }
}

impl Channels {
    /// `count` complex amplitudes up to `largest` as in-phase and quadrature parts, each from −`largest` to `largest`.
    ///
    /// ```
    /// use twinprop_devices::Channels;
    ///
    /// let modes = Channels::complex("field", 64, "1", 32.0);
    /// assert_eq!(modes.len(), 128);
    /// let field = &modes.complex_banks()[0];
    /// assert_eq!((field.first.clone(), field.second.clone()), (0..64, 64..128));
    /// ```
    #[must_use]
    pub fn complex(name: &str, count: usize, unit: &str, largest: f32) -> Self {
        let bank =
            |part: &str| Self::bank(&format!("{part} {name}"), count, unit, -largest, largest);
        bank("in-phase")
            .with_part(Part::InPhase)
            .and(bank("quadrature").with_part(Part::Quadrature))
    }

    /// `count` complex amplitudes up to `largest` as amplitudes from 0 to `largest` and phases from −π to π.
    #[must_use]
    pub fn polar(name: &str, count: usize, unit: &str, largest: f32) -> Self {
        let amplitudes = Self::bank(&format!("amplitude of {name}"), count, unit, 0.0, largest);
        let phases = Self::bank(&format!("phase of {name}"), count, "rad", -PI, PI);
        amplitudes.with_part(Part::Amplitude).and(phases.with_part(Part::Phase))
    }

    /// These channels as the `part` of complex amplitudes.
    #[must_use]
    pub fn with_part(mut self, part: Part) -> Self {
        self.banks_mut().iter_mut().for_each(|bank| bank.part = Some(part));
        self
    }

    /// The banks that carry complex amplitudes, two by two.
    #[must_use]
    pub fn complex_banks(&self) -> Vec<ComplexBank<'_>> {
        let mut start = 0;
        let mut found = Vec::new();
        for (place, bank) in self.banks().iter().enumerate() {
            let end = start + bank.count;
            let next = self.banks().get(place + 1);
            if let (Some(second), Some(next)) = (bank.part.and_then(Part::second), next)
                && (next.part, next.count) == (Some(second), bank.count)
            {
                let is_polar = second == Part::Phase;
                found.push(ComplexBank {
                    bank,
                    is_polar,
                    first: start..end,
                    second: end..end + bank.count,
                });
            }
            start = end;
        }
        found
    }

    /// What is invalid in the parts of complex amplitudes, if anything; `side` is for the sentence.
    pub(crate) fn fault_of_parts(&self, side: &str) -> Option<String> {
        let mut awaited: Option<(&Bank, Part)> = None;
        for bank in self.banks() {
            let Bank { name, count, part, unit, minimum, maximum, .. } = bank;
            if let Some((first, second)) = awaited.take() {
                if (*part, *count) != (Some(second), first.count) {
                    return Some(half(first, second, side));
                }
                let has_range =
                    (unit, minimum, maximum) == (&first.unit, &first.minimum, &first.maximum);
                if second == Part::Quadrature && !has_range {
                    return Some(format!(
                        "banks `{}` and `{name}` of its {side} are the parts of complex amplitudes, and have different units or ranges; give both the same",
                        first.name
                    ));
                }
                if second == Part::Phase && unit != "rad" {
                    return Some(format!(
                        "bank `{name}` of its {side} has the phases of complex amplitudes in {unit}; give them in rad"
                    ));
                }
                continue;
            }
            let Some(part) = *part else { continue };
            match part.second() {
                Some(_) if part == Part::InPhase && *minimum != -maximum => {
                    return Some(format!(
                        "bank `{name}` of its {side} has parts of complex amplitudes from {minimum} to {maximum}; give it a range about zero"
                    ));
                }
                Some(_) if part == Part::Amplitude && *minimum != 0.0 => {
                    return Some(format!(
                        "bank `{name}` of its {side} has amplitudes from {minimum}; let them start at 0"
                    ));
                }
                Some(second) => awaited = Some((bank, second)),
                None => {
                    return Some(format!(
                        "bank `{name}` of its {side} has the part `{}` of complex amplitudes, and the bank before it is not their first part",
                        part.name()
                    ));
                }
            }
        }
        awaited.map(|(first, second)| half(first, second, side))
    }
}

fn half(first: &Bank, second: Part, side: &str) -> String {
    format!(
        "bank `{}` of its {side} has one part of {} complex amplitudes, and no bank with as many of the part `{}` follows it",
        first.name,
        first.count,
        second.name()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn banks_go_two_by_two_and_half_a_pair_is_refused() {
        let both = Channels::bank("gain", 3, "V", 0.0, 1.0)
            .and(Channels::polar("comb", 2, "mW", 4.0))
            .and(Channels::complex("field", 5, "1", 2.0));
        let found = both.complex_banks();
        let places: Vec<_> = found
            .iter()
            .map(|of| (of.is_polar, of.first.clone(), of.second.clone(), of.largest()))
            .collect();
        assert_eq!(places, [(true, 3..5, 5..7, 4.0), (false, 7..12, 12..17, 2.0)]);
        assert_eq!(both.fault_of_parts("inputs"), None);
        let mut values = [0.0; 17];
        for bank in &found {
            bank.set(&mut values, 1, 1.5, 4.0);
            let (magnitude, phase) = bank.polar(&values).nth(1).unwrap();
            assert!((magnitude - 1.5).abs() < 1e-6 && (phase - 4.0 + 2.0 * PI).abs() < 1e-6);
        }
        let text = serde_json::to_string(&both).unwrap();
        assert!(text.contains("\"part\":\"quadrature\"") && !text.contains("null"), "{text}");
        assert_eq!(serde_json::from_str::<Channels>(&text).unwrap(), both);

        let bank = |count, part| Channels::bank("b", count, "rad", -1.0, 1.0).with_part(part);
        for (channels, words) in [
            (bank(2, Part::InPhase), "no bank with as many"),
            (bank(2, Part::InPhase).and(bank(3, Part::Quadrature)), "no bank with as many"),
            (bank(2, Part::InPhase).and(bank(2, Part::Phase)), "part `quadrature` follows"),
            (bank(2, Part::Quadrature), "is not their first part"),
            (bank(2, Part::Amplitude).and(bank(2, Part::Phase)), "let them start at 0"),
            (Channels::bank("b", 2, "V", 0.0, 1.0).with_part(Part::InPhase), "a range about zero"),
            (
                Channels::bank("a", 2, "V", 0.0, 1.0)
                    .with_part(Part::Amplitude)
                    .and(Channels::bank("p", 2, "deg", 0.0, 360.0).with_part(Part::Phase)),
                "give them in rad",
            ),
            (
                bank(2, Part::InPhase)
                    .and(Channels::bank("q", 2, "V", -1.0, 1.0).with_part(Part::Quadrature)),
                "different units or ranges",
            ),
        ] {
            let fault = channels.fault_of_parts("inputs").unwrap_or_default();
            assert!(fault.contains(words), "{fault}");
            assert!(
                channels.complex_banks().is_empty() || words.starts_with(['g', 'l', 'd']),
                "{fault}"
            );
        }
    }
}
