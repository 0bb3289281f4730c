//! The devices of a network, each with its boundary and its twin.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

use twinprop_calibration::design::TaskDrives;
use twinprop_calibration::tensors::TensorDevice;
use twinprop_calibration::{CalibrationError, DigitalTwin, EquationTwin};
use twinprop_devices::rig::Monitor;
use twinprop_devices::{Boundary, Differentiable, PhysicalLayer, ShotCounter, Usage};

/// A device with its twin.
pub struct Instrument {
    /// Name in the recipe.
    pub name: String,
    /// The device behind its boundary, which clamps and counts.
    pub device: Boundary,
    /// The same device in tensors, if it is simulated on a backend that is not the CPU's: its shots stay there, and the
    /// boundary only counts. [`in_tensors`](Self::in_tensors) sets it with the device.
    pub tensors: Option<TensorDevice>,
    /// The digital twin; `None` before calibration.
    pub twin: Option<Arc<dyn DigitalTwin>>,
    /// Standard deviation of each reading about the twin's prediction, if known. Predictions in a training step add
    /// noise of this size, so that a network trained in silico tolerates it.
    pub unexplained: Option<Vec<f32>>,
    /// The noiseless equation of a simulated device, as fabricated: the twin of `ideal` training.
    pub exact: Option<Box<dyn Differentiable>>,
    /// The nominal equation of a device that has a model: the start of its physics twins.
    pub nominal: Option<Box<dyn Differentiable>>,
    /// The untrained network's drives and parameters of the device; `None` before the first shots.
    pub task: Option<TaskDrives>,
    /// The links of a real device.
    pub links: Vec<Monitor>,
    /// Whether the device replays a recording.
    pub is_recording: bool,
}

/// All devices of a network. A stage names its device by the index here; stages that share a device play it in turn.
#[derive(Default)]
pub struct Laboratory {
    /// The devices.
    pub instruments: Vec<Instrument>,
}

impl Laboratory {
    /// Adds `instrument` and returns its index, by which stages name it.
    pub fn add(&mut self, instrument: Instrument) -> usize {
        self.instruments.push(instrument);
        self.instruments.len() - 1
    }

    /// Whether every device has its twin.
    #[must_use]
    pub fn has_twins(&self) -> bool {
        self.instruments.iter().all(|instrument| instrument.twin.is_some())
    }

    /// Fails if a twin that is computed elsewhere has failed; its results are NaN.
    ///
    /// # Errors
    /// What made it fail.
    pub fn check_twins(&self) -> Result<(), CalibrationError> {
        let twins = self.instruments.iter().filter_map(|instrument| instrument.twin.as_ref());
        twins.filter_map(|twin| twin.failure()).next().map_or(Ok(()), Err)
    }

    /// Whether the backend computes one of the devices in tensors.
    #[must_use]
    pub fn is_in_tensors(&self) -> bool {
        self.instruments.iter().any(|instrument| instrument.tensors.is_some())
    }

    /// Makes every simulated device's equation, as fabricated, its twin, for `ideal` training. Real devices get none.
    pub fn use_exact_twins(&mut self) {
        for instrument in &mut self.instruments {
            instrument.twin = instrument
                .exact
                .clone()
                .map(|equation| Arc::new(EquationTwin::new(equation)) as Arc<dyn DigitalTwin>);
        }
    }

    /// The links of the real devices.
    pub fn links(&self) -> impl Iterator<Item = &Monitor> {
        self.instruments.iter().flat_map(|instrument| &instrument.links)
    }

    /// Sends all real devices to their safe states at once, after the last measurement. A device that does not confirm
    /// it is noted in [`rig::may_be_driven`](twinprop_devices::rig::may_be_driven).
    pub fn make_safe(&self) {
        thread::scope(|scope| {
            for link in self.links() {
                // A failure is noted and reported at the end: the results are complete.
                scope.spawn(move || link.make_safe());
            }
        });
    }

    /// Shots played on all devices.
    #[must_use]
    pub fn shots(&self) -> u64 {
        self.instruments.iter().map(|instrument| instrument.device.shots()).sum()
    }

    /// The usage of each device, by name.
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

    /// Values sent to all devices, clamped ones included.
    #[must_use]
    pub fn values(&self) -> u64 {
        self.instruments.iter().map(|instrument| instrument.device.counts().values).sum()
    }

    /// A counter of each device's shots, for other threads.
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
    /// Drops all devices at once: each may take some time to reach its safe state.
    fn drop(&mut self) {
        thread::scope(|scope| {
            for instrument in self.instruments.drain(..) {
                scope.spawn(move || drop(instrument));
            }
        });
    }
}

impl Instrument {
    /// `device` behind a boundary, without a twin.
    #[must_use]
    pub fn new(name: &str, device: Box<dyn PhysicalLayer>) -> Self {
        Self {
            name: name.to_owned(),
            device: Boundary::new(device),
            tensors: None,
            twin: None,
            unexplained: None,
            exact: None,
            nominal: None,
            task: None,
            links: Vec::new(),
            is_recording: false,
        }
    }

    /// A simulated device in tensors behind a boundary, without a twin.
    #[must_use]
    pub fn in_tensors(name: &str, device: TensorDevice) -> Self {
        let tensors = Some(device.clone());
        Self { tensors, ..Self::new(name, Box::new(device)) }
    }

    /// The same with a twin.
    #[must_use]
    pub fn with_twin(mut self, twin: impl DigitalTwin + 'static) -> Self {
        self.twin = Some(Arc::new(twin));
        self
    }

    /// What the device is, in a word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match (&self.exact, self.links.is_empty(), self.is_recording) {
            (Some(_), ..) => "simulated",
            (None, false, _) => "real",
            (None, true, true) => "a recording",
            (None, true, false) => "given",
        }
    }

    /// The twin.
    ///
    /// # Panics
    /// If the device is not calibrated; rules that use a twin start after calibration.
    #[must_use]
    pub fn twin(&self) -> &dyn DigitalTwin {
        self.twin.as_deref().expect("a device is calibrated before its twin is used")
    }
}
