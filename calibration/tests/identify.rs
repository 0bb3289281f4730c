//! A physics twin recovers the constants from shots, and a hybrid's network learns the remainder.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use burn::tensor::Device;
use twinprop_calibration::bridge::{to_tensor, to_vec};
use twinprop_calibration::design::{DesignConfig, GaussianConfig, share_settings};
use twinprop_calibration::fidelity::predict;
use twinprop_calibration::identify::identify;
use twinprop_calibration::{
    CalibrationError, DigitalTwin, EquationTwin, FitConfig, HybridConfig, HybridTwin,
    IdentifyConfig, NeuralTwinConfig, Shots,
};
use twinprop_devices::mechanical::PendulaConfig;
use twinprop_devices::optical::{
    CoherentStackConfig, DiffractiveConfig, MicroringBankConfig, MziMeshConfig,
};
use twinprop_devices::{
    DeviceConfig, DeviceKind, Differentiable, ImperfectionsConfig, PhysicalLayer, SimulatedDevice,
};

fn measured(model: DeviceKind, shots: usize, config: &IdentifyConfig) -> (SimulatedDevice, Shots) {
    let imperfections =
        ImperfectionsConfig { mismatch: 0.1, readout_noise: 1e-5, ..Default::default() };
    let mut simulated = DeviceConfig { model, imperfections }.fabricate(3).unwrap();
    let interface = simulated.device.interface().clone();
    let (inputs, mut parameters) =
        DesignConfig::LatinHypercube.draw(&interface, shots, None, 1).unwrap();
    share_settings(&mut parameters, config.shots_per_setting);
    let shots = Shots::measure(&mut simulated.device, inputs, parameters, |_| ()).unwrap();
    (simulated, shots)
}

/// Largest difference between two devices' constants of one kind.
fn off(left: &SimulatedDevice, kind: &str) -> f32 {
    let pairs = left.exact.constants().into_iter().zip(left.nominal.constants());
    pairs
        .filter(|(truth, _)| truth.name.starts_with(kind))
        .map(|(truth, learned)| (truth.value - learned.value).abs())
        .fold(0.0, f32::max)
}

fn pendula() -> DeviceKind {
    DeviceKind::Pendula(PendulaConfig { count: 6, time: 3.0, ..Default::default() })
}

#[test]
fn constants_of_mismatched_noisy_devices_are_recovered() {
    let config = IdentifyConfig { epochs: 80, ..Default::default() };
    let mesh = MziMeshConfig { modes: 4, phase_error: 0.1, ..Default::default() };
    for (model, kinds) in [
        (pendula(), ["frequency", "spring"]),
        (DeviceKind::MziMesh(mesh), ["phase", "sensitivity"]),
    ] {
        let (mut simulated, shots) = measured(model, 512, &config);
        let before = kinds.map(|kind| off(&simulated, kind));
        let history =
            identify(&mut *simulated.nominal, &config, &shots, 1, &Device::flex(), |_, _| ())
                .unwrap();
        assert!(history.last() < history.first());
        for (kind, before) in kinds.iter().zip(before) {
            assert!(before > 0.05, "{kind}: nothing to learn, {before}");
            let after = off(&simulated, kind);
            assert!(after < 0.1 * before, "{kind}: {before} before, {after} after");
        }
    }
}

#[test]
fn only_the_chosen_constants_change() {
    let learn = vec!["spring".to_owned()];
    let config = IdentifyConfig { epochs: 5, learn, ..Default::default() };
    let (mut simulated, shots) = measured(pendula(), 64, &config);
    let before = [off(&simulated, "frequency"), off(&simulated, "spring")];
    identify(&mut *simulated.nominal, &config, &shots, 1, &Device::flex(), |_, _| ()).unwrap();
    assert_eq!(off(&simulated, "frequency"), before[0]);
    assert_ne!(off(&simulated, "spring"), before[1]);
}

#[test]
fn a_name_that_no_constant_has_is_an_error() {
    let learn = vec!["colour".to_owned()];
    let config = IdentifyConfig { learn, ..Default::default() };
    let (mut simulated, shots) = measured(pendula(), 16, &config);
    let error = identify(&mut *simulated.nominal, &config, &shots, 1, &Device::flex(), |_, _| ())
        .unwrap_err();
    assert!(matches!(error, CalibrationError::TooFewShots(_)));
    assert!(error.to_string().contains("colour"), "{error}");
}

