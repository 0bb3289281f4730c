//! The numbers of shots: of one shot after the other, or of many at once.

use rayon::prelude::*;

use super::fnv1a;
use super::philox::{WORDS, normals, uniforms, words};
use crate::elementary::vectorised;
use crate::lanes::LANES;

/// Fewest numbers of a task for another core: some microseconds.
const WORTH_A_TASK: usize = 2048;

/// How numbers are distributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distributed {
    /// Normally, with mean 0 and standard deviation 1; none is larger than 5.8.
    Normally,
    /// From 0 to 1, without 1, in steps of 2⁻²⁴.
    Uniformly,
}

/// The random numbers of one purpose for every shot of a device.
///
/// A number depends on the seed, the purpose, the shot and its place in the shot alone: the first numbers of a wide shot
/// are those of a narrow one. On a GPU the same generator draws the same numbers, but for rounding.
///
/// ```
/// use twinprop_devices::random::{Distributed, ShotStream};
///
/// let stream = ShotStream::new(7, "readout noise");
/// let [mut all, mut last] = [vec![0.0; 6], vec![0.0; 2]];
/// stream.draw(Distributed::Normally, 0, 2, &mut all);
/// stream.draw(Distributed::Normally, 2, 2, &mut last);
/// assert_eq!(all[4..], last);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShotStream {
    /// The generator's key: the seed.
    pub key: [u32; 2],
    /// A word of its counter for the purpose.
    pub purpose: u32,
}

impl ShotStream {
    /// The numbers of `purpose` under `seed`.
    #[must_use]
    pub fn new(seed: u64, purpose: &str) -> Self {
        let [low, high] = halves(fnv1a(purpose));
        Self { key: halves(seed), purpose: low ^ high }
    }

    /// Writes the `width` numbers of each shot from number `first` to `numbers`, shot after shot.
    pub fn draw(&self, distributed: Distributed, first: u64, width: usize, numbers: &mut [f32]) {
        let shots = WORTH_A_TASK.div_ceil(width.max(1));
        let tasks = numbers.par_chunks_mut(shots * width.max(1)).enumerate();
        tasks.for_each(|(task, numbers)| {
            self.draw_in_turn(distributed, first + (task * shots) as u64, width, numbers);
        });
    }

    /// Calls `add` for every shot from number `first` with its place, its `width` normal numbers and its `width` of
    /// `values`; in parallel, with the same bits on any number of threads.
    pub fn each_shot(
        &self,
        first: u64,
        width: usize,
        values: &mut [f32],
        add: impl Fn(usize, &[f32], &mut [f32]) + Sync,
    ) {
        let width = width.max(1);
        let shots = WORTH_A_TASK.div_ceil(width);
        let tasks = values.par_chunks_mut(shots * width).enumerate();
        tasks.for_each_init(Vec::new, |normals, (task, values)| {
            normals.resize(values.len(), 0.0);
            let place = task * shots;
            self.draw_in_turn(Distributed::Normally, first + place as u64, width, normals);
            vectorised(
                #[inline(always)]
                || {
                    let rows = normals.chunks_exact(width).zip(values.chunks_exact_mut(width));
                    rows.enumerate()
                        .for_each(|(row, (normals, values))| add(place + row, normals, values));
                },
            );
        });
    }

    /// [`draw`](Self::draw) on this thread.
    fn draw_in_turn(
        &self,
        distributed: Distributed,
        first: u64,
        width: usize,
        numbers: &mut [f32],
    ) {
        let counters = width.div_ceil(WORDS);
        vectorised(
            #[inline(always)]
            || {
                // A counter's numbers, in the order of shots and counters.
                let rows = numbers.chunks_mut(width.max(1));
                let mut places = rows.flat_map(|row| row.chunks_mut(WORDS)).peekable();
                let (mut shot, mut counter) = (first, 0);
                while places.peek().is_some() {
                    let (mut blocks, mut low, mut high) = ([0; LANES], [0; LANES], [0; LANES]);
                    for lane in 0..LANES {
                        blocks[lane] = counter as u32;
                        [low[lane], high[lane]] = halves(shot);
                        counter += 1;
                        if counter == counters {
                            (counter, shot) = (0, shot.wrapping_add(1));
                        }
                    }
                    let words = words([blocks, low, high, [self.purpose; LANES]], self.key);
                    let drawn = match distributed {
                        Distributed::Normally => normals(&words),
                        Distributed::Uniformly => uniforms(&words),
                    };
                    for (lane, place) in (0..LANES).zip(&mut places) {
                        let of_lane = drawn.each_ref().map(|numbers| numbers[lane]);
                        if let Ok(place) = <&mut [f32; WORDS]>::try_from(&mut *place) {
                            *place = of_lane;
                        } else {
                            place
                                .iter_mut()
                                .zip(of_lane)
                                .for_each(|(number, drawn)| *number = drawn);
                        }
                    }
                }
            },
        );
    }
}

/// The low and the high word.
#[must_use]
pub fn halves(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(seed: u64, first: u64, purpose: &str, [shots, width]: [usize; 2]) -> Vec<f32> {
        let mut numbers = vec![0.0; shots * width];
        ShotStream::new(seed, purpose).draw(Distributed::Normally, first, width, &mut numbers);
        numbers
    }

    #[test]
    fn a_number_depends_on_seed_purpose_shot_and_place_alone() {
        let all = drawn(7, 0, "readout", [1000, 6]);
        assert_eq!(all[18..30], drawn(7, 3, "readout", [2, 6])[..]);
        assert_eq!(all[3000..], drawn(7, 500, "readout", [500, 6])[..]);
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
        assert!(drawn(7, 0, "readout", [0, 6]).is_empty());
        assert!(drawn(7, 0, "readout", [5, 0]).is_empty());
    }

    #[test]
    fn each_shot_gets_its_numbers() {
        let stream = ShotStream::new(7, "readout");
        let mut values = vec![1.0; 3 * 2000];
        stream.each_shot(5, 3, &mut values, |shot, normals, values| {
            for (value, normal) in values.iter_mut().zip(normals) {
                *value += shot as f32 + normal;
            }
        });
        let normals = drawn(7, 5, "readout", [2000, 3]);
        for (place, (value, normal)) in values.iter().zip(&normals).enumerate() {
            assert_eq!(*value, 1.0 + ((place / 3) as f32 + normal));
        }
    }

    #[test]
    fn normal_numbers_have_the_moments_of_their_distribution() {
        let numbers = drawn(1, 0, "moments", [20_000, 10]);
        let count = numbers.len() as f64;
        let moment = |power| numbers.iter().map(|&x| f64::from(x).powi(power)).sum::<f64>() / count;
        // Within four standard errors.
        for (power, expected, variance) in
            [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)]
        {
            let error = moment(power) - expected;
            assert!(error.abs() < 4.0 * f64::sqrt(variance / count), "{power}: {error}");
        }
    }
}
