//! The optical device obeys the equations of its module.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::f32::consts::TAU;

use nalgebra::{DMatrix, DVector};
use rand::RngExt;
use rustfft::num_complex::Complex64;
use twinprop_devices::optical::{SecondHarmonic, SecondHarmonicConfig};
use twinprop_devices::{Differentiable, PhysicalLayer, random};

fn config(chirp_fs2: f64) -> SecondHarmonicConfig {
    SecondHarmonicConfig {
        inputs: 7,
        parameters: 5,
        outputs: 23,
        chirp_fs2,
        exposure: 0.25,
        ..SecondHarmonicConfig::default()
    }
}

fn drives(rows: usize, shots: usize, seed: u64) -> DMatrix<f32> {
    let mut random = random::stream(seed, "test drives");
    DMatrix::from_fn(rows, shots, |_, _| random.random_range(0.05..0.95))
}

/// The module's equations as a double loop in double precision, with one bin a frequency. Readings are compared
/// up to the common exposure.
fn double_loop(config: &SecondHarmonicConfig, u: &[f64]) -> Vec<f64> {
    let channels = u.len();
    let window = f64::from(TAU) * config.window_thz * 1e-3;
    let sigma = f64::from(TAU) * config.bandwidth_thz * 1e-3 / (2.0 * 2f64.ln().sqrt());
    let field: Vec<Complex64> = (0..channels)
        .map(|k| {
            let omega = window * (k as f64 / (channels - 1) as f64 - 0.5);
            let amplitude = (-omega * omega / (2.0 * sigma * sigma)).exp();
            let modulation = (std::f64::consts::FRAC_PI_2 * u[k]).sin();
            Complex64::from_polar(amplitude * modulation, 0.5 * config.chirp_fs2 * omega * omega)
        })
        .collect();
    (0..2 * channels - 1)
        .map(|n| {
            let mut sum = Complex64::ZERO;
            for k in 0..channels {
                for l in 0..channels {
                    if k + l == n {
                        sum += field[k] * field[l];
                    }
                }
            }
            let omega = 2.0 * window * (n as f64 / (2 * channels - 2) as f64 - 0.5);
            let phase = 0.5 * config.walk_off_fs * omega;
            let matching = if phase == 0.0 { 1.0 } else { phase.sin() / phase };
            sum.norm_sqr() * matching * matching
        })
        .collect()
}

/// Spectral channel of each drive: 7 inputs and 5 parameters, each spread evenly.
const PLACEMENT: [usize; 12] = [0, 2, 4, 5, 7, 9, 11, 1, 3, 6, 8, 10];

#[test]
fn readings_match_a_double_loop_for_flat_and_chirped_pulses() {
    for chirp in [0.0, 4000.0, -9000.0] {
        let config = config(chirp);
        let mut device = SecondHarmonic::nominal(&config).unwrap();
        let (x, theta) = (drives(7, 20, 1), drives(5, 1, 2));
        let mut y = DMatrix::zeros(23, 20);
        device.measure(&x, &theta.column(0).into_owned(), &mut y).unwrap();
        for shot in 0..20 {
            let mut u = vec![0.0; 12];
            let order = x.column(shot);
            for (place, drive) in PLACEMENT.iter().zip(order.iter().chain(theta.iter())) {
                u[*place] = f64::from(*drive);
            }
            let expected = double_loop(&config, &u);
            let brightest = expected.iter().copied().fold(0.0, f64::max);
            let bin = expected.iter().position(|&value| value == brightest).unwrap();
            let exposure = f64::from(y[(bin, shot)]) / brightest;
            assert!(y[(bin, shot)] < 1.0, "a saturated bin compares nothing");
            for (n, value) in expected.iter().enumerate() {
                let error = (f64::from(y[(n, shot)]) / exposure - value).abs();
                assert!(error < 1e-5 * brightest, "chirp {chirp}, bin {n}: off by {error}");
            }
        }
    }
}

#[test]
fn a_longer_exposure_scales_the_readings_up_to_full_scale() {
    let read = |exposure: f64| {
        let config = SecondHarmonicConfig { exposure, ..config(4000.0) };
        let mut y = DMatrix::zeros(23, 20);
        let (x, theta) = (drives(7, 20, 1), drives(5, 1, 2).column(0).into_owned());
        SecondHarmonic::nominal(&config).unwrap().measure(&x, &theta, &mut y).unwrap();
        y
    };
    let (short, long) = (read(0.25), read(4.0));
    assert!(short.max() < 1.0 && long.max() == 1.0);
    assert!((long - short.map(|reading| (16.0 * reading).min(1.0))).amax() < 1e-5);
}

