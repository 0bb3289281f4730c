//! Twins of a spiking chip: its design, its constants, its slope, and its files.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use twinprop_calibration::burn::tensor::Device;
use twinprop_calibration::design::{DesignConfig, TaskDrives, TaskLikeConfig, share_settings};
use twinprop_calibration::fidelity::choose_slope;
use twinprop_calibration::nalgebra::DMatrix;
use twinprop_calibration::{
    CalibrationError, DigitalTwin, Fidelity, FidelityConfig, FitConfig, Fitting, IdentifyConfig,
    Shots, SpikeTrainConfig, SurrogateConfig, TwinConfig,
};
use twinprop_devices::mechanical::{Pendula, PendulaConfig};
use twinprop_devices::neuromorphic::{LifChip, LifChipConfig};
use twinprop_devices::{Differentiable, PhysicalLayer};

fn config() -> LifChipConfig {
    LifChipConfig {
        lines: 12,
        neurons: 16,
        steps: 40,
        gain_error: 0.3,
        membrane_noise: 0.05,
        ..Default::default()
    }
}

/// Shots about weights that make the neurons fire, eight of each setting.
fn shots(device: &mut LifChip, count: usize) -> Shots {
    let interface = device.interface().clone();
    let (inputs, mut parameters) = DesignConfig::Uniform.draw(&interface, count, None, 3).unwrap();
    // From −0.6 to 1.4 of the largest weight, 2.
    parameters.apply(|weight| *weight = 0.5 * *weight + 0.4);
    share_settings(&mut parameters, 8);
    Shots::measure(device, inputs, parameters, |_| ()).unwrap()
}

fn fit(config: &TwinConfig, device: &LifChip, shots: &Shots) -> Box<dyn DigitalTwin> {
    let nominal = LifChip::nominal(&self::config()).unwrap();
    let (fit, backend) = (FitConfig::default(), Device::flex());
    let nominal: Option<Box<dyn Differentiable>> = Some(Box::new(nominal));
    let interface = device.interface();
    let fitting = Fitting { interface, nominal, fit: &fit, seed: 1, backend: &backend };
    config.fit(fitting, shots, &mut |_| ()).unwrap()
}

fn learned() -> TwinConfig {
    let constants =
        IdentifyConfig { shots_per_setting: 8, epochs: 30, ..IdentifyConfig::default() };
    TwinConfig::Surrogate(SurrogateConfig { slope: None, constants: Some(constants) })
}

#[test]
fn every_design_draws_spikes_where_a_device_takes_them() {
    let chip = LifChip::nominal(&config()).unwrap();
    let interface = chip.interface().clone();
    let gaussian = DesignConfig::Gaussian(serde_json::from_str("{}").unwrap());
    for design in
        [DesignConfig::Uniform, DesignConfig::LatinHypercube, DesignConfig::Sobol, gaussian]
    {
        let (inputs, _) = design.draw(&interface, 64, None, 1).unwrap();
        assert!(inputs.iter().all(|&cell| cell == 0.0 || cell == 1.0), "{design:?}");
        let rate = inputs.mean();
        assert!((0.03..0.07).contains(&rate), "{design:?}: {rate}");
    }
    // Those of the task stay as they are.
    let (task, parameters) = DesignConfig::Uniform.draw(&interface, 5, None, 2).unwrap();
    let drives = TaskDrives { inputs: task.clone(), parameters };
    let like = DesignConfig::TaskLike(TaskLikeConfig { uniform_share: 0.0, ..Default::default() });
    let (inputs, _) = like.draw(&interface, 20, Some(&drives), 1).unwrap();
    for shot in inputs.column_iter() {
        assert!(task.column_iter().any(|sample| sample == shot));
    }
}

