//! Random numbers on a backend.
//!
//! They are counter-based: a number depends on the seed, its purpose, its shot and its place in the shot alone. So no state
//! is kept, a run that resumes draws what it would have drawn, and all numbers are drawn at once. On a GPU a kernel draws
//! them; for another backend the CPU does, and they are copied there.

#[cfg(feature = "kernels")]
pub(super) mod kernel;

use burn::tensor::{Device, Tensor};
use twinprop_devices::random::{Distributed, ShotStream};

use crate::bridge::from_vec;

/// The random numbers of a run of shots.
#[derive(Clone, Copy, Debug)]
pub struct Draws {
    seed: u64,
    first: u64,
}

/// The numbers of one purpose for the shots from a first one.
#[derive(Clone, Copy)]
pub(super) struct Stream {
    pub numbers: ShotStream,
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
        self.draw(Distributed::Normally, purpose, shape, device)
    }

    /// Numbers from 0 to 1, without 1, `[shots, width]` for `purpose` on `device`.
    #[must_use]
    pub fn uniform(&self, purpose: &str, shape: [usize; 2], device: &Device) -> Tensor<2> {
        self.draw(Distributed::Uniformly, purpose, shape, device)
    }

    pub(super) fn stream(&self, purpose: &str) -> Stream {
        Stream { numbers: ShotStream::new(self.seed, purpose), first: self.first }
    }

    fn draw(
        &self,
        distributed: Distributed,
        purpose: &str,
        shape: [usize; 2],
        device: &Device,
    ) -> Tensor<2> {
        let stream = self.stream(purpose);
        #[cfg(feature = "kernels")]
        if let Some(numbers) = kernel::draw(distributed, stream, shape, device) {
            return numbers;
        }
        let [shots, width] = shape;
        let mut numbers = vec![0.0; shots * width];
        stream.numbers.draw(distributed, stream.first, width, &mut numbers);
        from_vec(numbers, shape, device)
    }
}
