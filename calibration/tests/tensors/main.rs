//! Equations in tensors agree with the devices' own.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

mod coherent_stack;
mod crossbar;
mod diffractive;
mod lif_chip;
mod microring_bank;
mod mzi_mesh;
mod noise;
mod oscillators;
mod pendula;
mod plate;
mod second_harmonic;
mod total;
mod transistor;

use burn::tensor::Device;
use nalgebra::{DMatrix, DVector};
use twinprop_calibration::bridge::{from_vec, to_tensor, to_vec};
use twinprop_calibration::in_tensors_of;
use twinprop_devices::{Channel, Channels, Differentiable};

/// Backends of the tests, each with its tolerance: that of a GPU's elementary functions is wider.
fn backends() -> Vec<(Device, f32)> {
    vec![
        (Device::flex(), 1e-5),
        #[cfg(feature = "wgpu")]
        (Device::wgpu(burn::tensor::DeviceKind::DefaultDevice), 1e-4),
        #[cfg(feature = "cuda")]
        (Device::cuda(0), 1e-4),
    ]
}

/// The largest difference, as a share of the largest value; all values are finite.
fn difference(ours: &[f32], reference: &[f32]) -> f32 {
    assert!(ours.iter().chain(reference).all(|value| value.is_finite()));
    let largest = reference.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    let pairs = ours.iter().zip(reference);
    pairs.fold(0.0f32, |worst, (ours, other)| worst.max((ours - other).abs())) / largest
}

/// Response and adjoint of `equation` in tensors and its own agree on every backend, for one setting and for three, with
/// `shots` drives each, which reach `strength` of their channels' ranges.
fn equation_agrees(equation: &dyn Differentiable, shots: usize, strength: f32, case: &str) {
    for (device, tolerance) in backends() {
        for settings in [1, 3] {
            let case = format!("{case}, {settings} settings on {device:?}");
            agrees_at(equation, (settings, shots), strength, (&device, tolerance), &case);
        }
    }
}

fn agrees_at(
    equation: &dyn Differentiable,
    (settings, shots): (usize, usize),
    strength: f32,
    (device, tolerance): (&Device, f32),
    case: &str,
) {
    let tensors = in_tensors_of(equation, device).unwrap();
    let interface = equation.interface();
    let wave = |place: usize| (place as f32 * 1.7).sin();
    // Column `at` of channels, a sine of the place within `share` of each range.
    let within = |channels: &Channels, at: usize, share: f32| -> Vec<f32> {
        let places = channels.iter().enumerate();
        let value = |(place, channel): (usize, Channel<'_>)| {
            let (middle, half) = (0.5 * (channel.minimum + channel.maximum), 0.5 * channel.span());
            middle + half * share * wave(place + 37 * at)
        };
        places.map(value).collect()
    };
    let columns = |channels: &Channels, count: usize, share: f32| {
        let values = (0..count).flat_map(|at| within(channels, at, share));
        DMatrix::from_iterator(channels.len(), count, values)
    };
    let x = columns(&interface.inputs, settings * shots, strength);
    let theta = columns(&interface.parameters, settings, 0.9);
    let dy = DMatrix::from_fn(interface.outputs.len(), settings * shots, |row, column| {
        wave(5 * row + 60 * column + 2)
    });

    let (mut y, mut dx) = (dy.clone(), x.clone());
    let mut dtheta = theta.clone();
    for place in 0..settings {
        let of = |matrix: &DMatrix<f32>| matrix.columns(place * shots, shots).into_owned();
        let (x, dy, setting) = (of(&x), of(&dy), theta.column(place).into_owned());
        let (mut part, mut of_x) = (of(&y), of(&dx));
        let mut of_setting = DVector::zeros(setting.len());
        equation.respond(&x, &setting, &mut part).unwrap();
        equation.vjp_at_readings(&x, &setting, &part, &dy, &mut of_x, &mut of_setting).unwrap();
        y.columns_mut(place * shots, shots).copy_from(&part);
        dx.columns_mut(place * shots, shots).copy_from(&of_x);
        dtheta.column_mut(place).copy_from(&of_setting);
    }

    let parameters = from_vec(theta.as_slice().to_vec(), [settings, theta.nrows()], device);
    let drives = to_tensor(&x, device);
    let of_y = to_vec(tensors.respond(drives.clone(), parameters.clone()));
    let point = tensors.linearise(drives, parameters);
    let (of_x, of_theta) = point.vjp(to_tensor(&y, device), to_tensor(&dy, device));
    for (ours, reference, what) in [
        (of_y, y.as_slice(), "response"),
        (to_vec(of_x), dx.as_slice(), "drives"),
        (to_vec(of_theta), dtheta.as_slice(), "parameters"),
    ] {
        let difference = difference(&ours, reference);
        assert!(difference < tolerance, "{case}: {what} off by {difference}");
    }
}
