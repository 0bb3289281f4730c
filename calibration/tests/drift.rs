//! The alarm for drift is wrong as often as it says, and right when a device has moved.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use twinprop_calibration::design::DesignConfig;
use twinprop_calibration::{DriftTest, Reference, WatchConfig};
use twinprop_devices::imperfections::{DriftConfig, DriftCourse, Span};
use twinprop_devices::optical::SecondHarmonicConfig;
use twinprop_devices::{DeviceConfig, DeviceKind, ImperfectionsConfig, PhysicalLayer, Usage};

/// A noisy optical device; its constants drift by `deviation` in the first thousand shots, and then stay.
fn device(deviation: f64, seed: u64, shots: u64) -> Box<dyn PhysicalLayer> {
    let drift = (deviation > 0.0).then_some(DriftConfig {
        deviation,
        over: Span::Shots(1000.0),
        course: DriftCourse::Ageing,
    });
    let config = DeviceConfig {
        model: DeviceKind::SecondHarmonic(SecondHarmonicConfig::default()),
        imperfections: ImperfectionsConfig {
            mismatch: 0.1,
            input_noise: 0.01,
            readout_noise: 0.01,
            drift,
            ..Default::default()
        },
    };
    let mut device = config.fabricate(seed).unwrap().device;
    device.resume(&Usage::after(shots));
    device
}

/// The test for drift of a device after its constants drifted by `deviation`.
fn tested(deviation: f64, seed: u64, config: &WatchConfig) -> DriftTest {
    let mut fresh = device(0.0, seed, 0);
    let (inputs, parameters) =
        DesignConfig::Uniform.draw(fresh.interface(), config.drives, None, seed).unwrap();
    let reference = Reference::measure(&mut fresh, inputs, parameters, config.repeats).unwrap();
    let mut used = device(deviation, seed, 1000);
    reference.compare(&mut used, config, seed).unwrap()
}

#[test]
fn false_alarms_have_the_chosen_rate_and_drift_is_found() {
    let trials: u64 = std::env::var("TWINPROP_DRIFT_TRIALS").map_or(40, |n| n.parse().unwrap());
    let config = WatchConfig { drives: 16, repeats: 4, false_alarm_rate: 0.05 };
    let alarms = |deviation: f64| {
        let tests = (0..trials).map(|seed| tested(deviation, seed, &config));
        let alarms = tests.filter(|drift| drift.alarm).count() as u64;
        println!("constants drifted by {deviation}: {alarms} alarms in {trials} tests");
        alarms
    };
    // The binomial's mean and four of its deviations.
    let mean = 0.05 * trials as f64;
    assert!((alarms(0.0) as f64) < mean + 4.0 * (0.95 * mean).sqrt());
    for deviation in [0.005, 0.01] {
        alarms(deviation);
    }
    assert_eq!(alarms(0.05), trials);
}

#[test]
fn a_larger_drift_is_a_larger_change() {
    let config = WatchConfig { drives: 64, repeats: 8, ..Default::default() };
    let [none, little, more] =
        [0.0, 0.02, 0.1].map(|deviation| tested(deviation, 1, &config).moved);
    assert!(none < 0.05, "{none}");
    assert!(none < little && little < more && more < 1.5, "{none} {little} {more}");
}

#[test]
fn a_noiseless_device_is_distinguished_from_another() {
    let quiet = |mismatch: f64| {
        let imperfections = ImperfectionsConfig { mismatch, ..Default::default() };
        let model = DeviceKind::SecondHarmonic(SecondHarmonicConfig::default());
        DeviceConfig { model, imperfections }.fabricate(1).unwrap().device
    };
    let mut device = quiet(0.0);
    let (inputs, parameters) = DesignConfig::Uniform.draw(device.interface(), 16, None, 1).unwrap();
    let reference = Reference::measure(&mut device, inputs, parameters, 4).unwrap();
    let config = WatchConfig::default();
    assert!(!reference.compare(&mut device, &config, 1).unwrap().alarm);
    assert!(reference.compare(&mut *quiet(0.01), &config, 1).unwrap().alarm);
}