#[test]
fn a_hybrid_twin_learns_what_its_equation_lacks_but_not_noise() {
    let config = HybridConfig {
        constants: IdentifyConfig { epochs: 40, ..Default::default() },
        residual: NeuralTwinConfig { width: 24, depth: 1, ..Default::default() },
    };
    let fit = FitConfig { epochs: 80, batch: 32, learning_rate: 1e-2, ..Default::default() };
    let backend = Device::flex();
    let (simulated, shots) = measured(pendula(), 600, &config.constants);
    // An effect that the equation lacks: the drives leak into the readings.
    let leak = shots.inputs.map(|x| 0.5 * (1.5 * x).cos());
    let leaky = Shots { outputs: &shots.outputs + leak, ..shots.clone() };
    let nrmse = |twin: &dyn DigitalTwin, shots: &Shots| {
        let predicted = predict(twin, &shots.inputs, &shots.parameters, &backend);
        (predicted - &shots.outputs).norm() / shots.outputs.norm()
    };
    let (seen, unseen) = leaky.split_last(100);
    let twin =
        HybridTwin::fit(simulated.nominal, &config, &fit, &seen, 1, &backend, |_, _| ()).unwrap();
    assert!(twin.residual().is_some());
    let (x, theta) = (to_tensor(&unseen.inputs, &backend), to_tensor(&unseen.parameters, &backend));
    let (mut alone, _) = measured(pendula(), 16, &config.constants);
    let learned: Vec<f32> =
        twin.equation().constants().into_iter().map(|constant| constant.value).collect();
    alone.nominal.set_constants(&learned);
    let equation = EquationTwin::new(alone.nominal);
    let (alone, both) = (nrmse(&equation, &unseen), nrmse(&twin, &unseen));
    assert!(both < 0.8 * alone, "the equation alone {alone}, with its network {both}");

    // The gradient is that of the sum.
    let step = 1e-3;
    let weights = to_tensor(&unseen.outputs.map(|y| y.sin()), &backend);
    let along = to_tensor(&unseen.inputs.map(|x| (3.0 * x).cos()), &backend);
    let at = |sign: f32| {
        let y = twin.predict(x.clone() + along.clone() * (sign * step), theta.clone());
        to_vec((y * weights.clone()).sum())[0]
    };
    let y = to_tensor(&unseen.outputs, &backend);
    let (dx, _) = twin.vjp(x.clone(), theta.clone(), y, weights.clone());
    let predicted = to_vec((dx * along.clone()).sum())[0];
    let difference = (at(1.0) - at(-1.0)) / (2.0 * step);
    assert!((predicted / difference - 1.0).abs() < 0.02, "{predicted} against {difference}");

    // Where the equation is complete, the remainder is noise.
    let (simulated, shots) = measured(pendula(), 600, &config.constants);
    let twin = HybridTwin::fit(simulated.nominal, &config, &fit, &shots, 1, &backend, |_, _| ());
    assert!(twin.unwrap().residual().is_none());
}

/// The twin of microring banks learns their resonances, heaters, detectors and crosstalk, and predicts unseen shots.
#[test]
fn microring_banks_are_learned_from_shots() {
    let model = MicroringBankConfig {
        inputs: 16,
        outputs: 4,
        resonance_error: 5.0,
        efficiency_error: 0.05,
        crosstalk: 0.03,
        ..Default::default()
    };
    let config = IdentifyConfig { epochs: 300, ..Default::default() };
    let (mut simulated, shots) = measured(DeviceKind::MicroringBank(model), 1024, &config);
    let (seen, unseen) = shots.split_last(128);
    let kinds = ["resonance", "heater", "sensitivity", "crosstalk"];
    let before = kinds.map(|kind| off(&simulated, kind));
    let nrmse = |equation: Box<dyn Differentiable>| {
        let twin = EquationTwin::new(equation);
        let predicted = predict(&twin, &unseen.inputs, &unseen.parameters, &Device::flex());
        let spread = unseen.outputs.add_scalar(-unseen.outputs.mean()).norm();
        (predicted - &unseen.outputs).norm() / spread
    };
    let designed = nrmse(simulated.nominal.clone());
    identify(&mut *simulated.nominal, &config, &seen, 1, &Device::flex(), |_, _| ()).unwrap();
    let learned = nrmse(simulated.nominal.clone());
    assert!(learned < 0.02 * designed, "{designed} before, {learned} after");
    for (kind, before) in kinds.iter().zip(before) {
        let after = off(&simulated, kind);
        assert!(after < 0.25 * before, "{kind}: {before} before, {after} after");
    }
}

