//! Initial parameters of a physical stage that its device's model draws.

use rand_chacha::ChaCha8Rng;
use twinprop_devices::{DeviceKind, random};

use super::Assembly;
use crate::Error;
use crate::experiment::recipe::PhysicalConfig;
use crate::network::Physical;

/// How a device's model draws initial parameters.
struct Start {
    /// The key that asks for it.
    key: &'static str,
    /// The device whose model can.
    device: &'static str,
    /// Purpose of the random stream.
    purpose: String,
    draw: fn(&DeviceKind, &mut ChaCha8Rng) -> Option<Vec<f32>>,
}

impl Assembly<'_> {
    /// `stage` with initial parameters that its device's model draws, if `config` asks for them: phases that make its
    /// matrices random unitaries, or weights by their fan-in.
    pub(super) fn started(
        &self,
        place: usize,
        config: &PhysicalConfig,
        stage: Physical,
    ) -> Result<Physical, Error> {
        let haar = |model: &DeviceKind, random: &mut _| model.haar_start(random);
        let by_fan_in = |model: &DeviceKind, random: &mut _| model.weights_by_fan_in(random);
        let Start { key, device, purpose, draw } = match (config.haar, config.by_fan_in) {
            (false, false) => return Ok(stage),
            (true, false) => Start {
                key: "haar",
                device: "coherent_stack",
                purpose: format!("haar start of stage {place}"),
                draw: haar,
            },
            (false, true) => Start {
                key: "by_fan_in",
                device: "learning_chip",
                purpose: format!("weights of stage {place}"),
                draw: by_fan_in,
            },
            (true, true) => {
                return Err(Error::Usage(format!(
                    "stage {place} of `network` has both `haar = true` and `by_fan_in = true`; leave out one of them"
                )));
            }
        };
        let name = config.device.get_ref();
        let model = self.recipe.devices.get(name).and_then(|device| device.model.as_ref());
        let mut random = random::stream(self.recipe.seed, &purpose);
        let settings = if config.shared { 1 } else { config.shots };
        let drawn: Option<Vec<f32>> = (0..settings)
            .map(|_| model.and_then(|model| draw(model, &mut random)))
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
