//! Twins are saved and loaded, and bad files refused.

use burn::tensor::Device;
use twinprop_calibration::bridge::to_vec;
use twinprop_calibration::{
    CalibrationError, DigitalTwin, EnsembleConfig, FitConfig, FitProgress, Fitting, HybridConfig,
    IdentifyConfig, NeuralTwin, NeuralTwinConfig, TwinConfig,
};
use twinprop_devices::optical::{SecondHarmonic, SecondHarmonicConfig};
use twinprop_devices::{Differentiable, PhysicalLayer};

use super::{device_config, drives, measure, neural, optical, relative_error};

#[test]
fn a_loaded_twin_predicts_the_same() {
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
fn a_twin_is_made_from_its_configuration_saved_and_loaded() {
    let backend = Device::flex();
    let mut device = optical(0.1);
    let interface = device.interface().clone();
    let shots = measure(&mut device, 64, 1);
    let nominal = || Some(Box::new(optical(0.0)) as Box<dyn Differentiable>);
    let fit = FitConfig { epochs: 2, batch: 16, ..Default::default() };
    let size = NeuralTwinConfig { width: 8, depth: 1, residual: false };
    let identify = IdentifyConfig { epochs: 2, ..Default::default() };
    let (x, theta) = (drives(5, 4, 1, &backend), drives(1, 3, 2, &backend));
    for config in [
        TwinConfig::Neural(size.clone()),
        TwinConfig::Ensemble(EnsembleConfig { members: 2, member: size.clone() }),
        TwinConfig::Physics,
        TwinConfig::LearnedPhysics(identify.clone()),
        TwinConfig::Hybrid(HybridConfig { constants: identify, residual: size }),
    ] {
        let fitting = |nominal| Fitting {
            interface: &interface,
            nominal,
            fit: &fit,
            seed: 1,
            backend: &backend,
        };
        let (mut passes, mut ends) = (0, 0);
        let twin = config
            .fit(fitting(nominal()), &shots, &mut |progress| match progress {
                FitProgress::Pass { done, of } => {
                    assert!(done <= of && of == config.passes(&fit));
                    passes += 1;
                }
                _ => ends += 1,
            })
            .unwrap();
        assert_eq!((passes, ends), (config.passes(&fit), usize::from(config.is_fitted())));

        let folder = tempfile::tempdir().unwrap();
        twin.save(folder.path(), "twin").unwrap();
        let again = config.load(&interface, nominal(), folder.path(), "twin", &backend).unwrap();
        let predict = |twin: &dyn DigitalTwin| twin.predict(x.clone(), theta.clone());
        // An equation rounds its constants where they are set.
        let error = relative_error(predict(&*again), predict(&*twin));
        assert!(error < 1e-6 && (error == 0.0 || config.needs_equation()), "{config:?}: {error}");

        if config.needs_equation() {
            let error = config.fit(fitting(None), &shots, &mut |_| ()).err().unwrap();
            assert!(error.to_string().contains("has none"), "{error}");
            let loaded = config.load(&interface, None, folder.path(), "twin", &backend);
            assert!(matches!(loaded.err(), Some(CalibrationError::NoEquation { .. })));
        }
    }
}

#[test]
fn the_files_of_a_network_have_the_same_keys_in_the_same_order() {
    let backend = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    neural(3, &backend).save(folder.path(), "twin").unwrap();
    let json = std::fs::read_to_string(folder.path().join("twin.json")).unwrap();
    let start = r#"{
  "format": 3,
  "neural": {
    "width": 24,
    "depth": 2,
    "residual": false
  },
  "interface": {"#;
    assert!(json.starts_with(start), "{json}");
    let twin = NeuralTwin::load(folder.path(), "twin", neural(3, &backend).interface(), &backend);
    twin.unwrap();
    let unknown = json.replacen("\"interface\"", "\"unknown\": 1, \"interface\"", 1);
    std::fs::write(folder.path().join("twin.json"), unknown).unwrap();
    let twin = NeuralTwin::load(folder.path(), "twin", neural(3, &backend).interface(), &backend);
    assert!(matches!(twin.err(), Some(CalibrationError::Format { .. })));
}
