//! The spikes of one shot as events, step by step.

use std::ops::Range;

use super::real::Real;
use crate::elementary::vectorised;

/// Cells that are compared at once.
const WORD: usize = 64;

/// Spikes of `lines` lines in the steps of one shot: which lines fire in each step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spikes {
    /// Number of events up to the end of each step.
    ends: Vec<u32>,
    /// The lines that fire, step by step.
    lines: Vec<u32>,
}

impl Spikes {
    /// Those of a raster `cells`, step by step with `lines` cells each; a cell above one half is a spike.
    #[must_use]
    pub fn of_raster(cells: &[f32], lines: usize) -> Self {
        let mut spikes = Self::default();
        spikes.append_raster(cells, lines);
        spikes
    }

    /// Adds the steps of a raster, as [`of_raster`](Self::of_raster) reads it.
    pub fn append_raster(&mut self, cells: &[f32], lines: usize) {
        vectorised(
            #[inline(always)]
            || {
                for step in cells.chunks(lines.max(1)) {
                    for (word, cells) in step.chunks(WORD).enumerate() {
                        self.fire_word((word * WORD) as u32, cells);
                    }
                    self.end_step();
                }
            },
        );
    }

    /// Adds the spikes of up to 64 lines from `first` to the open step. Few cells are spikes: they are compared all at once.
    #[inline(always)]
    fn fire_word(&mut self, first: u32, cells: &[f32]) {
        // A known number of cells becomes vectors.
        let mut fires =
            <&[f32; WORD]>::try_from(cells).map_or_else(|_| bits(cells), |all| bits(all));
        while fires != 0 {
            self.lines.push(first + fires.trailing_zeros());
            fires &= fires - 1;
        }
    }

    /// Writes them into a raster `cells` with `lines` cells a step.
    pub fn write_raster(&self, cells: &mut [f32], lines: usize) {
        cells.fill(0.0);
        for (step, cells) in cells.chunks_mut(lines.max(1)).enumerate() {
            for &line in self.at(step) {
                cells[line as usize] = 1.0;
            }
        }
    }

    /// Number of steps.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.ends.len()
    }

    /// Number of spikes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether no line fires.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The lines that fire in `step`, in ascending order.
    ///
    /// # Panics
    /// If there is no such step.
    #[must_use]
    pub fn at(&self, step: usize) -> &[u32] {
        let start = if step == 0 { 0 } else { self.ends[step - 1] };
        &self.lines[start as usize..self.ends[step] as usize]
    }

    /// The lines of `range` that fire in `step`, in ascending order.
    ///
    /// # Panics
    /// If there is no such step.
    #[must_use]
    pub fn within(&self, step: usize, range: &Range<usize>) -> &[u32] {
        let all = self.at(step);
        let first = all.partition_point(|&line| (line as usize) < range.start);
        let end = all.partition_point(|&line| (line as usize) < range.end);
        &all[first..end]
    }

    /// Spikes of each of `lines` lines.
    #[must_use]
    pub fn counts(&self, lines: usize) -> Vec<u32> {
        let mut counts = vec![0; lines];
        self.lines.iter().for_each(|&line| counts[line as usize] += 1);
        counts
    }

    /// Adds the number of spikes of each line to `counts`.
    pub(super) fn add_counts<F: Real>(&self, counts: &mut [F]) {
        self.lines.iter().for_each(|&line| counts[line as usize] += F::one());
    }

    /// Removes all steps.
    pub fn clear(&mut self) {
        self.ends.clear();
        self.lines.clear();
    }

    /// Adds a spike of `line` to the step that is open; lines are added in ascending order.
    pub fn fire(&mut self, line: u32) {
        self.lines.push(line);
    }

    /// Ends the open step.
    pub fn end_step(&mut self) {
        self.ends.push(self.lines.len() as u32);
    }
}

/// A bit for each of up to 64 cells that is a spike, the first one lowest.
#[inline(always)]
fn bits(cells: &[f32]) -> u64 {
    let mut bits = 0;
    for (line, &cell) in cells.iter().enumerate() {
        bits |= u64::from(cell > 0.5) << line;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raster_comes_back_from_its_events() {
        let cells = [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0];
        let spikes = Spikes::of_raster(&cells, 3);
        assert_eq!((spikes.steps(), spikes.len()), (3, 3));
        assert_eq!([spikes.at(0), spikes.at(1), spikes.at(2)], [&[1][..], &[], &[0, 2]]);
        assert_eq!(spikes.counts(3), [1, 1, 1]);
        assert_eq!([spikes.within(2, &(0..2)), spikes.within(2, &(1..3))], [[0], [2]]);
        let mut back = [0.5; 9];
        spikes.write_raster(&mut back, 3);
        assert_eq!(back, cells);
    }
}
