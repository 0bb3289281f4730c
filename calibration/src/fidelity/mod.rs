//! How far to trust a twin: its readings and its gradient, compared with the device's on shots that it was
//! not fitted to, within the limits of the device's noise.

mod by_range;
mod config;
mod estimate;
mod gradient;
mod readings;
mod slope;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use twinprop_devices::PhysicalLayer;

pub use by_range::{ByRange, SECTIONS, Weakness};
pub use config::FidelityConfig;
pub use estimate::{Estimate, students_t};
pub use gradient::{Gradient, GroupGradient};
pub use readings::Readings;
pub use slope::{SlopeChoice, SlopeTrial, choose_slope};

pub use crate::twin::predict;

use crate::CalibrationError;
use crate::twin::DigitalTwin;
use twinprop_devices::shots::Shots;

/// A twin's agreement with its device.
///
/// ```
/// use twinprop_calibration::burn::tensor::Device;
/// use twinprop_calibration::design::DesignConfig;
/// use twinprop_calibration::fidelity::Verdict;
/// use twinprop_calibration::{EquationTwin, Fidelity, FidelityConfig, Shots};
/// use twinprop_devices::PhysicalLayer;
/// use twinprop_devices::mechanical::{Pendula, PendulaConfig};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = PendulaConfig { count: 3, ..Default::default() };
/// let mut device = Pendula::fabricated(&config, 0.01, 1);
/// let (inputs, parameters) = DesignConfig::Uniform.draw(device.interface(), 100, None, 1)?;
/// let unseen = Shots::measure(&mut device, inputs, parameters, |_| ())?;
///
/// // The data sheet's equation, of a device that is off it by a hundredth.
/// let twin = EquationTwin::new(Box::new(Pendula::nominal(&config)));
/// let judge = FidelityConfig { points: 16, ..FidelityConfig::default() };
/// let backend = Device::flex();
/// let fidelity = Fidelity::measure(&twin, &mut device, &unseen, &judge, 1, &backend, |_| ())?;
/// assert_eq!(fidelity.verdict(), Verdict::Fit);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fidelity {
    /// Agreement of the readings, all channels together.
    pub readings: Readings,
    /// Agreement of each output channel's readings; of a raster, of each line's count.
    pub by_channel: Vec<Readings>,
    /// Error by where in their ranges channels are driven.
    pub by_range: ByRange,
    /// Agreement of the gradients with respect to all inputs and parameters.
    pub gradient: Gradient,
    /// Agreement of the gradients with respect to each bank of inputs or parameters.
    pub by_group: Vec<GroupGradient>,
}

/// Whether a network can be trained by a twin's gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its gradient is nearly the device's.
    Fit,
    /// Its gradient points the right way: training works, but slower.
    Usable,
    /// Its gradient is not known to point the right way.
    Unfit,
}

/// Smallest cosine of a fit twin.
pub const FIT: f32 = 0.8;
/// Smallest cosine of a usable twin.
const USABLE: f32 = 0.5;

impl Fidelity {
    /// Judges `twin` on `unseen` shots, on repeated shots, and by central differences of the `device`;
    /// `progress` gets the share that is done, from 0 to 1.
    ///
    /// # Errors
    /// Those of the device, and of a twin that is computed elsewhere.
    pub fn measure(
        twin: &dyn DigitalTwin,
        device: &mut dyn PhysicalLayer,
        unseen: &Shots,
        config: &FidelityConfig,
        seed: u64,
        backend: &Device,
        mut progress: impl FnMut(f64),
    ) -> Result<Self, CalibrationError> {
        // Readings without a unit: sums over channels of different units. Of a raster, the counts are judged.
        let outputs = &twin.interface().outputs;
        let predicted = predict(twin, &unseen.inputs, &unseen.parameters, backend);
        let predicted = outputs.counted_in_binary_units(&predicted);
        let measured = outputs.counted_in_binary_units(&unseen.outputs);
        let in_binary_units = &Shots { outputs: measured, ..unseen.clone() };
        let repeats = config.repeats.max(2);
        let noise = readings::noise(device, in_binary_units, config.points, repeats)?;
        let (together, by_channel) = readings::judge(&predicted, &in_binary_units.outputs, &noise);
        let by_range = ByRange::of(twin.interface(), in_binary_units, &predicted);
        progress(0.1);
        let case = gradient::GradientComparison { twin, unseen, config, seed, backend };
        let (gradient, by_group) =
            gradient::compare(&case, &noise, device, |share| progress(0.1 + 0.9 * share))?;
        if let Some(failure) = twin.failure() {
            return Err(failure);
        }
        Ok(Self { readings: together, by_channel, by_range, gradient, by_group })
    }

    /// Whether a network can be trained by the twin: by the lower end of its gradient's cosine.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.gradient.cosine.low {
            low if low >= FIT => Verdict::Fit,
            low if low >= USABLE => Verdict::Usable,
            _ => Verdict::Unfit,
        }
    }
}
