//! Faults of a link, for tests and the emulator.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::random;

/// Probabilities of faults, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FaultsConfig {
    /// One bit of a byte is flipped.
    pub flip: f64,
    /// A byte is lost.
    pub drop: f64,
    /// A frame is duplicated.
    pub duplicate: f64,
    /// A frame arrives after the next one.
    pub reorder: f64,
    /// A frame is truncated.
    pub truncate: f64,
    /// Up to a hundred random bytes precede a frame.
    pub garbage: f64,
}

impl FaultsConfig {
    /// Whether there are no faults.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// One direction of a faulty link.
pub struct Faults {
    config: FaultsConfig,
    random: ChaCha8Rng,
    /// A frame that waits until the next one has been sent.
    held: Option<Vec<u8>>,
}

impl Faults {
    /// A direction of a link; its faults are drawn from `seed` and `direction`.
    #[must_use]
    pub fn new(config: FaultsConfig, seed: u64, direction: &str) -> Self {
        Self { config, random: random::stream(seed, direction), held: None }
    }

    /// The pieces that arrive when `frame` is sent.
    pub fn pass(&mut self, frame: &[u8], mut deliver: impl FnMut(&[u8])) {
        if self.config.is_none() {
            return deliver(frame);
        }
        if self.strikes(self.config.garbage) {
            let length = self.random.random_range(1..=100);
            let garbage: Vec<u8> = (0..length).map(|_| self.random.random()).collect();
            deliver(&garbage);
        }
        let mut bytes = frame.to_vec();
        if self.strikes(self.config.truncate) {
            bytes.truncate(self.random.random_range(0..bytes.len()));
        }
        self.damage(&mut bytes);
        if self.held.is_none() && self.strikes(self.config.reorder) {
            self.held = Some(bytes);
            return;
        }
        deliver(&bytes);
        if self.strikes(self.config.duplicate) {
            deliver(&bytes);
        }
        if let Some(held) = self.held.take() {
            deliver(&held);
        }
    }

    fn strikes(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.random.random_bool(probability)
    }

    fn damage(&mut self, bytes: &mut Vec<u8>) {
        let FaultsConfig { flip, drop, .. } = self.config;
        if flip > 0.0 {
            for byte in bytes.iter_mut() {
                if self.random.random_bool(flip) {
                    *byte ^= 1 << self.random.random_range(0..8);
                }
            }
        }
        if drop > 0.0 {
            bytes.retain(|_| !self.random.random_bool(drop));
        }
    }
}
