//! Twins: their gradients, their fit, their files.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use burn::tensor::{Device, Tensor};
use nalgebra::DMatrix;
use twinprop_calibration::bridge::{from_vec, to_tensor, to_vec};
use twinprop_calibration::design::{ActiveConfig, DesignConfig};
use twinprop_calibration::fidelity::Verdict;
use twinprop_calibration::twin::autodiff_vjp;
use twinprop_calibration::{
    CalibrationError, DigitalTwin, Ensemble, EquationTwin, Fidelity, FidelityConfig, FitConfig,
    NeuralTwin, NeuralTwinConfig, ReadingMoments, Shots, TemporalTwin, TemporalTwinConfig,
};
use twinprop_devices::electronic::{Transistor, TransistorConfig};
use twinprop_devices::mechanical::{Oscillators, OscillatorsConfig};
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

#[test]
fn the_neural_adjoint_agrees_with_autodiff_for_any_grouping() {
    let device = Device::flex();
    for config in [
        NeuralTwinConfig { width: 24, depth: 2, residual: false },
        NeuralTwinConfig { width: 24, depth: 4, residual: true },
    ] {
        let twin = network(config, 1, &device);
        for groups in [1, 3, 12] {
            let (x, theta) = (drives(12, 4, 2, &device), drives(groups, 3, 3, &device));
            let dy = drives(12, 5, 4, &device);
            let y = twin.predict(x.clone(), theta.clone());
            let (dx, dtheta) = twin.vjp(x.clone(), theta.clone(), y, dy.clone());
            let (ax, atheta) = autodiff_vjp(&twin, x, theta, dy);
            assert!(relative_error(dx, ax) < 1e-5, "{groups} groups");
            assert!(relative_error(dtheta, atheta) < 1e-5, "{groups} groups");
        }
    }
}

#[test]
fn every_vjp_agrees_with_central_differences() {
    let device = Device::flex();
    let twins: [Box<dyn DigitalTwin>; 2] =
        [Box::new(neural(5, &device)), Box::new(EquationTwin::new(Box::new(optical(0.1))))];
    for twin in twins {
        let (x, theta) = (drives(6, 4, 6, &device), drives(2, 3, 7, &device));
        let dy = drives(6, 5, 8, &device);
        let y = twin.predict(x.clone(), theta.clone());
        let (dx, dtheta) = twin.vjp(x.clone(), theta.clone(), y, dy.clone());
        let (vx, vtheta) = (drives(6, 4, 9, &device) - 0.5, drives(2, 3, 10, &device) - 0.5);
        let end = |h: f64| -> f64 {
            let y = twin.predict(x.clone() + vx.clone() * h, theta.clone() + vtheta.clone() * h);
            to_vec(y * dy.clone()).iter().map(|&value| f64::from(value)).sum()
        };
        let h = 0.01;
        let measured = (8.0 * (end(h) - end(-h)) - (end(2.0 * h) - end(-2.0 * h))) / (12.0 * h);
        let along = |gradient: Tensor<2>, direction: &Tensor<2>| -> f64 {
            to_vec(gradient * direction.clone()).iter().map(|&value| f64::from(value)).sum()
        };
        let predicted = along(dx, &vx) + along(dtheta, &vtheta);
        assert!((measured - predicted).abs() < 1e-3 * predicted.abs(), "{measured} {predicted}");
    }
}

#[test]
fn groups_share_their_parameters() {
    let device = Device::flex();
    let twins: [Box<dyn DigitalTwin>; 2] =
        [Box::new(neural(5, &device)), Box::new(EquationTwin::new(Box::new(optical(0.1))))];
    for twin in twins {
        let (x, theta) = (drives(6, 4, 1, &device), drives(2, 3, 2, &device));
        let grouped = twin.predict(x.clone(), theta.clone());
        for group in 0..2 {
            let run = [3 * group, 3];
            let alone =
                twin.predict(x.clone().narrow(0, run[0], 3), theta.clone().narrow(0, group, 1));
            assert!(relative_error(grouped.clone().narrow(0, run[0], 3), alone) < 1e-6);
        }
    }
}

fn measure(device: &mut dyn PhysicalLayer, shots: usize, seed: u64) -> Shots {
    let (inputs, parameters) =
        DesignConfig::LatinHypercube.draw(device.interface(), shots, None, seed).unwrap();
    Shots::measure(device, inputs, parameters, |_| ()).unwrap()
}

