//! The boundary clamps drives and refuses measurements that are out of range.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::sync::{Arc, Mutex};

use nalgebra::{DMatrix, DVector};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use twinprop_devices::{Boundary, Channels, DeviceError, Interface, PhysicalLayer};

/// Records its drives and parameters, and answers one value.
struct Witness {
    interface: Interface,
    seen: Arc<Mutex<Vec<f32>>>,
    answer: f32,
}

fn guarded(answer: f32) -> (Boundary, Arc<Mutex<Vec<f32>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let interface = Interface {
        device: "witness".to_owned(),
        inputs: Channels::bank("in", 3, "V", -0.5, 2.0),
        parameters: Channels::bank("bias", 2, "mA", 1.0, 4.0),
        outputs: Channels::bank("out", 1, "V", 0.0, 1.0),
        seconds_per_shot: 0.25,
    };
    (Boundary::new(Box::new(Witness { interface, seen: Arc::clone(&seen), answer })), seen)
}

impl PhysicalLayer for Witness {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        assert!(inputs.iter().all(|value| (-0.5..=2.0).contains(value)), "{inputs}");
        assert!(parameters.iter().all(|value| (1.0..=4.0).contains(value)), "{parameters}");
        self.seen.lock().unwrap().extend(inputs.iter().chain(parameters.iter()));
        outputs.fill(self.answer);
        Ok(())
    }
}

/// Mostly a value in and around the range; now and then any 32 bits, or a value that is not finite.
fn any_value(random: &mut ChaCha8Rng, around: std::ops::Range<f32>) -> f32 {
    const NOT_FINITE: [f32; 3] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    match random.random_range(0..100) {
        0..10 => f32::from_bits(random.next_u32()),
        10 | 11 => NOT_FINITE[random.random_range(0..NOT_FINITE.len())],
        _ => random.random_range(around),
    }
}

#[test]
fn every_drive_is_clamped_counted_or_refused() {
    let mut refusals = 0;
    for seed in 0..500 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (mut device, seen) = guarded(0.5);
        let inputs = DMatrix::from_fn(3, 4, |_, _| any_value(&mut random, -3.0..5.0));
        let parameters = DVector::from_fn(2, |_, _| any_value(&mut random, -1.0..6.0));
        let outcome = device.measure(&inputs, &parameters, &mut DMatrix::zeros(1, 4));
        let all = || inputs.iter().chain(parameters.iter());
        if all().any(|value| !value.is_finite()) {
            refusals += 1;
            let refused = matches!(outcome, Err(DeviceError::NonFiniteDrive { .. }));
            assert!(refused, "seed {seed}");
            assert!(seen.lock().unwrap().is_empty(), "seed {seed}: nothing is played");
            assert_eq!(device.shots(), 0, "seed {seed}");
        } else {
            assert!(outcome.is_ok(), "seed {seed}");
            let outside = inputs.iter().filter(|value| !(-0.5..=2.0).contains(*value)).count()
                + parameters.iter().filter(|value| !(1.0..=4.0).contains(*value)).count();
            assert_eq!(device.clamped(), outside as u64, "seed {seed}");
            assert_eq!(device.shots(), 4, "seed {seed}");
            let expected: Vec<f32> = inputs
                .iter()
                .map(|value| value.clamp(-0.5, 2.0))
                .chain(parameters.iter().map(|value| value.clamp(1.0, 4.0)))
                .collect();
            assert_eq!(*seen.lock().unwrap(), expected, "seed {seed}");
        }
    }
    assert!(
        (1..500).contains(&refusals),
        "{refusals} of 500 cases hold a value that is not finite"
    );
}

#[test]
fn an_impossible_measurement_is_an_error_with_its_place() {
    for answer in [f32::NAN, f32::INFINITY, 1.5, -0.1] {
        let (mut device, _) = guarded(answer);
        let error = device
            .measure(
                &DMatrix::zeros(3, 2),
                &DVector::from_element(2, 2.0),
                &mut DMatrix::zeros(1, 2),
            )
            .unwrap_err();
        assert!(matches!(error, DeviceError::BadMeasurement { shot: 0, .. }), "{error}");
        assert!(error.to_string().contains("`out 0`"), "{error}");
    }
}

#[test]
fn a_batch_of_the_wrong_size_is_an_error() {
    let (mut device, seen) = guarded(0.5);
    let error = device
        .measure(&DMatrix::zeros(2, 2), &DVector::zeros(2), &mut DMatrix::zeros(1, 2))
        .unwrap_err();
    assert!(error.to_string().contains("inputs (channels) has size 2"), "{error}");
    assert!(seen.lock().unwrap().is_empty());
}

#[test]
fn device_time_is_counted() {
    let (mut device, _) = guarded(0.5);
    device
        .measure(&DMatrix::zeros(3, 8), &DVector::from_element(2, 2.0), &mut DMatrix::zeros(1, 8))
        .unwrap();
    assert_eq!(device.device_seconds(), 2.0);
}

/// A device with two banks of drives, one without an end of its range.
struct TwoBanks {
    interface: Interface,
}

impl PhysicalLayer for TwoBanks {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn measure(
        &mut self,
        _inputs: &DMatrix<f32>,
        _parameters: &DVector<f32>,
        _outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        panic!("a drive that is not finite is not played");
    }
}

#[test]
fn the_first_drive_that_is_not_finite_is_named() {
    let inputs =
        Channels::bank("a", 2, "V", -1.0, 1.0).and(Channels::bank("b", 1, "W", 0.0, f32::INFINITY));
    let interface = Interface {
        device: "two banks".to_owned(),
        inputs,
        parameters: Channels::bank("bias", 1, "mA", 1.0, 4.0),
        outputs: Channels::bank("out", 1, "V", 0.0, 1.0),
        seconds_per_shot: 0.25,
    };
    // A stray in the first shot, and the values of the second bank in the third and the fourth.
    for (stray, third, fourth) in [(9.0, f32::NAN, f32::INFINITY), (0.0, f32::INFINITY, 1.0)] {
        let mut device = Boundary::new(Box::new(TwoBanks { interface: interface.clone() }));
        let inputs = [[stray, 0.0, 0.0], [0.0; 3], [0.0, 0.0, third], [0.0, 0.0, fourth]].concat();
        let inputs = DMatrix::from_vec(3, 4, inputs);
        let mut outputs = DMatrix::zeros(1, 4);
        let error = device.measure(&inputs, &DVector::from_element(1, 2.0), &mut outputs);
        let Err(DeviceError::NonFiniteDrive { channel, shot, .. }) = error else {
            panic!("{error:?}");
        };
        assert_eq!((channel.as_str(), shot), ("b 0", 2));
    }
}
