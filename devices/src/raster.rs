//! Rasters: banks of lines × steps with a cell of 1 for a spike and 0 without one.

use crate::elementary::vectorised;
use crate::{Channels, DeviceError, Interface};

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

    /// What is invalid in the rasters, if anything; `side` is for the sentence.
    #[must_use]
    pub fn fault_of_rasters(&self, side: &str) -> Option<String> {
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

/// Refuses `values`, one shot on `channels`, if a cell of a raster is neither 0 nor 1.
pub(crate) fn check(
    interface: &Interface,
    channels: &Channels,
    values: &[f32],
    shot: usize,
) -> Result<(), DeviceError> {
    for (bank, run) in channels.runs(values) {
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
            });
        }
    }
    Ok(())
}
