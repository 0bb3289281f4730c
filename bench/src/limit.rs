//! The machine's limits: arithmetic at the rate of its matrix products, bytes at the rate of its memory; and how long a
//! value takes from one core to another.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;
use std::{hint, thread};

use burn::tensor::{Device, Tensor};
use rayon::prelude::*;

use crate::median;

/// Rows, columns and depth of the timed matrix product: large enough for the best rate.
const SIZE: usize = 1024;
/// Number of copied values: more than any cache holds.
const COPIED: usize = 1 << 26;
/// Round trips between two cores in a block, and blocks.
const ROUND_TRIPS: u32 = 1 << 8;
const BLOCKS: u32 = 33;
/// Maximum repetitions; the fastest one within a second counts.
const REPETITIONS: usize = 200;

/// The rates of a machine, all cores together.
pub struct Machine {
    /// Multiply-adds a second. Only printed: [`limit`](Self::limit) measures the rate again.
    multiply_adds: f64,
    /// Bytes a second, read and written.
    bytes: f64,
}

/// The least work that a subject needs.
#[derive(Clone, Copy)]
pub struct Work {
    /// Multiply-adds; an elementary function counts as ten.
    pub multiply_adds: u64,
    /// Bytes read and written.
    pub bytes: u64,
    /// Rows, depth and columns of the matrix products; their rate then counts instead of the best rate.
    pub product: Option<[usize; 3]>,
}

impl Machine {
    /// Measures both rates.
    pub fn measure() -> Self {
        let source = vec![1.0f32; COPIED];
        let mut target = vec![0.0f32; COPIED];
        let share = COPIED.div_ceil(rayon::current_num_threads());
        let copy = || {
            let parts = source.par_chunks(share).zip(target.par_chunks_mut(share));
            parts.for_each(|(source, target)| target.copy_from_slice(source));
        };
        Self {
            multiply_adds: multiply_adds_of([SIZE; 3]),
            bytes: 8.0 * COPIED as f64 / fastest(copy),
        }
    }

    /// Returns the shortest time for `work`, in seconds. The rate of its products is measured now: a virtual machine's
    /// processor is at times slower.
    pub fn limit(&self, work: Work) -> f64 {
        let rate = multiply_adds_of(work.product.unwrap_or([SIZE; 3]));
        let arithmetic = work.multiply_adds as f64 / rate;
        arithmetic.max(work.bytes as f64 / self.bytes)
    }

    /// The rates in words.
    pub fn in_words(&self) -> String {
        format!(
            "limit: matrix products at {:.0} GFLOP/s, memory at {:.0} GB/s",
            2e-9 * self.multiply_adds,
            1e-9 * self.bytes
        )
    }
}

/// Seconds in which a value goes from one core to another and back; `None` if there is only one core. A virtual machine's
/// cores may be moved nearer to each other or further apart at any time.
pub(crate) fn round_trip() -> Option<f64> {
    if thread::available_parallelism().map_or(1, usize::from) < 2 {
        return None;
    }
    let count = AtomicU32::new(0);
    let pass_on = |turns: Range<u32>| {
        for turn in turns.step_by(2) {
            while count.load(Ordering::Acquire) != turn {
                hint::spin_loop();
            }
            count.store(turn + 1, Ordering::Release);
        }
    };
    let timed = |block: u32| {
        let start = Instant::now();
        pass_on(2 * block * ROUND_TRIPS..2 * (block + 1) * ROUND_TRIPS);
        start.elapsed().as_secs_f64() / f64::from(ROUND_TRIPS)
    };
    let seconds = thread::scope(|scope| {
        scope.spawn(|| pass_on(1..2 * BLOCKS * ROUND_TRIPS));
        (0..BLOCKS).map(timed).collect()
    });
    // Blocks in which the thread starts, or a core does something else, are beside the median.
    Some(median(seconds))
}

/// Multiply-adds a second of matrix products of these sizes, on all cores.
fn multiply_adds_of([rows, depth, columns]: [usize; 3]) -> f64 {
    let device = Device::flex();
    let left = Tensor::<2>::ones([rows, depth], &device);
    let right = Tensor::<2>::ones([depth, columns], &device);
    let product = || drop(left.clone().matmul(right.clone()));
    (rows * depth * columns) as f64 / fastest(product)
}

/// Seconds of the fastest repetition of `work`.
fn fastest(mut work: impl FnMut()) -> f64 {
    let begun = Instant::now();
    let in_time = |&repetition: &usize| repetition < 5 || begun.elapsed().as_secs_f64() < 1.0;
    let seconds = (0..REPETITIONS).take_while(in_time).map(|_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    });
    seconds.fold(f64::INFINITY, f64::min)
}