/// The twin of a diffractive network learns lengths, places, phases, bins and crosstalk, and predicts unseen shots.
#[test]
fn diffractive_networks_are_learned_from_shots() {
    let model = DiffractiveConfig {
        inputs: 4,
        outputs: 4,
        pixels: 8,
        gap: 0.8,
        misalignment: 0.2,
        gap_error: 0.02,
        phase_error: 0.2,
        pixel_crosstalk: 0.04,
        ..Default::default()
    };
    let config = IdentifyConfig { epochs: 100, ..Default::default() };
    let (mut simulated, shots) = measured(DeviceKind::Diffractive(model), 1024, &config);
    let (seen, unseen) = shots.split_last(128);
    let kinds = ["gap", "across", "down", "phase", "sensitivity", "crosstalk"];
    // A phase that a mask's pixels have in common changes no reading.
    let off = |simulated: &SimulatedDevice, kind: &str| {
        let pairs = simulated.exact.constants().into_iter().zip(simulated.nominal.constants());
        let errors: Vec<f32> = pairs
            .filter(|(truth, _)| truth.name.starts_with(kind))
            .map(|(truth, learned)| truth.value - learned.value)
            .collect();
        let masks = errors.chunks(64).map(|mask| {
            let common = if kind == "phase" { mask.iter().sum::<f32>() / 64.0 } else { 0.0 };
            mask.iter().map(|error| (error - common).abs()).fold(0.0, f32::max)
        });
        masks.fold(0.0, f32::max)
    };
    let before = kinds.map(|kind| off(&simulated, kind));
    let nrmse = |equation: Box<dyn Differentiable>| {
        let twin = EquationTwin::new(equation);
        let predicted = predict(&twin, &unseen.inputs, &unseen.parameters, &Device::flex());
        let spread = unseen.outputs.add_scalar(-unseen.outputs.mean()).norm();
        (predicted - &unseen.outputs).norm() / spread
    };
    let designed = nrmse(simulated.nominal.clone());
    identify(&mut *simulated.nominal, &config, &seen, 1, &Device::flex(), |_, _| ()).unwrap();
    let learned = nrmse(simulated.nominal.clone());
    assert!(learned < 0.02 * designed, "{designed} before, {learned} after");
    for (kind, before) in kinds.iter().zip(before) {
        let after = off(&simulated, kind);
        assert!(after < 0.25 * before, "{kind}: {before} before, {after} after");
    }
}

/// A stack that is read only at its end: the twin's predictions of the powers behind the other meshes are right.
#[test]
fn a_stack_read_at_its_end_is_known_inside() {
    let model = CoherentStackConfig {
        modes: 8,
        splitter_error: 0.06,
        phase_error: 0.06,
        ..Default::default()
    };
    let model = DeviceKind::CoherentStack(model);
    let config = DeviceConfig { model, imperfections: ImperfectionsConfig::default() };
    let mut simulated = config.fabricate(3).unwrap();
    let interface = simulated.device.interface().clone();
    let learn = IdentifyConfig {
        learn: ["splitter", "theta", "phi"].map(str::to_owned).to_vec(),
        shots_per_setting: 64,
        settings_per_step: 1,
        epochs: 10,
        learning_rate: 0.002,
    };
    let draw = |shots: usize, seed: u64| {
        // Amplitudes of mean 1.
        let design =
            DesignConfig::Gaussian(GaussianConfig { deviation: 0.01247, ..Default::default() });
        let (inputs, mut parameters) = design.draw(&interface, shots, None, seed).unwrap();
        share_settings(&mut parameters, 64);
        (inputs, parameters)
    };
    let (inputs, parameters) = draw(3200, 1);
    let shots = Shots::measure(&mut simulated.device, inputs, parameters, |_| ()).unwrap();
    let nominal = EquationTwin::new(simulated.nominal.clone());
    identify(&mut *simulated.nominal, &learn, &shots, 1, &Device::flex(), |_, _| ()).unwrap();
    let learned = EquationTwin::learned(simulated.nominal);
    let exact = EquationTwin::new(simulated.exact);

    let (inputs, parameters) = draw(256, 2);
    let unseen = Shots::measure(&mut simulated.device, inputs, parameters, |_| ()).unwrap();
    let r2 = |twin: &dyn DigitalTwin| -> Vec<f32> {
        let (mut errors, mut spreads) = (vec![0.0; 2], vec![0.0; 2]);
        for run in unseen.runs(64) {
            let pairs = exact.inside(&run).into_iter().zip(twin.inside(&run)).enumerate();
            for (mesh, (truth, predicted)) in pairs {
                assert_eq!(truth.name, format!("power behind mesh {}", mesh + 1));
                assert_eq!(truth.values.shape(), (8, 64));
                errors[mesh] += (&truth.values - predicted.values).norm_squared();
                spreads[mesh] += truth.values.add_scalar(-truth.values.mean()).norm_squared();
            }
        }
        errors.iter().zip(spreads).map(|(error, spread)| 1.0 - error / spread).collect()
    };
    let (before, after) = (r2(&nominal), r2(&learned));
    assert!(after.iter().all(|r2| *r2 > 0.99), "{after:?}");
    assert!(before[1] < 0.9, "nothing to learn: {before:?}");
}
