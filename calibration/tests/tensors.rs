//! Equations in tensors agree with the devices' own.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use burn::tensor::Device;
use nalgebra::{DMatrix, DVector};
use twinprop_calibration::TensorEquation;
use twinprop_calibration::bridge::{from_vec, to_tensor, to_vec};
use twinprop_calibration::tensors::{OscillatorTensors, StackTensors, total};
use twinprop_devices::mechanical::{Oscillators, OscillatorsConfig};
use twinprop_devices::optical::{CoherentStack, CoherentStackConfig, Modulators, StackReadout};
use twinprop_devices::{Channels, Differentiable};

/// The largest difference, as a share of the largest value.
fn difference(ours: &[f32], reference: &[f32]) -> f32 {
    let largest = reference.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    let pairs = ours.iter().zip(reference);
    pairs.fold(0.0f32, |worst, (ours, other)| worst.max((ours - other).abs())) / largest
}

#[test]
fn oscillators_in_tensors_agree_with_the_device() {
    agree_on(&Device::flex(), 2e-6, &[(12, 1, 7), (12, 2, 7), (12, 5, 7), (256, 3, 7)]);
}

#[test]
fn a_total_sums_all_values() {
    all_values_are_summed_on(&Device::flex());
}

#[cfg(feature = "wgpu")]
#[test]
fn a_total_sums_all_values_on_a_gpu() {
    all_values_are_summed_on(&Device::wgpu(burn::tensor::DeviceKind::DefaultDevice));
}

fn all_values_are_summed_on(device: &Device) {
    for count in [1, 2, 9, 1000] {
        let values = (0..count).map(|place| place as f32).collect();
        let total: f32 = total(from_vec(values, [1, count], device)).into_scalar();
        assert_eq!(total, (count * (count - 1) / 2) as f32, "{count} values");
    }
}

/// The kernel of wide products takes blocks of 32 shots and strips of 256 columns.
#[cfg(feature = "wgpu")]
#[test]
fn wide_oscillators_on_a_gpu_agree_with_the_device() {
    let device = Device::wgpu(burn::tensor::DeviceKind::DefaultDevice);
    agree_on(&device, 1e-4, &[(12, 2, 7), (256, 1, 32), (300, 2, 37), (1030, 1, 3)]);
}

/// Responses and adjoints of the simulated device and in tensors of `device` agree to `tolerance`; each case: numbers
/// of oscillators, steps and shots.
fn agree_on(device: &Device, tolerance: f32, cases: &[(usize, usize, usize)]) {
    for &(count, steps, shots) in cases {
        let config = OscillatorsConfig {
            count,
            steps,
            bend: 0.1,
            coupling_deviation: 0.2,
            ..Default::default()
        };
        let oscillators = Oscillators::fabricated(&config, 0.05, 3);
        let tensors = OscillatorTensors::new(&oscillators, device);
        let case = format!("{count} oscillators, {steps} steps, {shots} shots");
        equation_agrees(&oscillators, &tensors, shots, 2.0, (device, tolerance), &case);
    }
}

/// Stacks with both kinds of modulators and of readout.
fn stacks_agree_on(device: &Device, tolerance: f32) {
    let plain = CoherentStackConfig {
        modes: 7,
        splitter_error: 0.1,
        phase_error: 0.1,
        crosstalk: 0.02,
        loss_db: 0.2,
        ..Default::default()
    };
    let polar =
        CoherentStackConfig { modulators: Modulators::AmplitudePhase, bias: 1.0, ..plain.clone() };
    let fixed = CoherentStackConfig {
        readout: StackReadout::FullScale(6.0),
        meshes: 2,
        bias: 1.0,
        ..plain.clone()
    };
    for (case, config) in [("plain", plain), ("polar", polar), ("fixed", fixed)] {
        let stack = CoherentStack::fabricated(&config, 0.05, 3).unwrap();
        let tensors = StackTensors::new(&stack, device);
        equation_agrees(&stack, &tensors, 37, 3.0, (device, tolerance), case);
    }
}

#[test]
fn stacks_in_tensors_agree_with_the_device() {
    stacks_agree_on(&Device::flex(), 1e-5);
}

#[cfg(feature = "wgpu")]
#[test]
fn stacks_on_a_gpu_agree_with_the_device() {
    stacks_agree_on(&Device::wgpu(burn::tensor::DeviceKind::DefaultDevice), 1e-4);
}

/// Response and adjoint of `equation` and of `tensors` on `shots` drives up to `strength` agree.
fn equation_agrees(
    equation: &dyn Differentiable,
    tensors: &dyn TensorEquation,
    shots: usize,
    strength: f32,
    (device, tolerance): (&Device, f32),
    case: &str,
) {
    let interface = equation.interface();
    let [inputs, parameters, outputs] =
        [&interface.inputs, &interface.parameters, &interface.outputs].map(Channels::len);
    let wave = |place: usize| (place as f32 * 1.7).sin();
    let x = DMatrix::from_fn(inputs, shots, |row, column| strength * wave(row + inputs * column));
    let theta = DVector::from_fn(parameters, |place, _| wave(3 * place + 1));
    let dy = DMatrix::from_fn(outputs, shots, |row, column| wave(5 * row + 60 * column + 2));

    let (mut y, mut dx) = (DMatrix::zeros(outputs, shots), DMatrix::zeros(inputs, shots));
    let mut dtheta = DVector::zeros(parameters);
    equation.respond(&x, &theta, &mut y).unwrap();
    equation.vjp(&x, &theta, &dy, &mut dx, &mut dtheta).unwrap();

    let x = to_tensor(&x, device);
    let theta = from_vec(theta.as_slice().to_vec(), [1, parameters], device);
    let of_y = to_vec(tensors.respond(x.clone(), theta.clone()));
    let (of_x, of_theta) =
        tensors.linearise(x, theta).vjp(to_tensor(&y, device), to_tensor(&dy, device));
    for (ours, reference, what) in [
        (of_y, y.as_slice(), "response"),
        (to_vec(of_x), dx.as_slice(), "drives"),
        (to_vec(of_theta), dtheta.as_slice(), "parameters"),
    ] {
        let difference = difference(&ours, reference);
        assert!(difference < tolerance, "{case}: {what} off by {difference}");
    }
}
