//! Adjoints of the waveform devices, and independence of a shot from its batch.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use nalgebra::{DMatrix, DVector};
use twinprop_devices::electronic::{Transistor, TransistorConfig};
use twinprop_devices::mechanical::{
    Detection, Oscillators, OscillatorsConfig, Pendula, PendulaConfig, Plate, PlateConfig,
};
use twinprop_devices::optical::{SecondHarmonic, SecondHarmonicConfig};
use twinprop_devices::{Channels, Differentiable, PhysicalLayer};

mod drives;

use drives::{drives, respond, setting};

fn plate_config() -> PlateConfig {
    PlateConfig { inputs: 9, parameters: 7, outputs: 5, modes: 4, ..Default::default() }
}

fn cochlea_config() -> PlateConfig {
    PlateConfig { outputs: 12, detection: Detection::ModalEnvelopes, ..plate_config() }
}

fn transistor_config() -> TransistorConfig {
    TransistorConfig { inputs: 9, parameters: 7, outputs: 5, ..Default::default() }
}

fn devices() -> Vec<Box<dyn Differentiable>> {
    let oscillators = OscillatorsConfig {
        count: 6,
        time: 1.5,
        bend: 0.1,
        coupling_deviation: 0.2,
        largest_parameter: 0.5,
        largest_angle: 1.5,
        ..Default::default()
    };
    let optical = SecondHarmonicConfig {
        inputs: 6,
        parameters: 5,
        outputs: 7,
        exposure: 0.3,
        ..Default::default()
    };
    let pendula = PendulaConfig { count: 6, steps: 8, time: 2.0, ..Default::default() };
    vec![
        Box::new(Oscillators::fabricated(&oscillators, 0.0, 3)),
        Box::new(SecondHarmonic::fabricated(&optical, 0.1, 3).unwrap()),
        Box::new(Pendula::fabricated(&pendula, 0.1, 3)),
        Box::new(Plate::fabricated(&plate_config(), 0.1, 3).unwrap()),
        Box::new(Plate::fabricated(&cochlea_config(), 0.1, 3).unwrap()),
        Box::new(Transistor::fabricated(&transistor_config(), 0.1, 3).unwrap()),
    ]
}

#[test]
fn adjoints_agree_with_central_differences_in_drives_parameters_and_constants() {
    for mut device in devices() {
        let interface = device.interface().clone();
        let shots = 21; // more than a block, the second one short
        let x = drives(&interface.inputs, shots, 0.7, 4);
        let theta = setting(&*device, 5);
        let weights = drives(
            &Channels::bank("weight", interface.outputs.len(), "1", -1.0, 1.0),
            shots,
            1.0,
            6,
        );
        let (mut dx, mut dtheta) = (DMatrix::zeros(x.nrows(), shots), DVector::zeros(theta.len()));
        device.vjp(&x, &theta, &weights, &mut dx, &mut dtheta).unwrap();
        let dconstants =
            DVector::from_vec(device.constant_cotangents(&x, &theta, &weights).unwrap());
        let constants: DVector<f32> =
            DVector::from_iterator(dconstants.len(), device.constants().iter().map(|c| c.value));
        assert_eq!(constants.len(), device.constants().len());
        for direction in 0..6 {
            let unit = |rows: usize, columns: usize, seed: u64| {
                drives(&Channels::bank("direction", rows, "1", -1.0, 1.0), columns, 1.0, seed)
            };
            let (mut vx, mut vtheta, mut vconstants) = (
                unit(x.nrows(), shots, 10 + direction),
                unit(theta.len(), 1, 20 + direction).column(0).into_owned(),
                unit(constants.len(), 1, 30 + direction).column(0).into_owned(),
            );
            // Each operand alone, twice, so that an error in one cannot be hidden by another.
            match direction % 3 {
                0 => (vtheta, vconstants) = (vtheta * 0.0, vconstants * 0.0),
                1 => (vx, vconstants) = (vx * 0.0, vconstants * 0.0),
                _ => (vx, vtheta) = (vx * 0.0, vtheta * 0.0),
            }
            let mut end = |h: f32| -> f64 {
                device.set_constants((&constants + &vconstants * h).as_slice());
                let y = respond(&*device, &(&x + &vx * h), &(&theta + &vtheta * h));
                y.iter().zip(&weights).map(|(y, w)| f64::from(*y) * f64::from(*w)).sum()
            };
            let h = 0.01;
            let measured =
                (8.0 * (end(h) - end(-h)) - (end(2.0 * h) - end(-2.0 * h))) / (12.0 * f64::from(h));
            device.set_constants(constants.as_slice());
            let predicted =
                f64::from(dx.dot(&vx) + dtheta.dot(&vtheta) + dconstants.dot(&vconstants));
            let size = match direction % 3 {
                0 => dx.norm(),
                1 => dtheta.norm(),
                _ => dconstants.norm(),
            };
            assert!(size > 1e-3, "a gradient of zero compares nothing");
            assert!(
                (measured - predicted).abs() < 2e-3 * f64::from(size),
                "{}, direction {direction}: {measured} measured, {predicted} predicted of {size}",
                interface.device
            );
        }
    }
}

#[test]
fn a_shot_reads_the_same_in_any_batch_and_mismatch_moves_it() {
    for device in devices() {
        let interface = device.interface().clone();
        let (x, theta) = (drives(&interface.inputs, 35, 1.0, 1), setting(&*device, 2));
        let together = respond(&*device, &x, &theta);
        for shot in [0, 15, 16, 34] {
            let alone = respond(&*device, &x.columns(shot, 1).into_owned(), &theta);
            assert_eq!(alone.column(0), together.column(shot), "{}", interface.device);
        }
        let spread = together.row_variance().map(f32::sqrt).mean();
        assert!(spread > 1e-2, "{}: readings hardly move, {spread}", interface.device);
    }
    let read = |mismatch: f64, seed: u64| {
        let device = Plate::fabricated(&plate_config(), mismatch, seed).unwrap();
        let x = drives(&device.interface().inputs, 4, 1.0, 1);
        respond(&device, &x, &setting(&device, 2))
    };
    assert_eq!(read(0.0, 1), read(0.0, 2));
    assert_eq!(read(0.1, 1), read(0.1, 1));
    assert_ne!(read(0.1, 1), read(0.1, 2));
}