#[test]
fn the_adjoint_agrees_with_central_differences() {
    let device = SecondHarmonic::fabricated(&config(4000.0), 0.1, 3).unwrap();
    let shots = 150; // more than one task's worth
    let (x, theta) = (drives(7, shots, 4), drives(5, 1, 5).column(0).into_owned());
    let weights = drives(23, shots, 6);
    let (mut dx, mut dtheta) = (DMatrix::zeros(7, shots), DVector::zeros(5));
    device.vjp(&x, &theta, &weights, &mut dx, &mut dtheta).unwrap();
    let loss = |x: &DMatrix<f32>, theta: &DVector<f32>| -> f64 {
        let mut y = DMatrix::zeros(23, shots);
        device.respond(x, theta, &mut y).unwrap();
        y.iter().zip(weights.iter()).map(|(y, w)| f64::from(*y) * f64::from(*w)).sum()
    };
    let step = 4e-3;
    let difference = |x: &dyn Fn(f32) -> DMatrix<f32>, theta: &dyn Fn(f32) -> DVector<f32>| {
        let end = |h: f32| loss(&x(h), &theta(h));
        // The differences are of fourth order, so that a large step hides rounding.
        (8.0 * (end(step) - end(-step)) - (end(2.0 * step) - end(-2.0 * step)))
            / (12.0 * f64::from(step))
    };
    let scale = dx.norm().max(dtheta.norm());
    for parameter in 0..5 {
        let measured = difference(&|_| x.clone(), &|h| {
            let mut theta = theta.clone();
            theta[parameter] += h;
            theta
        });
        let error = (measured - f64::from(dtheta[parameter])).abs();
        assert!(error < 1e-3 * f64::from(scale), "θ_{parameter}: {measured} {}", dtheta[parameter]);
    }
    for input in 0..7 {
        let measured = difference(
            &|h| {
                let mut x = x.clone();
                x[(input, 77)] += h;
                x
            },
            &|_| theta.clone(),
        );
        let error = (measured - f64::from(dx[(input, 77)])).abs();
        assert!(error < 1e-3 * f64::from(scale), "x_{input}: {measured} {}", dx[(input, 77)]);
    }
}

#[test]
fn a_shot_reads_the_same_in_any_batch() {
    let mut device = SecondHarmonic::nominal(&config(4000.0)).unwrap();
    let (x, theta) = (drives(7, 200, 7), drives(5, 1, 8).column(0).into_owned());
    let mut together = DMatrix::zeros(23, 200);
    device.measure(&x, &theta, &mut together).unwrap();
    let mut alone = DMatrix::zeros(23, 1);
    for shot in [0, 63, 64, 199] {
        device.measure(&x.columns(shot, 1).into_owned(), &theta, &mut alone).unwrap();
        assert_eq!(alone.column(0), together.column(shot));
    }
}

#[test]
fn mismatch_moves_the_constants_and_the_seed_chooses_how() {
    let config = config(4000.0);
    let (x, theta) = (drives(7, 50, 9), drives(5, 1, 10).column(0).into_owned());
    let read = |mismatch: f64, seed: u64| {
        let mut y = DMatrix::zeros(23, 50);
        let mut device = SecondHarmonic::fabricated(&config, mismatch, seed).unwrap();
        device.measure(&x, &theta, &mut y).unwrap();
        y
    };
    let nominal = read(0.0, 1);
    assert_eq!(nominal, read(0.0, 2));
    assert_eq!(read(0.1, 1), read(0.1, 1));
    assert_ne!(read(0.1, 1), read(0.1, 2));
    let gap = |mismatch: f64| (read(mismatch, 1) - &nominal).norm() / nominal.norm();
    assert!(gap(0.01) > 0.0 && gap(0.01) < gap(0.1), "{} {}", gap(0.01), gap(0.1));
}

#[test]
fn more_bins_than_frequencies_are_refused() {
    let config = SecondHarmonicConfig { outputs: 24, ..config(0.0) };
    let error = SecondHarmonic::nominal(&config).err().unwrap().to_string();
    assert!(error.contains("24") && error.contains("fewer bins"), "{error}");
}
