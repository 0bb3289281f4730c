//! Fits learn the device.

use burn::tensor::Device;
use twinprop_calibration::bridge::{from_vec, to_tensor, to_vec};
use twinprop_calibration::fidelity::Verdict;
use twinprop_calibration::{
    DigitalTwin, EquationTwin, Fidelity, FidelityConfig, FitConfig, NeuralTwin, NeuralTwinConfig,
    ReadingMoments, TemporalTwin, TemporalTwinConfig,
};
use twinprop_devices::PhysicalLayer;
use twinprop_devices::electronic::{Transistor, TransistorConfig};

use super::{drives, measure, optical};

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
fn a_temporal_twin_is_causal_learns_a_waveform_device_and_is_loaded_again() {
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
