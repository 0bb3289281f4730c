//! The spikes of one shot line by line: what a sum over the spikes of a line needs at a time.

use std::ops::Range;

use super::block::Lanes;
use super::real::Real;
use super::spikes::Spikes;

/// The steps of a range in which each line fires, in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ByLine {
    /// Number of events up to the end of each line.
    ends: Vec<u32>,
    /// Steps from the range's first one, line by line.
    steps: Vec<u32>,
}

impl ByLine {
    /// Takes the place of earlier ones: those of `spikes` of `lines` lines in the steps of `range`; nothing for no lines.
    pub fn sort(&mut self, spikes: &Spikes, lines: usize, range: Range<usize>) {
        let Self { ends, steps } = self;
        ends.clear();
        steps.clear();
        if lines == 0 {
            return;
        }
        ends.resize(lines + 1, 0);
        for step in range.clone() {
            spikes.at(step).iter().for_each(|&line| ends[line as usize + 1] += 1);
        }
        for line in 0..lines {
            ends[line + 1] += ends[line];
        }
        steps.resize(ends[lines] as usize, 0);
        // The start of each line moves to its end.
        for step in range.clone() {
            for &line in spikes.at(step) {
                let place = &mut ends[line as usize];
                steps[*place as usize] = (step - range.start) as u32;
                *place += 1;
            }
        }
        ends.pop();
    }

    /// The steps of each line.
    #[inline(always)]
    pub fn lines(&self) -> impl Iterator<Item = &[u32]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let steps = &self.steps[start as usize..end as usize];
            start = end;
            steps
        })
    }

    /// The sum of the rows of the steps in which a line fires, for each line that does.
    #[inline(always)]
    pub fn sum_rows<F: Real>(&self, rows: &[Lanes<F>], mut each: impl FnMut(usize, &Lanes<F>)) {
        for (line, steps) in self.lines().enumerate() {
            if !steps.is_empty() {
                let mut sum = Lanes::zero();
                sum.add_rows(rows, steps);
                each(line, &sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_of_each_line_are_those_of_its_spikes() {
        let cells = [0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0];
        let spikes = Spikes::of_raster(&cells, 3);
        let mut by_line = ByLine::default();
        by_line.sort(&spikes, 3, 0..4);
        assert_eq!(by_line.lines().collect::<Vec<_>>(), [&[1, 3][..], &[0, 1, 2], &[]]);
        by_line.sort(&spikes, 3, 1..3);
        assert_eq!(by_line.lines().collect::<Vec<_>>(), [&[0][..], &[0, 1], &[]]);
    }
}
