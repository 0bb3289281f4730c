//! The plate obeys the equations of its module.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use nalgebra::{DMatrix, DVector};
use twinprop_devices::PhysicalLayer;
use twinprop_devices::mechanical::{Detection, Plate, PlateConfig};

mod drives;

use drives::{drives, respond, setting};

fn plate_config() -> PlateConfig {
    PlateConfig { inputs: 9, parameters: 7, outputs: 5, modes: 4, ..Default::default() }
}

fn cochlea_config() -> PlateConfig {
    PlateConfig { outputs: 12, detection: Detection::ModalEnvelopes, ..plate_config() }
}

#[test]
fn a_linear_plate_answers_as_its_transfer_function() {
    // A plate of one mode without tension, driven by a sine: after the transient its velocity has the
    // amplitude and phase of H(ω) = i ω ω₀² / (ω₀² − ω² + 2 i ζ ω₀ ω).
    let config = PlateConfig {
        inputs: 4096,
        parameters: 1,
        outputs: 4097,
        modes: 1,
        stiffening: 0.0,
        damping: 0.05,
        steps_per_sample: 1,
        sample_seconds: 1e-4,
        gain: 0.05,
        ..Default::default()
    };
    let device = Plate::nominal(&config).unwrap();
    let own = std::f64::consts::TAU * config.fundamental_hz;
    let response = |ratio: f64| -> (f64, f64) {
        let omega = ratio * own;
        // The parameter is the middle sample of the sine.
        let sample = |n: usize| (omega * config.sample_seconds * n as f64).sin() as f32;
        let middle = 2048;
        let x = DMatrix::from_fn(4096, 1, |n, _| sample(if n < middle { n } else { n + 1 }));
        let y = respond(&device, &x, &DVector::from_vec(vec![sample(middle)]));
        // The last 2,000 readings, against sine and cosine; a held sample lags half a step.
        let (mut sine, mut cosine) = (0.0, 0.0);
        for n in 2097..4097 {
            let phase = omega * config.sample_seconds * (n as f64 + 0.5);
            let reading = f64::from(y[n]);
            sine += 2.0 * reading * phase.sin() / 2000.0;
            cosine += 2.0 * reading * phase.cos() / 2000.0;
        }
        (sine.hypot(cosine), cosine.atan2(sine))
    };
    // Ratios with whole periods in 2,000 samples (f = 100 Hz ratio, 0.2 s).
    let transfer = |ratio: f64| -> (f64, f64) {
        let (real, imaginary) = (1.0 - ratio * ratio, 0.1 * ratio);
        (ratio / real.hypot(imaginary), std::f64::consts::FRAC_PI_2 - imaginary.atan2(real))
    };
    let (reference, _) = response(0.1);
    let (expected_reference, _) = transfer(0.1);
    for ratio in [0.5, 0.9, 1.0, 1.5, 2.0] {
        let (amplitude, phase) = response(ratio);
        let (expected, expected_phase) = transfer(ratio);
        let relative = amplitude / reference * expected_reference;
        assert!((relative / expected - 1.0).abs() < 5e-3, "{ratio}: {relative} {expected}");
        // The reading is at the end of its step, half a step after the middle of the sample.
        assert!((phase - expected_phase).abs() < 0.02, "{ratio}: {phase} {expected_phase}");
    }
}

#[test]
fn tension_stiffens_the_plate() {
    let read = |stiffening: f64| {
        let config = PlateConfig { stiffening, ..plate_config() };
        let device = Plate::nominal(&config).unwrap();
        let x = drives(&device.interface().inputs, 8, 1.0, 1);
        let theta = setting(&device, 2);
        let (one, two) =
            (respond(&device, &(&x * 0.5), &(&theta * 0.5)), respond(&device, &x, &theta));
        (one * 2.0 - &two).norm() / two.norm()
    };
    assert!(read(0.0) < 1e-5, "{}", read(0.0));
    assert!(read(0.3) > 0.02, "{}", read(0.3));
}

#[test]
fn modal_envelopes_are_the_root_mean_square_of_the_velocity_over_windows() {
    // With one mode the velocity at a point is that of the mode.
    let velocity = PlateConfig { modes: 1, outputs: 32, ..plate_config() };
    let envelopes =
        PlateConfig { outputs: 4, detection: Detection::ModalEnvelopes, ..velocity.clone() };
    let (velocity, envelopes) = (
        Plate::fabricated(&velocity, 0.1, 3).unwrap(),
        Plate::fabricated(&envelopes, 0.1, 3).unwrap(),
    );
    let x = drives(&velocity.interface().inputs, 8, 0.7, 1);
    let theta = setting(&velocity, 2);
    let (v, y) = (respond(&velocity, &x, &theta), respond(&envelopes, &x, &theta));
    let ratio = |window: usize, shot: usize| {
        let square: f32 = (0..8).map(|step| v[(8 * window + step, shot)].powi(2)).sum();
        (y[(window, shot)].powi(2) - 1e-6).sqrt() / (square / 8.0).sqrt()
    };
    for shot in 0..8 {
        for window in 0..4 {
            let error = ratio(window, shot) / ratio(0, 0) - 1.0;
            assert!(error.abs() < 1e-4, "{window} {shot}: {error}");
        }
    }
}

#[test]
fn modal_envelopes_must_be_as_many_for_each_mode() {
    let config = PlateConfig { outputs: 10, ..cochlea_config() };
    let error = Plate::nominal(&config).unwrap_err().to_string();
    assert!(error.contains("ask for 12"), "{error}");
}
