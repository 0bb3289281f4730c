//! Counter-based random numbers: a stream a purpose, a place in it an item or a shot.
//!
//! A number depends on (seed, purpose, index) alone, never on what was drawn before it. So the same
//! recipe gives the same bits whatever the thread count, and a checkpoint holds no generator state.
//!
//! [`stream`] is a generator for what is drawn once or in an order. [`ShotStream`] draws the noise of many shots at once.

mod philox;
mod shot_stream;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

// For kernels that draw the same numbers elsewhere.
pub use philox::{FACTORS, ROUNDS, WEYL, WORDS};
pub use shot_stream::{Distributed, ShotStream, halves};

/// The stream of `purpose` under `seed`, at its start.
#[must_use]
pub fn stream(seed: u64, purpose: &str) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(fnv1a(purpose));
    random
}

/// Moves `random` to the words that belong to item `index`, `words` words an item.
pub fn seek(random: &mut ChaCha8Rng, index: u64, words: u32) {
    random.set_word_pos(u128::from(index) * u128::from(words));
}

/// A normal deviate of a fabricated constant, clamped to three deviations: a worse part would not have left
/// the factory.
pub fn deviate(random: &mut ChaCha8Rng) -> f64 {
    let normal: f64 = StandardNormal.sample(random);
    normal.clamp(-3.0, 3.0)
}

/// A 64-bit hash by FNV-1a, which no library version can change; it starts by default.
///
/// ```
/// use twinprop_devices::random::Fnv1a;
///
/// let mut hash = Fnv1a::default();
/// "twin".bytes().for_each(|byte| hash.add(u64::from(byte)));
/// assert_eq!(hash.0, 0x7500_1aef_5fb9_afb3);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fnv1a(pub u64);

impl Default for Fnv1a {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv1a {
    /// Adds a byte, or a longer word as one.
    pub fn add(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x0100_0000_01b3);
    }
}

/// A stable map from names to streams.
#[must_use]
pub fn fnv1a(text: &str) -> u64 {
    let mut hash = Fnv1a::default();
    text.bytes().for_each(|byte| hash.add(u64::from(byte)));
    hash.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn a_draw_depends_on_seed_purpose_and_index_alone() {
        let mut first = stream(7, "readout noise");
        seek(&mut first, 3, 64);
        let direct = first.next_u64();
        let mut second = stream(7, "readout noise");
        for index in 0..=3 {
            seek(&mut second, index, 64);
            let _ = second.next_u32();
        }
        seek(&mut second, 3, 64);
        assert_eq!(direct, second.next_u64());
        assert_ne!(direct, stream(7, "input noise").next_u64());
        assert_ne!(direct, stream(8, "readout noise").next_u64());
    }
}
