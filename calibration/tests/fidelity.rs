//! The reported fidelity is the true one, within its interval.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use burn::tensor::Device;
use nalgebra::DMatrix;
use rand_distr::{Distribution, StandardNormal};
use twinprop_calibration::bridge::{to_matrix, to_tensor};
use twinprop_calibration::design::DesignConfig;
use twinprop_calibration::{DigitalTwin, EquationTwin, Fidelity, FidelityConfig, Shots};
use twinprop_devices::electronic::TransistorConfig;
use twinprop_devices::mechanical::PendulaConfig;
use twinprop_devices::optical::SecondHarmonicConfig;
use twinprop_devices::{
    Channels, DeviceConfig, DeviceKind, ImperfectionsConfig, PhysicalLayer, SimulatedDevice, random,
};

fn fabricated(
    model: DeviceKind,
    mismatch: f64,
    [input_noise, readout_noise]: [f64; 2],
) -> SimulatedDevice {
    let imperfections =
        ImperfectionsConfig { mismatch, input_noise, readout_noise, ..Default::default() };
    DeviceConfig { model, imperfections }.fabricate(5).unwrap()
}

fn measure(device: &mut dyn PhysicalLayer, shots: usize) -> Shots {
    let (inputs, parameters) =
        DesignConfig::LatinHypercube.draw(device.interface(), shots, None, 2).unwrap();
    Shots::measure(device, inputs, parameters, |_| ()).unwrap()
}

/// Cosine of two twins' gradients and their length, over all shots, in units of the ranges; in each
/// shot the first one's gradient has length one.
fn agreement(twin: &dyn DigitalTwin, exact: &dyn DigitalTwin, shots: &Shots) -> (f64, f64) {
    let backend = Device::flex();
    let mut random = random::stream(9, "agreement");
    let weights = DMatrix::<f32>::from_fn(shots.outputs.nrows(), shots.len(), |_, _| {
        StandardNormal.sample(&mut random)
    });
    let gradient = |twin: &dyn DigitalTwin| {
        let row = |matrix: &DMatrix<f32>| to_tensor(matrix, &backend);
        let (x, theta) = (row(&shots.inputs), row(&shots.parameters));
        let (dx, dtheta) = twin.vjp(x, theta, row(&shots.outputs), row(&weights));
        let scaled = |gradient: DMatrix<f32>, channels: &Channels| {
            let spans: Vec<f32> = channels.iter().map(|channel| channel.span()).collect();
            DMatrix::from_fn(gradient.nrows(), gradient.ncols(), |row, shot| {
                f64::from(gradient[(row, shot)] * spans[row])
            })
        };
        let interface = twin.interface().clone();
        [scaled(to_matrix(dx), &interface.inputs), scaled(to_matrix(dtheta), &interface.parameters)]
    };
    let (left, right) = (gradient(twin), gradient(exact));
    let (mut both, mut one, mut other) = (0.0, 0.0, 0.0);
    for shot in 0..shots.len() {
        let dot = |a: &[DMatrix<f64>; 2], b: &[DMatrix<f64>; 2]| -> f64 {
            a.iter().zip(b).map(|(a, b)| a.column(shot).dot(&b.column(shot))).sum()
        };
        let square = dot(&left, &left);
        both += dot(&left, &right) / square;
        one += 1.0;
        other += dot(&right, &right) / square;
    }
    (both / (one * other).sqrt(), (one / other).sqrt())
}

/// Trials, each with other points and directions.
const TRIALS: u64 = 200;
/// Trials of devices that are slow in a debug build.
const SLOW_TRIALS: u64 = if cfg!(debug_assertions) { 10 } else { TRIALS };

#[test]
fn the_true_cosine_is_in_the_reported_interval() {
    let optical = DeviceKind::SecondHarmonic(SecondHarmonicConfig {
        inputs: 4,
        parameters: 3,
        outputs: 5,
        exposure: 0.5,
        ..Default::default()
    });
    let pendula = DeviceKind::Pendula(PendulaConfig { count: 5, time: 3.0, ..Default::default() });
    let transistor = DeviceKind::Transistor(TransistorConfig::default());
    let config = FidelityConfig { points: 48, directions: 1, repeats: 4 };
    for (model, mismatch, noise, trials) in [
        (optical.clone(), 0.05, [0.01, 0.01], TRIALS),
        (optical, 0.3, [0.003, 0.003], TRIALS),
        (pendula, 0.1, [0.01, 0.0], SLOW_TRIALS),
        (transistor, 0.2, [0.002, 0.002], SLOW_TRIALS),
    ] {
        let mut simulated = fabricated(model, mismatch, noise);
        let unseen = measure(&mut *simulated.device, 500);
        let twin = EquationTwin::new(simulated.nominal);
        let exact = EquationTwin::new(simulated.exact);
        let (cosine, length) = agreement(&twin, &exact, &unseen);
        let (mut right, mut right_length, mut width, mut sum) = (0, 0, 0.0, 0.0);
        for seed in 0..trials {
            let fidelity = Fidelity::measure(
                &twin,
                &mut *simulated.device,
                &unseen,
                &config,
                seed,
                &Device::flex(),
                |_| (),
            )
            .unwrap();
            let found = fidelity.gradient;
            let holds = |low: f32, high: f32, value: f64| {
                (f64::from(low)..=f64::from(high)).contains(&value)
            };
            right += u64::from(holds(found.cosine.low, found.cosine.high, cosine));
            right_length += u64::from(holds(found.length.low, found.length.high, length));
            width += f64::from(found.cosine.high - found.cosine.low) / trials as f64;
            sum += f64::from(found.cosine.value) / trials as f64;
        }
        let device = &twin.interface().device;
        println!(
            "{device}, mismatch {mismatch}, noise {noise:?}: cosine {cosine:.4}, reported {sum:.4} on average, interval {width:.4} wide, right in {right} of {trials}; length {length:.3}, right in {right_length}"
        );
        assert!(right * 100 >= trials * 95, "{device}: {right} of {trials}");
        assert!(right_length * 100 >= trials * 90, "{device}: length {right_length} of {trials}");
        assert!(width < 0.6, "{device}: {width}");
    }
}
