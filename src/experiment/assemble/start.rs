//! Initial parameters of a physical stage that its device's model draws.

use twinprop_devices::{DeviceKind, random};

use super::Assembly;
use crate::Error;
use crate::experiment::recipe::PhysicalConfig;
use crate::network::Physical;

impl Assembly<'_> {
    /// `stage` with initial parameters that its device's model draws, if `config` asks for them: phases that make its
    /// matrices random unitaries, or weights by their fan-in.
    pub(super) fn started(
        &self,
        place: usize,
        config: &PhysicalConfig,
        stage: Physical,
    ) -> Result<Physical, Error> {
        let (key, device) = match (config.haar, config.by_fan_in) {
            (false, false) => return Ok(stage),
            (true, false) => ("haar", "coherent_stack"),
            (false, true) => ("by_fan_in", "learning_chip"),
            (true, true) => {
                return Err(Error::Usage(format!(
                    "stage {place} of `network` has both `haar = true` and `by_fan_in = true`; leave out one of them"
                )));
            }
        };
        let name = config.device.get_ref();
        let model = self.recipe.devices.get(name).and_then(|device| device.model.as_ref());
        let purpose = match key {
            "haar" => format!("haar start of stage {place}"),
            _ => format!("weights of stage {place}"),
        };
        let mut random = random::stream(self.recipe.seed, &purpose);
        let mut draw = |model: &DeviceKind| match key {
            "haar" => model.haar_start(&mut random),
            _ => model.weights_by_fan_in(&mut random),
        };
        let settings = if config.shared { 1 } else { config.shots };
        let drawn: Option<Vec<f32>> = (0..settings)
            .map(|_| model.and_then(&mut draw))
            .collect::<Option<Vec<_>>>()
            .map(|settings| settings.concat());
        let values = drawn.ok_or_else(|| {
            Error::Usage(format!(
                "stage {place} of `network` has `{key} = true`, and `{name}` is no `{device}` by its model; leave it out"
            ))
        })?;
        Ok(stage.with_settings(values, self.backend))
    }
}
