//! Rasters: banks of lines × steps with a cell of 1 for a spike and 0 without one.

use std::ops::Range;

use nalgebra::DMatrix;
use rayon::prelude::*;

use crate::elementary::vectorised;
use crate::{Channels, DeviceError, Interface};

/// Channels, and the first of as many counted channels that they belong to.
struct CountedRun {
    cells: Range<usize>,
    counted: usize,
}

impl Channels {
    /// A raster of `lines` lines in `steps` steps, ordered by step, then by line.
    ///
    /// ```
    /// use twinprop_devices::Channels;
    ///
    /// let raster = Channels::raster("spike", 64, 80);
    /// assert_eq!(raster.len(), 64 * 80);
    /// assert_eq!((raster.banks()[0].steps, raster.banks()[0].lines()), (Some(80), Some(64)));
    /// ```
    #[must_use]
    pub fn raster(name: &str, lines: usize, steps: usize) -> Self {
        let mut raster = Self::bank(name, lines * steps, "1", 0.0, 1.0);
        raster.banks_mut()[0].steps = Some(steps);
        raster
    }

    /// Whether one of the banks is a raster.
    #[must_use]
    pub fn has_raster(&self) -> bool {
        self.banks().iter().any(|bank| bank.steps.is_some())
    }

    /// These channels with a count a line in the place of each raster, from 0 to its steps.
    #[must_use]
    pub fn counted(&self) -> Self {
        let banks = self.banks().iter().map(|bank| match (bank.steps, bank.lines()) {
            (Some(steps), Some(lines)) => {
                Self::bank(&format!("{} count", bank.name), lines, "1", 0.0, steps as f32)
            }
            _ => Self::of_banks(vec![bank.clone()]),
        });
        banks.fold(Self::none(), Self::and)
    }

    /// `values` `[channels × shots]` as values of [`counted`](Self::counted) channels: the cells of each line of a
    /// raster summed over the steps.
    #[must_use]
    pub fn count(&self, values: &DMatrix<f32>) -> DMatrix<f32> {
        if !self.has_raster() {
            return values.clone();
        }
        let rows = self.counted().len();
        let mut counted = DMatrix::zeros(rows, values.ncols());
        let shots = values.as_slice().par_chunks(values.nrows().max(1));
        shots.zip(counted.as_mut_slice().par_chunks_mut(rows.max(1))).for_each(|(from, to)| {
            for run in self.counted_runs() {
                let sums = &mut to[run.counted..][..run.cells.len()];
                sums.iter_mut().zip(&from[run.cells]).for_each(|(sum, value)| *sum += value);
            }
        });
        counted
    }

    /// [`count`](Self::count), in the [binary units](Self::in_binary_units) of the counted channels.
    #[must_use]
    pub fn counted_in_binary_units(&self, values: &DMatrix<f32>) -> DMatrix<f32> {
        self.counted().in_binary_units(&self.count(values))
    }

    /// The channels in runs with a counted channel for each: a step of a raster, or a bank of single values.
    fn counted_runs(&self) -> impl Iterator<Item = CountedRun> + '_ {
        let (mut cell, mut counted) = (0, 0);
        self.banks().iter().flat_map(move |bank| {
            let width = bank.lines().unwrap_or(bank.count).max(1);
            let (first, start) = (cell, counted);
            cell += bank.count;
            counted += if bank.count > 0 { width } else { 0 };
            (0..bank.count).step_by(width).map(move |run| CountedRun {
                cells: first + run..first + (run + width).min(bank.count),
                counted: start,
            })
        })
    }

    /// Cotangents of all channels from those of [`counted`](Self::counted) channels, `[counted × shots]`: each cell of a
    /// line has the cotangent of its count.
    #[must_use]
    pub fn spread(&self, cotangents: &DMatrix<f32>) -> DMatrix<f32> {
        if !self.has_raster() {
            return cotangents.clone();
        }
        let runs: Vec<Range<usize>> =
            self.counted_runs().map(|run| run.counted..run.counted + run.cells.len()).collect();
        let mut spread = Vec::with_capacity(self.len() * cotangents.ncols());
        for of_counts in cotangents.as_slice().chunks(cotangents.nrows().max(1)) {
            runs.iter().for_each(|run| spread.extend_from_slice(&of_counts[run.clone()]));
        }
        DMatrix::from_vec(self.len(), cotangents.ncols(), spread)
    }

    /// What is invalid in the rasters, if anything; `side` is for the sentence.
    pub(crate) fn fault_of_rasters(&self, side: &str) -> Option<String> {
        self.banks().iter().find_map(|bank| {
            let steps = bank.steps?;
            let name = &bank.name;
            if steps == 0 || !bank.count.is_multiple_of(steps) {
                let count = bank.count;
                return Some(format!(
                    "bank `{name}` of its {side} is a raster of {steps} steps with {count} channels; give it a whole number of channels a step"
                ));
            }
            ((bank.minimum, bank.maximum) != (0.0, 1.0)).then(|| {
                format!(
                    "bank `{name}` of its {side} is a raster from {} to {}; give it the range 0 to 1",
                    bank.minimum, bank.maximum
                )
            })
        })
    }
}

