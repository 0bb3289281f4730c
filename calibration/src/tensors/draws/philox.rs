//! Philox 4 × 32 with ten rounds, and numbers from its words, on the CPU.
//!
//! Source: Salmon, Moraes, Dror & Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011. Normal numbers are those of
//! Box and Muller (Annals of Mathematical Statistics 29, 610, 1958), two from two words.

use std::f32::consts::TAU;

/// Words of one counter.
pub(in crate::tensors) const WORDS: usize = 4;
/// Rounds of a word.
pub(super) const ROUNDS: usize = 10;
/// Factors of the two multiplied words.
pub(super) const FACTORS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// What a round adds to the two words of the key.
pub(super) const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// The words at `counter` under `key`.
pub(super) fn words(mut counter: [u32; WORDS], mut key: [u32; 2]) -> [u32; WORDS] {
    for _ in 0..ROUNDS {
        let [first, second] = [(0, 0), (1, 2)].map(|(factor, word): (usize, usize)| {
            u64::from(FACTORS[factor]) * u64::from(counter[word])
        });
        let high = |product: u64| (product >> 32) as u32;
        counter = [
            high(second) ^ counter[1] ^ key[0],
            second as u32,
            high(first) ^ counter[3] ^ key[1],
            first as u32,
        ];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

/// Numbers from 0 to 1, without 1, of 24 bits.
pub(super) fn uniforms(words: [u32; WORDS]) -> [f32; WORDS] {
    words.map(|word| (word >> 8) as f32 * (-24f32).exp2())
}

/// Standard normal numbers.
pub(super) fn normals(words: [u32; WORDS]) -> [f32; WORDS] {
    // 23 bits and a half, which f32 holds exactly: neither 0 nor 1.
    let inner = words.map(|word| ((word >> 9) as f32 + 0.5) * (-23f32).exp2());
    let radius = |inner: f32| (-2.0 * inner.ln()).sqrt();
    let (first, second) = ((TAU * inner[1]).sin_cos(), (TAU * inner[3]).sin_cos());
    let [one, other] = [radius(inner[0]), radius(inner[2])];
    [one * first.1, one * first.0, other * second.1, other * second.0]
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
            assert_eq!(words(counter, key), expected);
        }
    }

    #[test]
    fn extreme_words_give_finite_numbers() {
        for word in [0, u32::MAX] {
            assert!(normals([word; 4]).iter().all(|number| number.is_finite()));
            assert!(uniforms([word; 4]).iter().all(|number| (0.0..1.0).contains(number)));
        }
    }
}
