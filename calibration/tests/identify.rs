//! A physics twin's constants come back from shots.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use twinprop_calibration::design::DesignConfig;
use twinprop_calibration::identify::identify;
use twinprop_calibration::{CalibrationError, IdentifyConfig, Shots};
use twinprop_devices::mechanical::PendulaConfig;
use twinprop_devices::optical::MziMeshConfig;
use twinprop_devices::{
    DeviceConfig, DeviceKind, ImperfectionsConfig, PhysicalLayer, SimulatedDevice,
};

fn measured(model: DeviceKind, shots: usize, config: &IdentifyConfig) -> (SimulatedDevice, Shots) {
    let imperfections =
        ImperfectionsConfig { mismatch: 0.1, readout_noise: 1e-5, ..Default::default() };
    let mut simulated = DeviceConfig { model, imperfections }.fabricate(3).unwrap();
    let interface = simulated.device.interface().clone();
    let (inputs, mut parameters) =
        DesignConfig::LatinHypercube.draw(&interface, shots, None, 1).unwrap();
    config.share_settings(&mut parameters);
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
fn constants_of_mismatched_noisy_devices_come_back() {
    let config = IdentifyConfig { epochs: 80, ..Default::default() };
    let mesh = MziMeshConfig { modes: 4, phase_error: 0.1, ..Default::default() };
    for (model, kinds) in [
        (pendula(), ["frequency", "spring"]),
        (DeviceKind::MziMesh(mesh), ["phase", "sensitivity"]),
    ] {
        let (mut simulated, shots) = measured(model, 512, &config);
        let before = kinds.map(|kind| off(&simulated, kind));
        let history = identify(&mut *simulated.nominal, &config, &shots, 1, |_, _| ()).unwrap();
        assert!(history.last() < history.first());
        for (kind, before) in kinds.iter().zip(before) {
            assert!(before > 0.05, "{kind}: nothing to learn, {before}");
            let after = off(&simulated, kind);
            assert!(after < 0.1 * before, "{kind}: {before} before, {after} after");
        }
    }
}

#[test]
fn only_the_chosen_constants_move() {
    let learn = vec!["spring".to_owned()];
    let config = IdentifyConfig { epochs: 5, learn, ..Default::default() };
    let (mut simulated, shots) = measured(pendula(), 64, &config);
    let before = [off(&simulated, "frequency"), off(&simulated, "spring")];
    identify(&mut *simulated.nominal, &config, &shots, 1, |_, _| ()).unwrap();
    assert_eq!(off(&simulated, "frequency"), before[0]);
    assert_ne!(off(&simulated, "spring"), before[1]);
}

#[test]
fn a_name_that_no_constant_has_is_an_error() {
    let learn = vec!["colour".to_owned()];
    let config = IdentifyConfig { learn, ..Default::default() };
    let (mut simulated, shots) = measured(pendula(), 16, &config);
    let error = identify(&mut *simulated.nominal, &config, &shots, 1, |_, _| ()).unwrap_err();
    assert!(matches!(error, CalibrationError::TooFewShots(_)));
    assert!(error.to_string().contains("colour"), "{error}");
}