impl Interface {
    /// Whether its drives or readings have a raster.
    #[must_use]
    pub fn has_raster(&self) -> bool {
        self.inputs.has_raster() || self.outputs.has_raster()
    }
}

/// The side of a device that values belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// What is driven.
    Drives,
    /// What is measured.
    Readings,
}

impl Side {
    fn channels(self, interface: &Interface) -> &Channels {
        match self {
            Self::Drives => &interface.inputs,
            Self::Readings => &interface.outputs,
        }
    }
}

/// Refuses `values` of a side, shot after shot, if a cell of a raster is neither 0 nor 1.
pub(crate) fn check_shots(
    interface: &Interface,
    side: Side,
    values: &[f32],
) -> Result<(), DeviceError> {
    let channels = side.channels(interface);
    if !channels.has_raster() {
        return Ok(());
    }
    let mut shots = values.chunks(channels.len().max(1)).enumerate();
    shots.try_for_each(|(shot, values)| check(interface, side, values, shot))
}

/// Refuses `values` of a side, one shot, if a cell of a raster is neither 0 nor 1.
fn check(
    interface: &Interface,
    side: Side,
    values: &[f32],
    shot: usize,
) -> Result<(), DeviceError> {
    for (bank, run) in side.channels(interface).runs(values) {
        let Some(lines) = bank.lines() else { continue };
        let others = vectorised(
            #[inline(always)]
            || run.iter().map(|&cell| u32::from(cell != 0.0 && cell != 1.0)).sum::<u32>(),
        );
        if others == 0 {
            continue;
        }
        let cells = run.iter().enumerate();
        if let Some((place, &value)) =
            cells.filter(|(_, cell)| **cell != 0.0).find(|(_, cell)| **cell != 1.0)
        {
            return Err(DeviceError::NotASpike {
                device: interface.device.clone(),
                bank: bank.name.clone(),
                line: place % lines.max(1),
                step: place / lines.max(1),
                shot,
                value,
                is_drive: side == Side::Drives,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rasters_are_counted_line_by_line_and_cotangents_of_counts_spread_over_steps() {
        let channels = Channels::raster("spike", 2, 3).and(Channels::bank("v", 2, "V", -1.0, 1.0));
        assert_eq!(channels.fault_of_rasters("outputs"), None);
        let counted = channels.counted();
        assert_eq!(counted.len(), 4);
        assert_eq!((counted.banks()[0].maximum, counted.banks()[0].steps), (3.0, None));
        let values = DMatrix::from_column_slice(8, 1, &[1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.5, -0.5]);
        assert_eq!(channels.count(&values).as_slice(), [2.0, 1.0, 0.5, -0.5]);
        let of_counts = DMatrix::from_column_slice(4, 1, &[5.0, 6.0, 7.0, 8.0]);
        let of_cells = channels.spread(&of_counts);
        assert_eq!(of_cells.as_slice(), [5.0, 6.0, 5.0, 6.0, 5.0, 6.0, 7.0, 8.0]);
    }

    #[test]
    fn a_raster_has_whole_steps_and_the_range_of_a_spike() {
        let faulty = |change: &dyn Fn(&mut crate::Bank)| {
            let mut channels = Channels::raster("spike", 2, 3);
            change(&mut channels.banks_mut()[0]);
            channels.fault_of_rasters("inputs").unwrap_or_default()
        };
        assert!(faulty(&|bank| bank.count = 5).contains("whole number of channels"));
        assert!(faulty(&|bank| bank.maximum = 2.0).contains("the range 0 to 1"));
    }
}
