//! The devices that a network plays on, each behind its boundary and beside its twin.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

use twinprop_calibration::{DigitalTwin, RangeMap, TensorEquation};
use twinprop_devices::{Boundary, PhysicalLayer, ShotCounter, Usage};

/// A device with its twin.
pub struct Instrument {
    /// Name in the recipe.
    pub name: String,
    /// The device, guarded.
    pub device: Boundary,
    /// The device in tensors of the host's backend, if it is simulated, noiseless and has such an equation: it is
    /// played by it then, and the boundary only counts.
    pub tensors: Option<TensorDevice>,
    /// What the backward pass runs through; none before calibration.
    pub twin: Option<Arc<dyn DigitalTwin>>,
    /// Standard deviation of what the twin leaves of each reading, where it is known: predictions add
    /// noise of it in a training step, so that a network that is trained in silico learns to bear it.
    pub unexplained: Option<Vec<f32>>,
}

/// A simulated device by its own equation in tensors.
pub struct TensorDevice {
    /// The equation.
    pub equation: Arc<dyn TensorEquation>,
    /// Readings in range → [−1, 1].
    pub readings: RangeMap,
}

/// All devices of a network. Stages name a device by its place here; stages that share a device
/// play on it in turn.
#[derive(Default)]
pub struct Laboratory {
    /// The devices.
    pub instruments: Vec<Instrument>,
    /// What of a training is played; none while a network is judged.
    pub moment: Option<Moment>,
}

/// Samples of a training step: to each belong random numbers of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The step, from zero.
    pub step: u64,
    /// Samples of the step's batch.
    pub batch: usize,
    /// The first of them that is played.
    pub first: usize,
}

impl Laboratory {
    /// Without devices, for a backward pass that needs none.
    #[must_use]
    pub fn without_devices(moment: Option<Moment>) -> Self {
        Self { instruments: Vec::new(), moment }
    }

    /// Whether every device has its twin.
    #[must_use]
    pub fn has_twins(&self) -> bool {
        self.instruments.iter().all(|instrument| instrument.twin.is_some())
    }

    /// Whether the host's backend plays one of the devices, in tensors.
    #[must_use]
    pub fn is_in_tensors(&self) -> bool {
        self.instruments.iter().any(|instrument| instrument.tensors.is_some())
    }

    /// Shots played on all devices.
    #[must_use]
    pub fn shots(&self) -> u64 {
        self.instruments.iter().map(|instrument| instrument.device.shots()).sum()
    }

    /// Where use has left the devices.
    #[must_use]
    pub fn usages(&self) -> BTreeMap<String, Usage> {
        let instruments = self.instruments.iter();
        instruments.map(|one| (one.name.clone(), one.device.usage())).collect()
    }

    /// Values clamped in front of all devices.
    #[must_use]
    pub fn clamped(&self) -> u64 {
        self.instruments.iter().map(|instrument| instrument.device.clamped()).sum()
    }

    /// Values that went to all devices, those that were clamped among them.
    #[must_use]
    pub fn values(&self) -> u64 {
        self.instruments.iter().map(|instrument| instrument.device.counts().values).sum()
    }

    /// The shots of each device, as another thread sees them.
    #[must_use]
    pub fn counters(&self) -> Vec<ShotCounter> {
        self.instruments.iter().map(|instrument| instrument.device.counter()).collect()
    }

    /// Time that the shots take on the devices, in seconds.
    #[must_use]
    pub fn device_seconds(&self) -> f64 {
        self.instruments.iter().map(|instrument| instrument.device.device_seconds()).sum()
    }
}

impl Drop for Laboratory {
    /// Lets go of all devices at once: each may take its time to its safe state.
    fn drop(&mut self) {
        thread::scope(|scope| {
            for instrument in self.instruments.drain(..) {
                scope.spawn(move || drop(instrument));
            }
        });
    }
}

impl Instrument {
    /// The twin.
    ///
    /// # Panics
    /// If the device is not calibrated: rules that use a twin are started after calibration.
    #[must_use]
    pub fn twin(&self) -> &dyn DigitalTwin {
        self.twin.as_deref().expect("a device is calibrated before its twin is used")
    }
}