#[test]
fn a_fit_learns_the_device_and_its_gradient() {
    let backend = Device::flex();
    let mut device = optical(0.1);
    let (seen, unseen) = measure(&mut device, 5500, 1).split_last(500);
    let config = NeuralTwinConfig { width: 64, depth: 2, residual: true };
    let fit = FitConfig { epochs: 80, batch: 64, learning_rate: 4e-3, ..Default::default() };
    let interface = device.interface().clone();
    let (twin, history) =
        NeuralTwin::fit(&config, &fit, &interface, &seen, 1, &backend, |_, _| ()).unwrap();
    assert!(history.training.last() < history.training.first());
    let config_of_fidelity = FidelityConfig { repeats: 2, ..Default::default() };
    let mut judge = |twin: &dyn DigitalTwin| {
        let config = &config_of_fidelity;
        Fidelity::measure(twin, &mut device, &unseen, config, 1, &backend, |_| ()).unwrap()
    };
    let fitted = judge(&twin);
    let (r2, nrmse) = (fitted.readings.r2.value, fitted.readings.nrmse.value);
    assert!(r2 > 0.98 && fitted.gradient.cosine.value > 0.97, "{fitted:?}");
    assert!((nrmse.powi(2) - (1.0 - r2)).abs() < 1e-5);
    assert_eq!(fitted.readings.noise_floor, 0.0);

    let exact = judge(&EquationTwin::new(Box::new(optical(0.1))));
    assert!(exact.readings.r2.value > 0.999_99 && exact.gradient.cosine.low > 0.999, "{exact:?}");
    assert_eq!(exact.verdict(), Verdict::Fit);

    let moments = ReadingMoments { mean: vec![0.0; 5], deviation: vec![1.0; 5] };
    let untrained = NeuralTwin::new(&config, &interface, moments, 1, &backend);
    let untrained = judge(&untrained);
    assert!(untrained.gradient.cosine.value.abs() < 0.6, "{untrained:?}");
    assert_eq!(untrained.verdict(), Verdict::Unfit);
}

#[test]
fn twins_disagree_where_none_has_been_and_active_shots_go_there() {
    let backend = Device::flex();
    let config = ActiveConfig { start: 0.5, ..ActiveConfig::default() };
    let interface = optical(0.0).interface().clone();
    // Fitted to the lower half of every drive.
    let mut device = optical(0.1);
    let lower = |mut inputs: DMatrix<f32>| {
        for mut shot in inputs.column_iter_mut() {
            for (drive, channel) in shot.iter_mut().zip(interface.inputs.iter()) {
                *drive = channel.minimum + 0.5 * (*drive - channel.minimum);
            }
        }
        inputs
    };
    let (inputs, parameters) = DesignConfig::Uniform.draw(&interface, 256, None, 1).unwrap();
    let seen = Shots::measure(&mut device, lower(inputs), parameters, |_| ()).unwrap();
    let (size, fit) = (&config.ensemble, &config.fit);
    let ensemble = Ensemble::fit(size, fit, &interface, &seen, 1, &backend, |_, _| ()).unwrap();
    let (inputs, parameters) = DesignConfig::Uniform.draw(&interface, 256, None, 2).unwrap();
    let mean = |values: Vec<f32>| values.iter().sum::<f32>() / values.len() as f32;
    let outside = mean(ensemble.disagreement(&inputs, &parameters, &backend));
    let inside = mean(ensemble.disagreement(&lower(inputs), &parameters, &backend));
    assert!(outside > 1.5 * inside, "{outside} outside, {inside} inside");

    let mut rounds = Vec::new();
    let mut measure = |inputs: DMatrix<f32>, parameters: DMatrix<f32>| {
        rounds.push(inputs.ncols());
        Ok::<_, CalibrationError>(Shots::measure(&mut device, inputs, parameters, |_| ())?)
    };
    let shots = config.measure(&interface, 200, None, 1, &backend, &mut measure).unwrap();
    assert_eq!((shots.len(), rounds), (200, vec![100, 33, 33, 34]));
}

#[test]
fn an_ensemble_is_the_mean_of_its_members() {
    let device = Device::flex();
    let members = vec![neural(1, &device), neural(2, &device)];
    let ensemble = Ensemble::new(members.clone()).unwrap();
    let (x, theta) = (drives(6, 4, 1, &device), drives(6, 3, 2, &device));
    let dy = drives(6, 5, 3, &device);
    let apart = |member: &NeuralTwin| member.predict(x.clone(), theta.clone());
    let mean = (apart(&members[0]) + apart(&members[1])) * 0.5;
    assert!(relative_error(ensemble.predict(x.clone(), theta.clone()), mean) < 1e-6);
    let y = ensemble.predict(x.clone(), theta.clone());
    let (dx, dtheta) = ensemble.vjp(x.clone(), theta.clone(), y, dy.clone());
    let (dx_expected, dtheta_expected) = autodiff_vjp(&ensemble, x, theta, dy);
    assert!(relative_error(dx, dx_expected) < 1e-4);
    assert!(relative_error(dtheta, dtheta_expected) < 1e-4);
}

