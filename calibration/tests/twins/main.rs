//! Twins: their adjoints, their fits, their files, and the designs of their shots.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

mod adjoint;
mod designs;
mod files;
mod fit;

use burn::tensor::{Device, Tensor};
use twinprop_calibration::bridge::{from_vec, to_vec};
use twinprop_calibration::design::DesignConfig;
use twinprop_calibration::{NeuralTwin, NeuralTwinConfig, ReadingMoments, Shots};
use twinprop_devices::optical::{SecondHarmonic, SecondHarmonicConfig};
use twinprop_devices::{Interface, PhysicalLayer};

fn device_config() -> SecondHarmonicConfig {
    // Short exposure: a saturated reading has a kink, which a twin learns slowly.
    SecondHarmonicConfig {
        inputs: 4,
        parameters: 3,
        outputs: 5,
        exposure: 0.5,
        ..Default::default()
    }
}

fn optical(mismatch: f64) -> SecondHarmonic {
    SecondHarmonic::fabricated(&device_config(), mismatch, 11).unwrap()
}

fn neural(seed: u64, device: &Device) -> NeuralTwin {
    network(NeuralTwinConfig { width: 24, depth: 2, residual: false }, seed, device)
}

fn network(config: NeuralTwinConfig, seed: u64, device: &Device) -> NeuralTwin {
    let moments = ReadingMoments {
        mean: vec![0.1, 0.2, 0.3, 0.4, 0.5],
        deviation: vec![1.0, 0.5, 2.0, 0.25, 1.5],
    };
    NeuralTwin::new(&config, optical(0.0).interface(), moments, seed, device)
}

/// Drives inside the ranges: `rows` rows of `columns`.
fn drives(rows: usize, columns: usize, seed: u64, device: &Device) -> Tensor<2> {
    let interface = Interface {
        parameters: twinprop_devices::Channels::none(),
        inputs: twinprop_devices::Channels::bank("drive", columns, "1", 0.1, 0.9),
        ..optical(0.0).interface().clone()
    };
    let (inputs, _) = DesignConfig::Uniform.draw(&interface, rows, None, seed).unwrap();
    from_vec(inputs.as_slice().to_vec(), [rows, columns], device)
}

fn relative_error(left: Tensor<2>, right: Tensor<2>) -> f32 {
    let difference: f32 = to_vec((left - right.clone()).square().sum()).iter().sum();
    let size: f32 = to_vec(right.square().sum()).iter().sum();
    (difference / size).sqrt()
}

fn measure(device: &mut dyn PhysicalLayer, shots: usize, seed: u64) -> Shots {
    let (inputs, parameters) =
        DesignConfig::LatinHypercube.draw(device.interface(), shots, None, seed).unwrap();
    Shots::measure(device, inputs, parameters, |_| ()).unwrap()
}
