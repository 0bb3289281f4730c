//! Designs of shots.

use burn::tensor::Device;
use nalgebra::DMatrix;
use twinprop_calibration::design::{ActiveConfig, DesignConfig};
use twinprop_calibration::{CalibrationError, Ensemble, Shots};
use twinprop_devices::PhysicalLayer;

use super::optical;

#[test]
fn twins_disagree_outside_of_their_shots_and_active_shots_go_there() {
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
fn designs_stay_in_range_and_a_task_like_design_follows_its_task() {
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
