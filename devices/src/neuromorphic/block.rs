//! Blocks of neurons, which a worker takes through all steps before the next block: the weights of their synapses stay in
//! its cache.

use std::ops::Range;

use super::real::{Real, add};

/// Neurons of a block.
pub(super) const LANES: usize = 64;

/// A value of each neuron of a block; zero behind the last neuron.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Lanes<F>(pub [F; LANES]);

impl<F: Real> Lanes<F> {
    #[inline(always)]
    pub fn zero() -> Self {
        Self([F::zero(); LANES])
    }

    /// The values of the neurons of `block`.
    #[inline(always)]
    pub fn of(values: &[F], block: &Range<usize>) -> Self {
        let mut lanes = Self::zero();
        if block.len() == LANES {
            // Not by a call of memcpy.
            for (to, &from) in lanes.0.iter_mut().zip(&values[block.start..][..LANES]) {
                *to = from;
            }
        } else {
            lanes.0[..block.len()].copy_from_slice(&values[block.clone()]);
        }
        lanes
    }

    /// Writes them to the values of the neurons of `block`.
    #[inline(always)]
    pub fn write(&self, values: &mut [F], block: &Range<usize>) {
        if block.len() == LANES {
            for (to, &from) in values[block.start..][..LANES].iter_mut().zip(&self.0) {
                *to = from;
            }
        } else {
            values[block.clone()].copy_from_slice(&self.0[..block.len()]);
        }
    }

    /// Takes the values of `other`, not by a call of memcpy.
    #[inline(always)]
    pub fn set(&mut self, other: &Self) {
        for place in 0..LANES {
            self.0[place] = other.0[place];
        }
    }

    #[inline(always)]
    pub fn add(&mut self, other: &Self) {
        for place in 0..LANES {
            self.0[place] += other.0[place];
        }
    }

    /// Adds the rows of `sources`.
    #[inline(always)]
    pub fn add_rows(&mut self, rows: &[Self], sources: &[u32]) {
        let mut sum = *self;
        for &source in sources {
            sum.add(&rows[source as usize]);
        }
        *self = sum;
    }

    #[inline(always)]
    pub fn times(&self, factors: &Self) -> Self {
        let mut product = *self;
        for place in 0..LANES {
            product.0[place] *= factors.0[place];
        }
        product
    }

    /// The scalar product, in eight sums so that it becomes vectors.
    #[inline(always)]
    pub fn dot(&self, other: &Self) -> F {
        let mut sums = [F::zero(); 8];
        for (left, right) in self.0.chunks_exact(8).zip(other.0.chunks_exact(8)) {
            for lane in 0..8 {
                sums[lane] += left[lane] * right[lane];
            }
        }
        sums.into_iter().fold(F::zero(), |sum, lane| sum + lane)
    }
}

/// The blocks of `count` neurons.
pub(super) fn blocks(count: usize) -> impl Iterator<Item = Range<usize>> {
    (0..count).step_by(LANES).map(move |first| first..(first + LANES).min(count))
}

/// The values of `block` in each row of `rows`, of `count` values each, into `packed`.
pub(super) fn pack<F: Real>(
    packed: &mut Vec<Lanes<F>>,
    rows: &[F],
    count: usize,
    block: &Range<usize>,
) {
    packed.clear();
    packed.extend(rows.chunks_exact(count).map(|row| Lanes::of(row, block)));
}

/// Adds `packed` to the values of `block` in each row of `rows`.
pub(super) fn add_packed<F: Real>(
    rows: &mut [F],
    packed: &[Lanes<F>],
    count: usize,
    block: &Range<usize>,
) {
    for (row, lanes) in rows.chunks_exact_mut(count).zip(packed) {
        add(&mut row[block.clone()], &lanes.0);
    }
}

/// The first `length` values of `buffer`, which grows if it has less; any content.
pub(super) fn sized<F: Real>(buffer: &mut Vec<F>, length: usize) -> &mut [F] {
    if buffer.len() < length {
        buffer.resize(length, F::zero());
    }
    &mut buffer[..length]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_rows_come_back() {
        let (count, mut packed) = (70, Vec::new());
        let rows: Vec<f64> = (0..3 * count).map(|place| place as f64).collect();
        let mut back = vec![1.0; rows.len()];
        for block in blocks(count) {
            pack(&mut packed, &rows, count, &block);
            assert_eq!(packed.len(), 3);
            assert!(packed[2].0[block.len()..].iter().all(|&padding| padding == 0.0));
            add_packed(&mut back, &packed, count, &block);
        }
        assert!(back.iter().zip(&rows).all(|(back, value)| *back == value + 1.0));
    }

    #[test]
    fn lanes_are_summed_and_multiplied() {
        let rows = [Lanes([2.0; LANES]), Lanes([3.0; LANES]), Lanes([5.0; LANES])];
        let mut sum = Lanes::zero();
        sum.add_rows(&rows, &[0, 2, 2]);
        assert_eq!(sum.0, [12.0; LANES]);
        assert_eq!(sum.times(&rows[1]).0, [36.0; LANES]);
        assert_eq!(rows[0].dot(&rows[1]), 6.0 * LANES as f64);
    }
}