#[test]
fn a_temporal_twin_is_causal_learns_a_waveform_device_and_comes_back() {
    let backend = Device::flex();
    let mut device = Transistor::fabricated(&TransistorConfig::default(), 0.1, 3).unwrap();
    let interface = device.interface().clone();
    let (seen, unseen) = measure(&mut device, 700, 1).split_last(100);
    let config = TemporalTwinConfig { width: 12, depth: 4, taps: 3 };
    let fit = FitConfig { epochs: 40, batch: 32, learning_rate: 5e-3, ..Default::default() };
    let (twin, _) =
        TemporalTwin::fit(&config, &fit, &interface, &seen, 1, &backend, |_, _| ()).unwrap();
    let judged = FidelityConfig { points: 32, ..FidelityConfig::default() };
    let fidelity =
        Fidelity::measure(&twin, &mut device, &unseen, &judged, 1, &backend, |_| ()).unwrap();
    assert!(fidelity.readings.r2.value > 0.9, "{fidelity:?}");
    assert!(fidelity.gradient.cosine.value > 0.9, "{fidelity:?}");

    // The last drive comes after all readings but the last.
    let x = to_tensor(&unseen.inputs.columns(0, 4).into_owned(), &backend);
    let theta = to_tensor(&unseen.parameters.columns(0, 4).into_owned(), &backend);
    let outputs = interface.outputs.len();
    let mut dy = vec![0.0; 4 * outputs];
    dy.chunks_mut(outputs).for_each(|dy| dy[0] = 1.0);
    let y = to_tensor(&unseen.outputs.columns(0, 4).into_owned(), &backend);
    let (dx, _) = twin.vjp(x.clone(), theta.clone(), y, from_vec(dy, [4, outputs], &backend));
    let by_input = to_vec(dx.square().sum_dim(0));
    assert!(by_input[0] > 0.0 && by_input[interface.inputs.len() - 1] == 0.0, "{by_input:?}");

    let folder = tempfile::tempdir().unwrap();
    twin.save(folder.path(), "twin").unwrap();
    let again = TemporalTwin::load(folder.path(), "twin", &interface, &backend).unwrap();
    let answers = |twin: &TemporalTwin| to_vec(twin.predict(x.clone(), theta.clone()));
    assert_eq!(answers(&again), answers(&twin));
    let other = NeuralTwin::load(folder.path(), "twin", &interface, &backend);
    assert!(other.err().unwrap().to_string().contains("another kind"));
}

#[test]
fn the_same_seed_fits_the_same_twin() {
    let backend = Device::flex();
    let mut device = optical(0.0);
    let shots = measure(&mut device, 300, 1);
    let fit = FitConfig { epochs: 3, ..Default::default() };
    let interface = device.interface().clone();
    let fitted = |seed| {
        let config = NeuralTwinConfig { width: 16, depth: 1, ..Default::default() };
        let (twin, _) =
            NeuralTwin::fit(&config, &fit, &interface, &shots, seed, &backend, |_, _| ()).unwrap();
        to_vec(twin.predict(drives(4, 4, 1, &backend), drives(1, 3, 2, &backend)))
    };
    assert_eq!(fitted(1), fitted(1));
    assert_ne!(fitted(1), fitted(2));
}

#[test]
fn a_twin_comes_back_from_its_files() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let twin = neural(3, &device);
    twin.save(folder.path(), "twin").unwrap();
    let back = NeuralTwin::load(folder.path(), "twin", twin.interface(), &device).unwrap();
    let (x, theta) = (drives(5, 4, 1, &device), drives(1, 3, 2, &device));
    assert_eq!(to_vec(twin.predict(x.clone(), theta.clone())), to_vec(back.predict(x, theta)));
}

#[test]
fn a_twin_of_another_device_is_refused() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    neural(3, &device).save(folder.path(), "twin").unwrap();
    let other = SecondHarmonicConfig { inputs: 6, ..device_config() };
    let other = SecondHarmonic::nominal(&other).unwrap();
    let error = NeuralTwin::load(folder.path(), "twin", other.interface(), &device).err().unwrap();
    assert!(matches!(error, CalibrationError::OtherDevice { .. }));
    assert!(error.to_string().contains("it has 4 inputs, and the device 6 inputs"), "{error}");
}

#[test]
fn a_damaged_twin_is_refused() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let twin = neural(3, &device);
    twin.save(folder.path(), "twin").unwrap();
    let numbers = folder.path().join("twin.safetensors");
    let bytes = std::fs::read(&numbers).unwrap();
    for damaged in [&bytes[..bytes.len() / 2], &bytes[..4], b"".as_slice()] {
        std::fs::write(&numbers, damaged).unwrap();
        let error =
            NeuralTwin::load(folder.path(), "twin", twin.interface(), &device).err().unwrap();
        assert!(matches!(error, CalibrationError::Format { .. }), "{error}");
    }
    std::fs::write(&numbers, &bytes).unwrap();
    let mut spoiled = bytes.clone();
    let last = spoiled.len() - 4;
    spoiled[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&numbers, spoiled).unwrap();
    let error = NeuralTwin::load(folder.path(), "twin", twin.interface(), &device).err().unwrap();
    assert!(error.to_string().contains("not finite"), "{error}");
}

