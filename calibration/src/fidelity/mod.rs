//! How far to trust a twin: its readings and its gradient, judged on shots it never saw, against what
//! the device's own noise lets anybody know.

mod by_range;
mod config;
mod estimate;
mod gradient;
mod readings;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use twinprop_devices::{DeviceError, PhysicalLayer};

pub use by_range::{ByRange, SECTIONS, Weakness};
pub use config::FidelityConfig;
pub use estimate::Estimate;
pub use gradient::{Gradient, GroupGradient};
pub use readings::Readings;

pub use crate::twin::predict;

use crate::shots::Shots;
use crate::twin::DigitalTwin;

/// A twin's agreement with its device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fidelity {
    /// Agreement of the readings, all channels together.
    pub readings: Readings,
    /// Agreement of each output channel's readings.
    pub by_channel: Vec<Readings>,
    /// Where in the ranges it is worse and better.
    pub by_range: ByRange,
    /// Agreement of the gradients by all inputs and parameters.
    pub gradient: Gradient,
    /// Agreement of the gradients by each bank of them.
    pub by_group: Vec<GroupGradient>,
}

/// What a twin is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its gradient is the device's, nearly.
    Fit,
    /// Its gradient points the right way: training goes, more slowly.
    Usable,
    /// Its gradient is not known to point the right way.
    Unfit,
}

/// Cosine above which a twin is fit,
pub const FIT: f32 = 0.8;
/// and usable.
const USABLE: f32 = 0.5;

impl Fidelity {
    /// Judges `twin` on `unseen` shots, on repeated ones, and by central differences of the device.
    /// `progress` hears the share that is done.
    ///
    /// # Errors
    /// Whatever the device answers.
    pub fn measure(
        twin: &dyn DigitalTwin,
        device: &mut dyn PhysicalLayer,
        unseen: &Shots,
        config: &FidelityConfig,
        seed: u64,
        backend: &Device,
        mut progress: impl FnMut(f64),
    ) -> Result<Self, DeviceError> {
        // From here on readings have no unit, so that channels of several add up.
        let outputs = &twin.interface().outputs;
        let predicted = predict(twin, &unseen.inputs, &unseen.parameters, backend);
        let predicted = outputs.in_binary_units(&predicted);
        let measured = outputs.in_binary_units(&unseen.outputs);
        let in_binary_units = &Shots { outputs: measured, ..unseen.clone() };
        let repeats = config.repeats.max(2);
        let noise = readings::noise(device, in_binary_units, config.points, repeats)?;
        let (together, by_channel) = readings::judge(&predicted, &in_binary_units.outputs, &noise);
        let by_range = ByRange::of(twin.interface(), in_binary_units, &predicted);
        progress(0.1);
        let case = gradient::Comparison { twin, unseen, noise: &noise, config, seed, backend };
        let (gradient, by_group) =
            gradient::compare(&case, device, |share| progress(0.1 + 0.9 * share))?;
        Ok(Self { readings: together, by_channel, by_range, gradient, by_group })
    }

    /// Whether the twin is fit to train by: what its gradient's cosine is at the least.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.gradient.cosine.low {
            low if low >= FIT => Verdict::Fit,
            low if low >= USABLE => Verdict::Usable,
            _ => Verdict::Unfit,
        }
    }
}
