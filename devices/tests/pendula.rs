//! Pendula obey the equation of their module.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use nalgebra::{DMatrix, DVector};
use twinprop_devices::mechanical::{Pendula, PendulaConfig};
use twinprop_devices::{Channels, PhysicalLayer};

mod drives;

use drives::{drives, respond, setting};

/// The chain in double precision by classical Runge-Kutta: angles and velocities after the time.
fn plain_chain(config: &PendulaConfig, steps: usize, x: &[f32], theta: &[f32]) -> Vec<f64> {
    let n = config.count;
    let rate = |state: &[f64]| -> Vec<f64> {
        let (q, p) = state.split_at(n);
        let torque = (0..n).map(|i| {
            let frequency = f64::from(theta[i]);
            let mut torque = -frequency * frequency * q[i].sin();
            if i + 1 < n {
                torque += f64::from(theta[n + i]) * (q[i + 1] - q[i]);
            }
            if i > 0 {
                torque += f64::from(theta[n + i - 1]) * (q[i - 1] - q[i]);
            }
            torque
        });
        p.iter().copied().chain(torque).collect()
    };
    let mut state: Vec<f64> =
        x.iter().map(|&q| f64::from(q)).chain(std::iter::repeat_n(0.0, n)).collect();
    let h = config.time / steps as f64;
    let along = |state: &[f64], rate: &[f64], h: f64| -> Vec<f64> {
        state.iter().zip(rate).map(|(value, rate)| value + h * rate).collect()
    };
    for _ in 0..steps {
        let k1 = rate(&state);
        let k2 = rate(&along(&state, &k1, h / 2.0));
        let k3 = rate(&along(&state, &k2, h / 2.0));
        let k4 = rate(&along(&state, &k3, h));
        for (index, value) in state.iter_mut().enumerate() {
            *value += h / 6.0 * (k1[index] + 2.0 * k2[index] + 2.0 * k3[index] + k4[index]);
        }
    }
    state
}

/// Σ ½ p² + ω² (1 − cos q) + ½ c Δq².
fn energy(n: usize, state: &[f64], theta: &[f32]) -> f64 {
    let (q, p) = state.split_at(n);
    let own: f64 =
        (0..n).map(|i| 0.5 * p[i] * p[i] + f64::from(theta[i]).powi(2) * (1.0 - q[i].cos())).sum();
    let springs: f64 =
        (1..n).map(|i| 0.5 * f64::from(theta[n + i - 1]) * (q[i] - q[i - 1]).powi(2)).sum();
    own + springs
}

#[test]
fn a_chain_swings_as_the_plain_equation_and_keeps_its_energy_to_fourth_order() {
    let config = PendulaConfig { count: 5, time: 3.0, steps: 12, ..Default::default() };
    let device = Pendula::nominal(&config);
    let (x, theta) = (drives(&device.interface().inputs, 3, 0.8, 1), setting(&device, 2));
    let y = respond(&device, &x, &theta);
    for shot in 0..3 {
        let plain = plain_chain(&config, 12, x.column(shot).as_slice(), theta.as_slice());
        for (angle, expected) in y.column(shot).iter().zip(&plain) {
            assert!((f64::from(*angle) - expected).abs() < 5e-6, "{angle} {expected}");
        }
    }
    // The device is that integrator; its energy drifts with the step's fourth power.
    let start: Vec<f64> = x.column(0).iter().map(|&q| f64::from(q)).chain([0.0; 5]).collect();
    let before = energy(5, &start, theta.as_slice());
    let drift = |steps: usize| {
        let end = plain_chain(&config, steps, x.column(0).as_slice(), theta.as_slice());
        (energy(5, &end, theta.as_slice()) - before).abs()
    };
    assert!(drift(24) < 1e-3 * before, "{} of {before}", drift(24));
    let order = (drift(24) / drift(48)).log2();
    assert!(order > 3.5, "{order}");
    // At the turning point of a single mode the device has its initial energy.
    let alone = PendulaConfig { count: 2, time: std::f64::consts::TAU, steps: 200, ..config };
    let device = Pendula::nominal(&alone);
    let swing = DMatrix::from_element(2, 1, 0.01f32);
    let back = respond(&device, &swing, &DVector::from_vec(vec![1.0, 1.0, 1.0]));
    assert!((back - swing).amax() < 1e-6);
}

#[test]
fn a_chain_at_small_angles_swings_in_its_eigenmodes() {
    let n = 6;
    let config = PendulaConfig { count: n, time: 5.0, steps: 100, ..Default::default() };
    let device = Pendula::nominal(&config);
    let theta = setting(&device, 1);
    let mut stiffness = DMatrix::<f32>::zeros(n, n);
    for i in 0..n {
        stiffness[(i, i)] += theta[i] * theta[i];
    }
    for i in 0..n - 1 {
        let coupling = theta[n + i];
        stiffness[(i, i)] += coupling;
        stiffness[(i + 1, i + 1)] += coupling;
        stiffness[(i, i + 1)] -= coupling;
        stiffness[(i + 1, i)] -= coupling;
    }
    let modes = stiffness.symmetric_eigen();
    let swing = modes.eigenvalues.map(|square| (5.0 * square.sqrt()).cos());
    let x = drives(&Channels::bank("angle", n, "rad", -1e-3, 1e-3), 4, 1.0, 2);
    let expected =
        &modes.eigenvectors * DMatrix::from_diagonal(&swing) * modes.eigenvectors.transpose() * &x;
    let error = (respond(&device, &x, &theta) - expected).amax();
    assert!(error < 1e-8, "{error}");
}
