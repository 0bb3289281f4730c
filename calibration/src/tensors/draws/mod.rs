//! Random numbers on a backend.
//!
//! They are counter-based: a number depends on the seed, its purpose, its shot and its place in the shot alone. So no state
//! is kept, a run that resumes draws what it would have drawn, and all numbers are drawn at once. On a GPU a kernel draws
//! them; for another backend the CPU does, and they are copied there.

#[cfg(feature = "kernels")]
pub(super) mod kernel;
mod philox;

use burn::tensor::{Device, Tensor};
use rayon::prelude::*;
use twinprop_devices::random::fnv1a;

pub(super) use self::philox::WORDS;
use self::philox::{normals, uniforms, words};
use crate::bridge::from_vec;

/// The random numbers of a run of shots.
#[derive(Clone, Copy, Debug)]
pub struct Draws {
    seed: u64,
    first: u64,
}

/// What numbers are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Distribution {
    /// Of mean 0 and standard deviation 1.
    Normal,
    /// From 0 to 1, without 1.
    Uniform,
}

/// Where the numbers of one purpose are: the generator's key, and words of its counter.
#[derive(Clone, Copy)]
pub(super) struct Stream {
    /// The device's seed.
    pub key: [u32; 2],
    /// A word for the purpose.
    pub purpose: u32,
    /// The first shot.
    pub first: u64,
}

impl Draws {
    /// Those of the shots from number `first` of a device with the noise of `seed`.
    #[must_use]
    pub fn new(seed: u64, first: u64) -> Self {
        Self { seed, first }
    }

    /// Number of the first shot since the device was made.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Those of the shots from number `first`.
    #[must_use]
    pub fn at(&self, first: u64) -> Self {
        Self { first, ..*self }
    }

    /// Those of the shots after the first `shots`.
    #[must_use]
    pub fn after(&self, shots: usize) -> Self {
        self.at(self.first + shots as u64)
    }

    /// Standard normal numbers `[shots, width]` for `purpose` on `device`.
    #[must_use]
    pub fn normal(&self, purpose: &str, shape: [usize; 2], device: &Device) -> Tensor<2> {
        self.draw(Distribution::Normal, purpose, shape, device)
    }

    /// Numbers from 0 to 1, without 1, `[shots, width]` for `purpose` on `device`.
    #[must_use]
    pub fn uniform(&self, purpose: &str, shape: [usize; 2], device: &Device) -> Tensor<2> {
        self.draw(Distribution::Uniform, purpose, shape, device)
    }

    pub(super) fn stream(&self, purpose: &str) -> Stream {
        let [low, high] = halves(fnv1a(purpose));
        Stream { key: halves(self.seed), purpose: low ^ high, first: self.first }
    }

    fn draw(
        &self,
        distribution: Distribution,
        purpose: &str,
        shape: [usize; 2],
        device: &Device,
    ) -> Tensor<2> {
        let stream = self.stream(purpose);
        #[cfg(feature = "kernels")]
        if let Some(numbers) = kernel::draw(distribution, stream, shape, device) {
            return numbers;
        }
        from_vec(stream.draw(distribution, shape), shape, device)
    }
}

impl Stream {
    /// The numbers of `shots` shots, `width` each, drawn by the CPU.
    fn draw(&self, distribution: Distribution, [shots, width]: [usize; 2]) -> Vec<f32> {
        let mut numbers = vec![0.0; shots * width];
        numbers.par_chunks_mut(width.max(1)).enumerate().for_each(|(shot, numbers)| {
            let [low, high] = halves(self.first.wrapping_add(shot as u64));
            for (block, numbers) in (0u32..).zip(numbers.chunks_mut(WORDS)) {
                let words = words([block, low, high, self.purpose], self.key);
                let drawn = match distribution {
                    Distribution::Normal => normals(words),
                    Distribution::Uniform => uniforms(words),
                };
                numbers.copy_from_slice(&drawn[..numbers.len()]);
            }
        });
        numbers
    }
}

/// The low and the high word.
pub(super) fn halves(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(seed: u64, first: u64, purpose: &str, shape: [usize; 2]) -> Vec<f32> {
        Draws::new(seed, first).stream(purpose).draw(Distribution::Normal, shape)
    }

    #[test]
    fn a_number_depends_on_seed_purpose_shot_and_place_alone() {
        let all = drawn(7, 0, "readout", [10, 6]);
        assert_eq!(all[18..30], drawn(7, 3, "readout", [2, 6])[..]);
        // A wider shot begins with the numbers of a narrow one.
        assert_eq!(all[..6], drawn(7, 0, "readout", [1, 9])[..6]);
        let others = [drawn(8, 0, "readout", [10, 6]), drawn(7, 0, "drives", [10, 6])];
        for other in others {
            assert!(all.iter().zip(&other).all(|(one, other)| one != other));
        }
        // The shots' number has 64 bits.
        let last = drawn(7, u64::from(u32::MAX), "readout", [2, 6]);
        assert_eq!(last[6..], drawn(7, 1 << 32, "readout", [1, 6])[..]);
        assert_ne!(last[6..], all[..6]);
    }
}
