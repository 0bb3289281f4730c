//! Philox 4 × 32 with ten rounds, sixteen counters at a time, and numbers from its words.
//!
//! Source: Salmon, Moraes, Dror & Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011. Normal numbers are those of
//! Box and Muller (Annals of Mathematical Statistics 29, 610, 1958), two from two words.

use std::f32::consts::TAU;

use crate::elementary::{ln, sin_cos};
use crate::lanes::{LANES, Lane, ZERO};

/// Words of one counter, and numbers from them.
pub const WORDS: usize = 4;
/// Rounds of a word.
pub const ROUNDS: usize = 10;
/// Factors of the two multiplied words.
pub const FACTORS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// What a round adds to the two words of the key.
pub const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// One word of sixteen counters.
pub(super) type Words = [u32; LANES];

/// The words at sixteen counters under `key`.
#[inline(always)]
pub(super) fn words(mut counter: [Words; WORDS], mut key: [u32; 2]) -> [Words; WORDS] {
    for _ in 0..ROUNDS {
        let (first_high, first_low) = product(FACTORS[0], &counter[0]);
        let (second_high, second_low) = product(FACTORS[1], &counter[2]);
        counter = [
            mixed(&second_high, &counter[1], key[0]),
            second_low,
            mixed(&first_high, &counter[3], key[1]),
            first_low,
        ];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

/// The high and the low words of products.
#[inline(always)]
fn product(factor: u32, words: &Words) -> (Words, Words) {
    let (mut high, mut low) = ([0; LANES], [0; LANES]);
    for (high, word) in high.iter_mut().zip(words) {
        *high = ((u64::from(factor) * u64::from(*word)) >> 32) as u32;
    }
    for (low, word) in low.iter_mut().zip(words) {
        *low = word.wrapping_mul(factor);
    }
    (high, low)
}

#[inline(always)]
fn mixed(one: &Words, other: &Words, key: u32) -> Words {
    let mut mixed = [0; LANES];
    for (mixed, (one, other)) in mixed.iter_mut().zip(one.iter().zip(other)) {
        *mixed = one ^ other ^ key;
    }
    mixed
}

/// Numbers from 0 to 1, without 1, of 24 bits.
#[inline(always)]
pub(super) fn uniforms(words: &[Words; WORDS]) -> [Lane; WORDS] {
    let mut numbers = [ZERO; WORDS];
    for (numbers, words) in numbers.iter_mut().zip(words) {
        for (number, word) in numbers.iter_mut().zip(words) {
            // As a signed number: a vector instruction that all processors have.
            *number = (word >> 8) as i32 as f32 * (1.0 / 16_777_216.0);
        }
    }
    numbers
}

/// Standard normal numbers.
#[inline(always)]
pub(super) fn normals(words: &[Words; WORDS]) -> [Lane; WORDS] {
    let [mut one, mut two, mut three, mut four] = [ZERO; WORDS];
    pairs(&words[0], &words[1], &mut one, &mut two);
    pairs(&words[2], &words[3], &mut three, &mut four);
    [one, two, three, four]
}

#[inline(always)]
fn pairs(lengths: &Words, angles: &Words, along: &mut Lane, across: &mut Lane) {
    for lane in 0..LANES {
        let radius = (-2.0 * ln(inner(lengths[lane]))).sqrt();
        let (sine, cosine) = sin_cos(TAU * inner(angles[lane]));
        (along[lane], across[lane]) = (radius * cosine, radius * sine);
    }
}

/// A number between 0 and 1, without either, of 23 bits and a half, which f32 holds exactly.
#[inline(always)]
fn inner(word: u32) -> f32 {
    ((word >> 9) as i32 as f32 + 0.5) * (1.0 / 8_388_608.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers that the generator's authors publish (Random123, kat_vectors).
    #[test]
    fn words_are_those_that_are_published() {
        let ones = u32::MAX;
        for (counter, key, expected) in [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([ones; 4], [ones; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ] {
            let found = words(counter.map(|word| [word; LANES]), key);
            assert_eq!(found, expected.map(|word: u32| [word; LANES]));
        }
    }

    #[test]
    fn numbers_are_those_of_their_formulas() {
        let places: [u32; LANES] =
            std::array::from_fn(|lane| (lane as u32).wrapping_mul(0x1111_1111));
        let drawn = [places, places.map(|word| !word / 3), places.map(|word| word / 7), places];
        let numbers = normals(&drawn);
        for (pair, lane) in (0..2).flat_map(|pair| (0..LANES).map(move |lane| (pair, lane))) {
            let inner = |word: u32| (f64::from(word >> 9) + 0.5) * (-23f64).exp2();
            let radius = (-2.0 * inner(drawn[2 * pair][lane]).ln()).sqrt();
            let (sine, cosine) = (f64::from(TAU) * inner(drawn[2 * pair + 1][lane])).sin_cos();
            let [along, across] = [numbers[2 * pair][lane], numbers[2 * pair + 1][lane]];
            for (found, exact) in [(along, radius * cosine), (across, radius * sine)] {
                assert!((f64::from(found) - exact).abs() < 3e-6, "{found}, {exact}");
            }
        }
    }

    #[test]
    fn extreme_words_give_finite_numbers() {
        for word in [0, u32::MAX] {
            let words = [[word; LANES]; WORDS];
            assert!(normals(&words).as_flattened().iter().all(|number| number.is_finite()));
            let uniforms = uniforms(&words);
            assert!(uniforms.as_flattened().iter().all(|number| (0.0..1.0).contains(number)));
        }
    }
}
