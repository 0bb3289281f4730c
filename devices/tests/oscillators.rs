//! The coupled oscillators obey the equation of their module.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use nalgebra::{DMatrix, DVector};
use rand::RngExt;
use twinprop_devices::mechanical::{Oscillators, OscillatorsConfig};
use twinprop_devices::{Differentiable, PhysicalLayer, random};

fn config(count: usize, steps: usize) -> OscillatorsConfig {
    OscillatorsConfig { count, steps, time: 1.0, ..Default::default() }
}

fn uniform(rows: usize, columns: usize, largest: f32, seed: u64) -> DMatrix<f32> {
    let mut random = random::stream(seed, "test values");
    DMatrix::from_fn(rows, columns, |_, _| random.random_range(-largest..largest))
}

fn parameters(count: usize, largest: f32, seed: u64) -> DVector<f32> {
    uniform(count * count + count, 1, largest, seed).column(0).into_owned()
}

fn respond(device: &Oscillators, x: &DMatrix<f32>, theta: &DVector<f32>) -> DMatrix<f32> {
    let mut y = DMatrix::zeros(x.nrows(), x.ncols());
    device.respond(x, theta, &mut y).unwrap();
    y
}

/// The equation in double precision, by classical Runge-Kutta on (q, p).
fn plain(
    config: &OscillatorsConfig,
    eta: f64,
    error: impl Fn(usize, usize) -> f64,
    x: &[f32],
    theta: &DVector<f32>,
) -> Vec<f64> {
    let n = config.count;
    let coupling = |i: usize, j: usize| {
        0.5 * f64::from(theta[j * n + i] + theta[i * n + j])
            + if i == j { 0.0 } else { error(i, j) }
    };
    let bent = |q: f64| ((1.0 + eta) * q).sin();
    let rate = |state: &[f64]| -> Vec<f64> {
        let (q, p) = state.split_at(n);
        let force = (0..n).map(|i| {
            let pull: f64 = (0..n).map(|j| coupling(i, j) * (bent(q[j]) - bent(q[i]))).sum();
            -bent(q[i]) + pull + f64::from(theta[n * n + i])
        });
        p.iter().copied().chain(force).collect()
    };
    let mut state: Vec<f64> =
        x.iter().map(|&q| f64::from(q)).chain(std::iter::repeat_n(0.0, n)).collect();
    let h = config.time / config.steps as f64;
    let along = |state: &[f64], rate: &[f64], h: f64| -> Vec<f64> {
        state.iter().zip(rate).map(|(value, rate)| value + h * rate).collect()
    };
    for _ in 0..config.steps {
        let k1 = rate(&state);
        let k2 = rate(&along(&state, &k1, h / 2.0));
        let k3 = rate(&along(&state, &k2, h / 2.0));
        let k4 = rate(&along(&state, &k3, h));
        for (index, value) in state.iter_mut().enumerate() {
            *value += h / 6.0 * (k1[index] + 2.0 * k2[index] + 2.0 * k3[index] + k4[index]);
        }
    }
    state.truncate(n);
    state
}

#[test]
fn angles_match_the_plain_equation() {
    let config = OscillatorsConfig { bend: 0.1, ..config(7, 6) };
    let (x, theta) = (uniform(7, 40, 2.0, 1), parameters(7, 0.5, 2));
    for (device, eta) in
        [(Oscillators::nominal(&config), 0.0), (Oscillators::fabricated(&config, 0.0, 3), 0.1)]
    {
        let y = respond(&device, &x, &theta);
        for shot in [0, 15, 16, 39] {
            let expected = plain(&config, eta, |_, _| 0.0, x.column(shot).as_slice(), &theta);
            for (angle, expected) in y.column(shot).iter().zip(&expected) {
                assert!((f64::from(*angle) - expected).abs() < 2e-6, "{angle} {expected}");
            }
        }
    }
}

