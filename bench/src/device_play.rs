//! The shots of devices that the benchmarks time.

use nalgebra::{DMatrix, DVector};
use twinprop::devices::electronic::{Transistor, TransistorConfig};
use twinprop::devices::mechanical::{Oscillators, OscillatorsConfig, Plate, PlateConfig};
use twinprop::devices::optical::{
    CoherentStack, CoherentStackConfig, Diffractive, DiffractiveConfig, MicroringBank,
    MicroringBankConfig, MziMesh, MziMeshConfig, SecondHarmonic, SecondHarmonicConfig,
};
use twinprop::devices::{Channels, DeviceError, Differentiable};

/// A device and the shots that it plays repeatedly.
pub struct DevicePlay {
    /// The device, nominal.
    pub device: Box<dyn Differentiable>,
    inputs: DMatrix<f32>,
    parameters: DVector<f32>,
    outputs: DMatrix<f32>,
}

impl DevicePlay {
    /// Returns `shots` shots of each device of the benchmarks.
    ///
    /// # Errors
    /// [`DeviceError`] if a device's settings are invalid.
    pub fn of_each(shots: usize) -> Result<Vec<Self>, DeviceError> {
        let devices: Vec<Box<dyn Differentiable>> = vec![
            Box::new(SecondHarmonic::nominal(&SecondHarmonicConfig::default())?),
            Box::new(Oscillators::nominal(&OscillatorsConfig::default())),
            Box::new(Plate::nominal(&PlateConfig::default())?),
            Box::new(Transistor::nominal(&TransistorConfig::default())?),
            Box::new(MziMesh::nominal(&MziMeshConfig::default())?),
            Box::new(CoherentStack::nominal(&CoherentStackConfig::default())?),
            Box::new(MicroringBank::nominal(&MicroringBankConfig::default())?),
            Box::new(Diffractive::nominal(&DiffractiveConfig::default())?),
        ];
        Ok(devices.into_iter().map(|device| Self::new(device, shots)).collect())
    }

    fn new(device: Box<dyn Differentiable>, shots: usize) -> Self {
        let interface = device.interface();
        let middle = |channels: &Channels| -> Vec<f32> {
            channels.iter().map(|c| c.minimum + 0.6 * c.span()).collect()
        };
        let drive = middle(&interface.inputs);
        let wave = |row: usize, shot: usize| {
            drive[row] * (1.0 + 0.3 * ((row * 7 + shot * 3) as f32).sin())
        };
        let inputs = DMatrix::from_fn(drive.len(), shots, wave);
        let parameters = DVector::from_vec(middle(&interface.parameters)) * 0.1;
        let outputs = DMatrix::zeros(interface.outputs.len(), shots);
        Self { device, inputs, parameters, outputs }
    }

    /// The device's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.device.interface().device
    }

    /// Multiply-adds of the shots.
    #[must_use]
    pub fn multiply_adds(&self) -> u64 {
        self.inputs.ncols() as u64 * self.device.multiply_adds()
    }

    /// Bytes of the inputs and readings.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        4 * (self.inputs.len() + self.outputs.len()) as u64
    }

    /// Plays the shots.
    ///
    /// # Errors
    /// The device's error.
    pub fn run(&mut self) -> Result<(), DeviceError> {
        self.device.measure(&self.inputs, &self.parameters, &mut self.outputs)
    }
}
