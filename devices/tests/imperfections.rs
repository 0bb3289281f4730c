//! Imperfections have their configured strength, and compose over any layer.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use nalgebra::{DMatrix, DVector};
use twinprop_devices::imperfections::{DriftConfig, DriftCourse, ImperfectionsConfig, Span, wrap};
use twinprop_devices::mechanical::PendulaConfig;
use twinprop_devices::{
    Channels, DeviceConfig, DeviceError, DeviceKind, Interface, PhysicalLayer, Usage,
};

/// Reads its drives.
struct Wire(Interface);

impl Wire {
    fn new(channels: usize) -> Self {
        Self(Interface {
            device: "wire".to_owned(),
            inputs: Channels::bank("in", channels, "V", -1.0, 3.0),
            parameters: Channels::bank("gain", 1, "1", 0.0, 1.0),
            outputs: Channels::bank("out", channels, "V", -5.0, 5.0),
            seconds_per_shot: 1e-6,
        })
    }
}

impl PhysicalLayer for Wire {
    fn interface(&self) -> &Interface {
        &self.0
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        _parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        outputs.copy_from(inputs);
        Ok(())
    }
}

const CHANNELS: usize = 16;

fn play(config: &ImperfectionsConfig, seed: u64, batches: &[usize]) -> DMatrix<f32> {
    let mut device = wrap(Wire::new(CHANNELS), config, seed);
    let gain = DVector::from_element(1, 0.5);
    let mut columns = Vec::new();
    for &shots in batches {
        let mut outputs = DMatrix::zeros(CHANNELS, shots);
        device.measure(&DMatrix::from_element(CHANNELS, shots, 1.0), &gain, &mut outputs).unwrap();
        columns.extend(outputs.column_iter().map(|column| column.into_owned()));
    }
    DMatrix::from_columns(&columns)
}

fn deviation(values: &DMatrix<f32>) -> f32 {
    let mean = values.mean();
    values.map(|value| (value - mean).powi(2)).mean().sqrt()
}

#[test]
fn noise_has_the_strength_of_its_recipe() {
    let shots = [4000];
    let input = ImperfectionsConfig { input_noise: 0.02, ..Default::default() };
    // A share of the range of 4 V.
    assert!((deviation(&play(&input, 1, &shots)) - 0.08).abs() < 0.002);
    // Of readings' range of 10 V.
    let readout = ImperfectionsConfig { readout_noise: 0.003, ..Default::default() };
    assert!((deviation(&play(&readout, 1, &shots)) - 0.03).abs() < 0.001);
    // At a reading of a tenth of the range, shot noise has √0.1 of its strength; variances add.
    let shot_noise = 0.004 * 10f64.sqrt();
    let both = ImperfectionsConfig { shot_noise, ..readout };
    assert!((deviation(&play(&both, 1, &shots)) - 0.05).abs() < 0.002);
}

#[test]
fn noise_depends_on_the_seed_and_the_shot_alone() {
    let config =
        ImperfectionsConfig { input_noise: 0.02, readout_noise: 0.02, ..Default::default() };
    let whole = play(&config, 5, &[60]);
    assert_eq!(whole, play(&config, 5, &[1, 7, 52]), "the batches do not matter");
    assert_ne!(whole, play(&config, 6, &[60]));
    assert_ne!(whole.column(0), whole.column(1));
}

#[test]
fn converters_round_to_their_codes() {
    let config = ImperfectionsConfig { dac_bits: 2, ..Default::default() };
    // Codes of two bits from −1 V to 3 V: −1, 1/3, 5/3, 3; the drive of 1 V lies between two.
    let reading = play(&config, 1, &[1])[0];
    assert!((reading - 1.0 / 3.0).abs() < 1e-6 || (reading - 5.0 / 3.0).abs() < 1e-6, "{reading}");
    let fine = ImperfectionsConfig { dac_bits: 12, adc_bits: 12, ..Default::default() };
    assert!((play(&fine, 1, &[1])[0] - 1.0).abs() <= 4.0 / 4095.0 + 10.0 / 4095.0);
}

/// Ages by σ = 0.1 in 100 shots.
fn ageing(course: DriftCourse) -> DeviceConfig {
    let drift = DriftConfig { deviation: 0.1, over: Span::Shots(100.0), course };
    DeviceConfig {
        model: DeviceKind::Pendula(PendulaConfig { count: 8, ..Default::default() }),
        imperfections: ImperfectionsConfig { drift: Some(drift), ..Default::default() },
    }
}

/// The angles after one shot of a device that has played `shots` before.
fn angles_after(config: &DeviceConfig, shots: u64) -> DMatrix<f32> {
    let mut device = config.fabricate(3).unwrap().device;
    device.resume(&Usage::after(shots));
    play_once(&mut *device)
}

/// One shot with the parameters in the middle of their ranges.
fn play_once(device: &mut dyn PhysicalLayer) -> DMatrix<f32> {
    let interface = device.interface().clone();
    let parameters = DVector::from_iterator(
        interface.parameters.len(),
        interface.parameters.iter().map(|channel| 0.5 * (channel.minimum + channel.maximum)),
    );
    let mut angles = DMatrix::zeros(interface.outputs.len(), 1);
    let inputs = DMatrix::from_element(interface.inputs.len(), 1, 0.5);
    device.measure(&inputs, &parameters, &mut angles).unwrap();
    angles
}

#[test]
fn a_device_drifts_as_its_schedule_says() {
    let (steady, warming) = (ageing(DriftCourse::Ageing), ageing(DriftCourse::WarmingUp));
    let moved = |config: &DeviceConfig, shots| {
        (angles_after(config, shots) - angles_after(config, 0)).norm()
    };
    assert_eq!(moved(&steady, 0), 0.0);
    let (half, whole) = (moved(&steady, 50), moved(&steady, 100));
    assert!((half / whole - 0.5).abs() < 0.1, "{half} on half the way, {whole} at its end");
    assert_eq!(moved(&steady, 1000), whole, "an aged device stays what it is");
    assert!(moved(&warming, 50) > 1.4 * half, "a warming one is faster at first");
}

#[test]
fn drift_depends_on_the_number_of_shots_alone() {
    let config = ageing(DriftCourse::Ageing);
    let mut device = config.fabricate(3).unwrap().device;
    let mut angles = DMatrix::zeros(0, 0);
    for _ in 0..=40 {
        angles = play_once(&mut *device);
    }
    assert_eq!(angles, angles_after(&config, 40));
}