#[test]
fn the_adjoint_agrees_with_central_differences() {
    let config = OscillatorsConfig { bend: 0.1, coupling_deviation: 0.2, ..config(6, 5) };
    let device = Oscillators::fabricated(&config, 0.0, 3);
    let shots = 37; // more than two tasks' worth, the last one short
    let (x, theta) = (uniform(6, shots, 1.5, 4), parameters(6, 0.5, 5));
    let weights = uniform(6, shots, 1.0, 6);
    let (mut dx, mut dtheta) = (DMatrix::zeros(6, shots), DVector::zeros(42));
    device.vjp(&x, &theta, &weights, &mut dx, &mut dtheta).unwrap();
    for direction in 0..6 {
        let vx = uniform(6, shots, 1.0, 10 + direction);
        let vtheta = parameters(6, 1.0, 20 + direction);
        let end = |h: f32| -> f64 {
            let y = respond(&device, &(&x + &vx * h), &(&theta + &vtheta * h));
            y.iter().zip(&weights).map(|(y, w)| f64::from(*y) * f64::from(*w)).sum()
        };
        let h = 0.02;
        // The differences are of fourth order, so that a large step hides rounding.
        let measured =
            (8.0 * (end(h) - end(-h)) - (end(2.0 * h) - end(-2.0 * h))) / (12.0 * f64::from(h));
        let predicted = f64::from(dx.dot(&vx)) + f64::from(dtheta.dot(&vtheta));
        let size = f64::from(dx.norm() + dtheta.norm());
        assert!((measured - predicted).abs() < 3e-4 * size, "{measured} {predicted}");
    }
}

#[test]
fn the_error_falls_with_the_fourth_power_of_the_step() {
    let (x, theta) = (uniform(5, 8, 1.5, 1), parameters(5, 0.5, 2));
    let angles = |steps: usize| {
        let device = Oscillators::nominal(&OscillatorsConfig { time: 4.0, ..config(5, steps) });
        respond(&device, &x, &theta)
    };
    let fine = angles(200);
    let error = |steps: usize| (angles(steps) - &fine).norm();
    let order = (error(5) / error(10)).log2();
    assert!((order - 4.0).abs() < 0.5, "{order}");
}

#[test]
fn small_angles_swing_in_the_eigenmodes() {
    let n = 6;
    let device = Oscillators::nominal(&OscillatorsConfig { time: 2.0, ..config(n, 60) });
    let mut theta = parameters(n, 0.3, 1);
    theta.rows_mut(n * n, n).fill(0.0);
    let x = uniform(n, 3, 1e-3, 2);
    let free = DMatrix::from_column_slice(n, n, &theta.as_slice()[..n * n]);
    let mut coupling = (&free + free.transpose()) * 0.5;
    coupling.fill_diagonal(0.0);
    // q̈ = −K q with K the stiffness.
    let stiffness =
        DMatrix::identity(n, n) + DMatrix::from_diagonal(&coupling.column_sum()) - &coupling;
    let modes = stiffness.symmetric_eigen();
    let swing = modes.eigenvalues.map(|square| {
        let frequency = square.abs().sqrt();
        if square > 0.0 { (2.0 * frequency).cos() } else { (2.0 * frequency).cosh() }
    });
    let expected =
        &modes.eigenvectors * DMatrix::from_diagonal(&swing) * modes.eigenvectors.transpose() * &x;
    let error = (respond(&device, &x, &theta) - expected).amax();
    assert!(error < 2e-8, "{error}");
}

#[test]
fn an_uncoupled_oscillator_returns_after_its_period() {
    // Half the period of a pendulum of amplitude θ: 2 K(sin(θ/2)), by the arithmetic-geometric mean.
    let amplitude = 1.2f64;
    let (mut a, mut g) = (1.0, (amplitude / 2.0).cos());
    for _ in 0..20 {
        (a, g) = (0.5 * (a + g), (a * g).sqrt());
    }
    let time = std::f64::consts::PI / a;
    let device = Oscillators::nominal(&OscillatorsConfig { time, ..config(3, 100) });
    let x = DMatrix::from_element(3, 1, amplitude as f32);
    let y = respond(&device, &x, &DVector::zeros(12));
    // At the turning point energy is conserved to the last digit of the amplitude.
    assert!((y + x).amax() < 1e-5);
}

#[test]
fn a_coupling_error_is_fixed_symmetric_and_of_its_strength() {
    let config = OscillatorsConfig { coupling_deviation: 0.2, ..config(8, 5) };
    let (x, theta) = (uniform(8, 4, 1.0, 1), parameters(8, 0.3, 2));
    let read = |seed| respond(&Oscillators::fabricated(&config, 0.0, seed), &x, &theta);
    assert_eq!(read(1), read(1));
    assert_ne!(read(1), read(2));
    assert_ne!(read(1), respond(&Oscillators::nominal(&config), &x, &theta));
}

#[test]
fn a_shot_reads_the_same_in_any_batch() {
    let device = Oscillators::nominal(&config(9, 5));
    let (x, theta) = (uniform(9, 50, 1.0, 1), parameters(9, 0.3, 2));
    let together = respond(&device, &x, &theta);
    for shot in [0, 15, 16, 49] {
        let alone = respond(&device, &x.columns(shot, 1).into_owned(), &theta);
        assert!((alone.column(0) - together.column(shot)).amax() < 1e-6);
    }
    assert_eq!(device.interface().parameters.len(), 90);
}