#[test]
fn designs_stay_in_range_and_a_task_like_one_follows_its_task() {
    use twinprop_calibration::design::{TaskDrives, TaskLikeConfig};
    let interface = optical(0.0).interface().clone();
    let task = TaskDrives {
        inputs: DMatrix::from_element(4, 1, 0.8),
        parameters: DMatrix::from_element(3, 1, 0.3),
    };
    let near = TaskLikeConfig { uniform_share: 0.0, input_spread: 0.05, parameter_spread: 0.05 };
    for design in [
        DesignConfig::Uniform,
        DesignConfig::LatinHypercube,
        DesignConfig::Sobol,
        DesignConfig::TaskLike(near.clone()),
    ] {
        let (inputs, parameters) = design.draw(&interface, 500, Some(&task), 1).unwrap();
        let mut all = inputs.iter().chain(parameters.iter());
        assert!(all.all(|value| (0.0..=1.0).contains(value)));
        let follows = (inputs.mean() - 0.8).abs() < 0.02 && (parameters.mean() - 0.3).abs() < 0.02;
        assert_eq!(follows, matches!(design, DesignConfig::TaskLike(_)));
    }
    let error = DesignConfig::TaskLike(near).draw(&interface, 5, None, 1).unwrap_err();
    assert!(error.to_string().contains("latin_hypercube"), "{error}");
}

/// The coupled oscillators in burn's operations, for its autodiff: classical Runge-Kutta on (q, p).
struct TensorOscillators {
    interface: Interface,
    count: usize,
    step: f64,
    steps: usize,
}

impl DigitalTwin for TensorOscillators {
    fn multiply_adds(&self) -> u64 {
        0
    }

    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn predict(&self, x: Tensor<2>, theta: Tensor<2>) -> Tensor<2> {
        let n = self.count;
        let free = theta.clone().narrow(1, 0, n * n).reshape([n, n]);
        let drives = theta.narrow(1, n * n, n);
        let coupling = (free.clone() + free.transpose()) * 0.5;
        let apart = Tensor::ones([n, n], &coupling.device()) - Tensor::eye(n, &coupling.device());
        let coupling = coupling * apart;
        let pulled = coupling.clone().sum_dim(0) + 1.0;
        let force = |q: &Tensor<2>| {
            let sine = q.clone().sin();
            sine.clone().matmul(coupling.clone()) - sine * pulled.clone() + drives.clone()
        };
        let (h, mut q) = (self.step, x);
        let mut p = q.zeros_like();
        for _ in 0..self.steps {
            let (k1, a1) = (p.clone(), force(&q));
            let (k2, a2) =
                (p.clone() + a1.clone() * (h / 2.0), force(&(q.clone() + k1.clone() * (h / 2.0))));
            let (k3, a3) =
                (p.clone() + a2.clone() * (h / 2.0), force(&(q.clone() + k2.clone() * (h / 2.0))));
            let (k4, a4) = (p.clone() + a3.clone() * h, force(&(q.clone() + k3.clone() * h)));
            q = q + (k1 + (k2 + k3) * 2.0 + k4) * (h / 6.0);
            p = p + (a1 + (a2 + a3) * 2.0 + a4) * (h / 6.0);
        }
        q
    }
}

#[test]
fn the_oscillators_adjoint_agrees_with_autodiff_of_their_equation() {
    let device = Device::flex();
    let config = OscillatorsConfig { count: 9, time: 1.0, steps: 4, ..Default::default() };
    let oscillators = Oscillators::nominal(&config);
    let interface = oscillators.interface().clone();
    let by_tape = TensorOscillators { interface, count: 9, step: 0.25, steps: 4 };
    let by_hand = EquationTwin::new(Box::new(oscillators));
    let (x, theta) = (drives(20, 9, 1, &device), drives(1, 90, 2, &device) * 0.5);
    let dy = drives(20, 9, 3, &device) - 0.5;
    let same = by_hand.predict(x.clone(), theta.clone());
    assert!(relative_error(same.clone(), by_tape.predict(x.clone(), theta.clone())) < 1e-6);
    let (dx, dtheta) = by_hand.vjp(x.clone(), theta.clone(), same, dy.clone());
    let (ax, atheta) = autodiff_vjp(&by_tape, x, theta, dy);
    assert!(relative_error(dx, ax) < 1e-5);
    assert!(relative_error(dtheta, atheta) < 1e-5);
}