/// The likelihood of the spikes tells the constants of a chip that is far off its data sheet; with them its gradient of the
/// counts is the chip's.
#[test]
fn constants_and_slope_are_learned_from_spikes() {
    let mut device = LifChip::fabricated(&config(), 0.3, 7).unwrap();
    let measured = shots(&mut device, 1200);
    let (seen, unseen) = measured.split_last(80);
    let nominal = fit(&TwinConfig::Surrogate(SurrogateConfig::default()), &device, &seen);
    let twin = fit(&learned(), &device, &seen);
    let judge = FidelityConfig { points: 24, ..FidelityConfig::default() };
    let backend = Device::flex();
    let choice =
        choose_slope(&*twin, &mut device, &unseen, &judge, 1, &backend, |_| ()).unwrap().unwrap();
    assert_eq!(choice.trials.len(), 7);
    let mut cosine = |twin: &dyn DigitalTwin| {
        let found =
            Fidelity::measure(twin, &mut device, &unseen, &judge, 1, &backend, |_| ()).unwrap();
        let groups: Vec<String> = found.by_group.iter().map(|group| group.group.clone()).collect();
        assert_eq!(groups, ["parameter W", "parameter R"]);
        assert_eq!(found.by_channel.len(), 16, "a judgement of each neuron's count");
        (found.gradient.cosine.value, found.readings.r2.value)
    };
    let (before, r2_before) = cosine(&*nominal);
    let (after, r2_after) = cosine(&*choice.twin);
    println!("nominal: cosine {before}, R² {r2_before}; learned: cosine {after}, R² {r2_after}");
    assert!(after > 0.85 && after > before + 0.1, "{before} {after}");
    assert!(r2_after > 0.8 && r2_after > r2_before + 0.2, "{r2_before} {r2_after}");
}

#[test]
fn a_spiking_twin_comes_back_from_its_files_with_its_slope_and_constants() {
    let mut device = LifChip::fabricated(&config(), 0.2, 7).unwrap();
    let measured = shots(&mut device, 64);
    let judge = FidelityConfig { points: 2, directions: 1, repeats: 2 };
    let backend = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    for (name, config) in [
        ("learned", learned()),
        ("nominal", TwinConfig::Surrogate(SurrogateConfig::default())),
        ("given", TwinConfig::Surrogate(SurrogateConfig { slope: Some(7.0), constants: None })),
        ("trains", TwinConfig::SpikeTrain(SpikeTrainConfig::default())),
    ] {
        let mut twin = fit(&config, &device, &measured);
        if config.chooses_slope() {
            let choice = choose_slope(&*twin, &mut device, &measured, &judge, 1, &backend, |_| ());
            twin = choice.unwrap().unwrap().twin;
        }
        twin.save(folder.path(), name).unwrap();
        let nominal = || {
            let nominal = LifChip::nominal(&self::config()).unwrap();
            Some(Box::new(nominal) as Box<dyn Differentiable>)
        };
        let interface = device.interface();
        let again = config.load(interface, nominal(), folder.path(), name, &backend).unwrap();
        let tensor =
            |matrix: &DMatrix<f32>| twinprop_calibration::bridge::to_tensor(matrix, &backend);
        let gradient = |twin: &dyn DigitalTwin| {
            let run = measured.split_last(8).1;
            let theta = run.parameters.columns(0, 1).into_owned();
            let y = tensor(&run.outputs);
            let (_, dtheta) = twin.vjp(tensor(&run.inputs), tensor(&theta), y.clone(), y);
            twinprop_calibration::bridge::to_vec(dtheta)
        };
        let (expected, found) = (gradient(&*twin), gradient(&*again));
        assert!(expected.iter().any(|value| value.abs() > 1e-3), "{name}");
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{name}");
        }
    }
}

#[test]
fn a_twin_of_spikes_needs_a_device_that_spikes() {
    let pendula = PendulaConfig { count: 3, ..Default::default() };
    let device = Pendula::nominal(&pendula);
    let interface = device.interface().clone();
    let nominal: Option<Box<dyn Differentiable>> = Some(Box::new(device));
    let (fit, backend) = (FitConfig::default(), Device::flex());
    let fitting = Fitting { interface: &interface, nominal, fit: &fit, seed: 1, backend: &backend };
    let (inputs, parameters) = DesignConfig::Uniform.draw(&interface, 4, None, 1).unwrap();
    let mut device = Pendula::nominal(&pendula);
    let shots = Shots::measure(&mut device, inputs, parameters, |_| ()).unwrap();
    let twin = TwinConfig::SpikeTrain(SpikeTrainConfig::default());
    let error = twin.fit(fitting, &shots, &mut |_| ()).err().unwrap();
    assert!(matches!(error, CalibrationError::NoSpikes { .. }), "{error}");
    assert!(error.to_string().contains("`spike_train`"), "{error}");
}
