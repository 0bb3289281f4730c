//! A device's equation in tensors is the device's equation.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use burn::tensor::Device;
use nalgebra::{DMatrix, DVector};
use twinprop_calibration::TensorEquation;
use twinprop_calibration::bridge::{from_vec, to_matrix, to_tensor, to_vec};
use twinprop_calibration::tensors::OscillatorTensors;
use twinprop_devices::mechanical::{Oscillators, OscillatorsConfig};
use twinprop_devices::{Differentiable, PhysicalLayer};

/// The largest difference, as a share of the largest value.
fn difference(ours: &[f32], reference: &[f32]) -> f32 {
    let largest = reference.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    let pairs = ours.iter().zip(reference);
    pairs.fold(0.0f32, |worst, (ours, other)| worst.max((ours - other).abs())) / largest
}

#[test]
fn oscillators_answer_and_differentiate_as_on_the_host() {
    let device = Device::flex();
    for (count, steps) in [(12, 1), (12, 2), (12, 5), (256, 3)] {
        let config = OscillatorsConfig {
            count,
            steps,
            bend: 0.1,
            coupling_deviation: 0.2,
            ..Default::default()
        };
        let oscillators = Oscillators::fabricated(&config, 0.05, 3).unwrap();
        let tensors = OscillatorTensors::new(&oscillators, &device);
        let wave = |place: usize| (place as f32 * 1.7).sin();
        let x = DMatrix::from_fn(count, 7, |row, column| 2.0 * wave(row + count * column));
        let parameters = oscillators.interface().parameters.len();
        let theta = DVector::from_fn(parameters, |place, _| wave(3 * place + 1));
        let dy = DMatrix::from_fn(count, 7, |row, column| wave(5 * row + 60 * column + 2));

        let (mut y, mut dx) = (DMatrix::zeros(count, 7), DMatrix::zeros(count, 7));
        let mut dtheta = DVector::zeros(parameters);
        oscillators.respond(&x, &theta, &mut y).unwrap();
        oscillators.vjp(&x, &theta, &dy, &mut dx, &mut dtheta).unwrap();

        let x = to_tensor(&x, &device);
        let theta = from_vec(theta.as_slice().to_vec(), [1, parameters], &device);
        let ours = to_matrix(tensors.respond(x.clone(), theta.clone()));
        assert!(
            difference(ours.as_slice(), y.as_slice()) < 2e-6,
            "{count} oscillators, {steps} steps: response"
        );
        let (of_x, of_theta) = tensors.linearise(x, theta).vjp(to_tensor(&dy, &device));
        assert!(
            difference(&to_vec(of_x), dx.as_slice()) < 2e-6,
            "{count} oscillators, {steps} steps: drives"
        );
        let of_theta = difference(&to_vec(of_theta), dtheta.as_slice());
        assert!(of_theta < 2e-6, "{count} oscillators, {steps} steps: parameters: {of_theta}");
    }
}
