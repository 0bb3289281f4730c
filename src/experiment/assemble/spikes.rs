//! Stages behind a raster.

use super::Assembly;
use crate::Error;
use crate::experiment::recipe::StageConfig;
use crate::network::{SpikeCounts, Stage};

impl Assembly<'_> {
    /// Counts the spikes of the physical layer before `place`.
    pub(super) fn spike_counts(&self, place: usize) -> Result<(Stage, usize), Error> {
        let before = place.checked_sub(1).and_then(|before| self.recipe.network.get(before));
        if let Some(StageConfig::Physical(config)) = before {
            let (_, interface) = self.interface(config.device.get_ref());
            let raster = interface.outputs.banks().first();
            if let Some((steps, lines)) = raster.and_then(|bank| bank.steps.zip(bank.lines())) {
                let (shots, readings) = (config.shots, interface.outputs.len());
                let stage = SpikeCounts { shots, readings, steps, lines };
                return Ok((stage.into(), shots * lines));
            }
        }
        Err(Error::Usage(format!(
            "stage {place} of `network`, \"spike_counts\", counts the spikes of a raster; put it behind a physical layer that is read as a raster, such as a `lif_chip`"
        )))
    }
}
