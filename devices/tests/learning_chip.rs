//! A spiking chip that learns: what its counts must be.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use nalgebra::{DMatrix, DVector};
use rand::RngExt;
use rayon::ThreadPoolBuilder;
use twinprop_devices::neuromorphic::{
    Feedback, LearningChip, LearningChipChannels, LearningChipConfig,
};
use twinprop_devices::{DeviceKind, Differentiable, PhysicalLayer, Usage, random};

fn config(feedback: Feedback) -> LearningChipConfig {
    LearningChipConfig { layers: vec![20, 30, 12, 4], feedback, ..Default::default() }
}

const KINDS: [Feedback; 3] = [Feedback::Symmetric, Feedback::Random, Feedback::Direct];

fn channels(chip: &LearningChip) -> LearningChipChannels {
    LearningChipChannels::of(chip.interface()).unwrap()
}

fn weights(config: &LearningChipConfig) -> DVector<f32> {
    let kind = DeviceKind::LearningChip(config.clone());
    kind.weights_by_fan_in(&mut random::stream(5, "weights")).unwrap().into()
}

/// Drives of `shots` shots with the target `target` at every output neuron.
fn drives(shots: usize, target: f32) -> DMatrix<f32> {
    let mut random = random::stream(2, "drives");
    DMatrix::from_fn(24, shots, |channel, _| {
        let rate = random.random_range(0.0..1.0f32);
        if channel < 20 { rate } else { target }
    })
}

fn play(chip: &mut LearningChip, inputs: &DMatrix<f32>, theta: &DVector<f32>) -> DMatrix<f32> {
    let mut readings = DMatrix::zeros(chip.interface().outputs.len(), inputs.ncols());
    chip.measure(inputs, theta, &mut readings).unwrap();
    readings
}

/// The dynamics of a chip without error neurons, in double precision: spikes `[tick][neuron]` of each layer.
fn without_errors(
    layers: &[usize],
    thresholds: &[f64],
    theta: &DVector<f32>,
    lines: &[Vec<bool>],
) -> Vec<Vec<Vec<bool>>> {
    let mut spikes = vec![lines.to_vec()];
    let mut first = 0;
    for (place, pair) in layers.windows(2).enumerate() {
        let weight = |i: usize, j: usize| f64::from(theta[first + i * pair[1] + j]);
        let mut potentials = vec![0.0; pair[1]];
        let mut of_layer = vec![vec![false; pair[1]]];
        for tick in 1..lines.len() {
            let before = &spikes[place][tick - 1];
            let fired = potentials.iter_mut().enumerate().map(|(j, potential)| {
                let spiking = (0..pair[0]).filter(|&i| before[i]);
                *potential += spiking.map(|i| weight(i, j)).sum::<f64>();
                let fires = *potential >= thresholds[place];
                *potential = if fires { 0.0 } else { *potential };
                fires
            });
            of_layer.push(fired.collect());
        }
        spikes.push(of_layer);
        first += pair[0] * pair[1];
    }
    spikes
}

/// A shot without a target is not nudged: lines that spike in every tick or never give the counts of a plain simulation
/// without error neurons, in both phases.
#[test]
fn without_a_target_nothing_is_injected() {
    for feedback in KINDS {
        let config = config(feedback);
        let mut chip = LearningChip::nominal(&config).unwrap();
        let (theta, channels) = (weights(&config), channels(&chip));
        let inputs =
            DMatrix::from_fn(24, 6, |i, shot| if i < 20 && (i + shot) % 3 > 0 { 1.0 } else { 0.0 });
        let readings = play(&mut chip, &inputs, &theta);
        // ν of 20, 30 and 12 inputs, from the first layer to the output.
        let thresholds = [
            0.5 * 60f64.sqrt() / 2.0 / 3.0,
            0.5 * 90f64.sqrt() / 2.0 / 2.0,
            0.1 * 36f64.sqrt() / 2.0,
        ];
        for shot in 0..6 {
            let line = (0..20).map(|i| inputs[(i, shot)] == 1.0).collect();
            let spikes = without_errors(&config.layers, &thresholds, &theta, &vec![line; 100]);
            let count = |layer: usize, neuron: usize, ticks: std::ops::Range<usize>| {
                ticks.filter(|&tick| spikes[layer][tick][neuron]).count() as f32
            };
            for layer in 0..4 {
                for (neuron, place) in channels.free(layer).enumerate() {
                    assert_eq!(readings[(place, shot)], count(layer, neuron, 2..51));
                }
            }
            for layer in 1..4 {
                for (neuron, place) in channels.nudged(layer).enumerate() {
                    assert_eq!(readings[(place, shot)], count(layer, neuron, 51..100));
                }
            }
            for neuron in 0..4 {
                assert_eq!(readings[(neuron, shot)], count(3, neuron, 0..100));
            }
        }
    }
}

/// Every output neuron that should fire counts more in phase 2 than without a target, and one that should be silent less.
#[test]
fn targets_nudge_the_output() {
    for feedback in KINDS {
        let config = config(feedback);
        let mut chip = LearningChip::nominal(&config).unwrap();
        let (theta, channels) = (weights(&config), channels(&chip));
        let mut of_target = |target: f32| {
            chip.resume(&Usage::default());
            play(&mut chip, &drives(40, target), &theta)
        };
        let [fires, free, silent] = [1.0, 0.0, -1.0].map(&mut of_target);
        let sum = |readings: &DMatrix<f32>, places: std::ops::Range<usize>| {
            readings.rows(places.start, places.len()).sum()
        };
        for layer in 1..4 {
            let places = channels.free(layer);
            assert_eq!(sum(&fires, places.clone()), sum(&free, places.clone()), "phase 1 is free");
            assert_eq!(sum(&silent, places.clone()), sum(&free, places));
        }
        let [fires, free, silent] = [fires, free, silent].map(|one| sum(&one, channels.nudged(3)));
        assert!(fires > 1.2 * free && silent < 0.95 * free, "{fires} {free} {silent}");
    }
}

#[test]
fn a_line_spikes_in_the_share_of_ticks_that_its_drive_says() {
    let config = LearningChipConfig { largest_input: 16.0, ..config(Feedback::Symmetric) };
    let mut chip = LearningChip::nominal(&config).unwrap();
    let theta = weights(&config);
    let inputs = DMatrix::from_fn(24, 2000, |line, _| if line < 17 { line as f32 } else { 0.0 });
    let readings = play(&mut chip, &inputs, &theta);
    let first = channels(&chip).free(0).start;
    for line in 0..17 {
        let mean = readings.row(first + line).sum() / (2000.0 * 49.0);
        let rate = line as f32 / 16.0;
        // Six deviations of a binomial mean.
        let tolerance = 6.0 * (rate * (1.0 - rate) / (2000.0 * 49.0)).sqrt();
        assert!((mean - rate).abs() <= tolerance + 1e-6, "{line}: {mean}");
    }
}

#[test]
fn counts_depend_on_seed_and_shot_alone() {
    let config = config(Feedback::Random);
    let theta = weights(&config);
    let inputs = drives(33, 1.0);
    let on = |threads: usize| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut chip = LearningChip::fabricated(&config, 0.3, 7).unwrap();
        pool.install(|| play(&mut chip, &inputs, &theta))
    };
    let together = on(1);
    assert_eq!(on(3), together);
    let mut resumed = LearningChip::fabricated(&config, 0.3, 7).unwrap();
    resumed.resume(&Usage::after(20));
    let rest = inputs.columns(20, 13).into_owned();
    assert_eq!(play(&mut resumed, &rest, &theta), together.columns(20, 13));
    let mut other = LearningChip::fabricated(&config, 0.3, 8).unwrap();
    assert_ne!(play(&mut other, &inputs, &theta), together);
}

/// The vector-Jacobian product is that of the rate model at the counts: here its formula, weight by weight.
#[test]
fn the_adjoint_is_that_of_the_rate_model() {
    let config =
        LearningChipConfig { layers: vec![5, 4, 3], largest_input: 2.0, ..Default::default() };
    let mut chip = LearningChip::nominal(&config).unwrap();
    let (theta, channels) = (weights(&config), channels(&chip));
    let inputs = DMatrix::from_fn(8, 1, |i, _| if i < 5 { 0.3 * (i + 1) as f32 } else { 0.0 });
    let readings = play(&mut chip, &inputs, &theta);
    let of = DMatrix::from_fn(readings.nrows(), 1, |i, _| (1.0 + i as f32).sin());
    let (mut dx, mut dtheta) = (DMatrix::zeros(8, 1), DVector::zeros(theta.len()));
    chip.vjp_at_readings(&inputs, &theta, &readings, &of, &mut dx, &mut dtheta).unwrap();
    let at = |values: &DMatrix<f32>, place: usize| f64::from(values[(place, 0)]);
    let rate = |layer: usize, i: usize| at(&readings, channels.free(layer).start + i) / 49.0;
    let counted = |layer: usize, i: usize| {
        let second = if layer > 0 { at(&of, channels.nudged(layer).start + i) } else { 0.0 };
        49.0 * (at(&of, channels.free(layer).start + i) + second)
    };
    let slope = |layer: usize, i: usize, threshold: f64| {
        if rate(layer, i) > 0.0 && rate(layer, i) < 1.0 { 1.0 / threshold } else { 0.0 }
    };
    let w = |layer: usize, i: usize, j: usize| {
        f64::from(theta[channels.weights(layer).start + i * channels.layers()[layer] + j])
    };
    let (hidden, output) = (0.5 * 15f64.sqrt() / 2.0 / 2.0, 0.1 * 12f64.sqrt() / 2.0);
    let of_output: Vec<f64> =
        (0..3).map(|k| slope(2, k, output) * (counted(2, k) + 100.0 * at(&of, k))).collect();
    let of_hidden: Vec<f64> = (0..4)
        .map(|j| {
            let above: f64 = (0..3).map(|k| w(2, j, k) * of_output[k]).sum();
            slope(1, j, hidden) * (counted(1, j) + above)
        })
        .collect();
    let close = |found: f32, expected: f64| {
        assert!(
            (f64::from(found) - expected).abs() < 1e-4 * expected.abs().max(1.0),
            "{found} {expected}"
        );
    };
    for (i, j) in (0..5).flat_map(|i| (0..4).map(move |j| (i, j))) {
        close(dtheta[i * 4 + j], rate(0, i) * of_hidden[j]);
    }
    for (j, k) in (0..4).flat_map(|j| (0..3).map(move |k| (j, k))) {
        close(dtheta[20 + j * 3 + k], rate(1, j) * of_output[k]);
    }
    for i in 0..5 {
        let above: f64 = (0..4).map(|j| w(1, i, j) * of_hidden[j]).sum();
        close(dx[(i, 0)], (counted(0, i) + above) / 2.0);
    }
    assert_eq!(dx.rows(5, 3).abs().max(), 0.0, "targets are not differentiated");
    assert!(of_output.iter().chain(&of_hidden).any(|&of| of != 0.0));
}

/// A neuron of negative input alone: error spikes only wake it if its potential has a lower bound.
#[test]
fn a_bounded_potential_can_be_woken() {
    let spikes = |lowest_potential: Option<f64>| {
        let layers = vec![1, 1];
        let config = LearningChipConfig { layers, lowest_potential, ..Default::default() };
        let mut chip = LearningChip::nominal(&config).unwrap();
        let nudged = channels(&chip).nudged(1).start;
        let inputs = DMatrix::from_fn(2, 50, |channel, _| if channel == 0 { 0.2 } else { 1.0 });
        play(&mut chip, &inputs, &DVector::from_element(1, -1.0)).row(nudged).sum()
    };
    assert_eq!(spikes(None), 0.0);
    assert!(spikes(Some(1.0)) > 50.0, "{}", spikes(Some(1.0)));
}

/// Synapses that deviate give other counts and the adjoint of their own gains: along the weights of the output it is
/// that of the currents.
#[test]
fn the_adjoint_has_the_gains_of_the_synapses() {
    let config =
        LearningChipConfig { layers: vec![6, 3], output_threshold: 5.0, ..Default::default() };
    let chip = LearningChip::fabricated(&config, 0.4, 9).unwrap();
    let theta = DVector::from_fn(18, |place, _| 0.4 + 0.5 * (place as f32).sin());
    let inputs = DMatrix::from_fn(9, 1, |channel, _| if channel < 6 { 0.7 } else { 0.0 });
    let mut readings = DMatrix::zeros(15, 1);
    chip.respond(&inputs, &theta, &mut readings).unwrap();
    let (mut dx, mut dtheta) = (DMatrix::zeros(9, 1), DVector::zeros(18));
    let of = DMatrix::from_element(15, 1, 1.0);
    chip.vjp_at_readings(&inputs, &theta, &readings, &of, &mut dx, &mut dtheta).unwrap();
    // All lines have one rate r, so r · dℓ/dx = Σ W dℓ/dW, less the lines' own counts.
    let rate = readings[(3, 0)] / 49.0;
    for line in 0..6 {
        let of_weights: f32 = (0..3).map(|k| theta[line * 3 + k] * dtheta[line * 3 + k]).sum();
        let found = rate * (dx[(line, 0)] - 49.0);
        assert!((found - of_weights).abs() < 1e-3 * of_weights.abs(), "{found} {of_weights}");
    }
    assert!(dtheta.abs().max() > 0.0);
}

#[test]
fn impossible_chips_are_refused() {
    for (text, expected) in [
        ("layers = [5]", "`layers`"),
        ("layers = [5, 0, 2]", "`layers`"),
        ("ticks = 99", "even number"),
        ("ticks = 4", "even number"),
        ("largest_input = 0.0", "above zero"),
        ("loss_threshold = 0", "1 or more"),
    ] {
        let message = toml_error(text);
        assert!(message.contains(expected), "{text}: {message}");
    }
    let config = LearningChipConfig { ticks: 7, ..Default::default() };
    let error = LearningChip::nominal(&config).err().unwrap().to_string();
    assert!(error.contains("learning_chip") && error.contains("found 7"), "{error}");
}

fn toml_error(text: &str) -> String {
    let (key, value) = text.split_once(" = ").unwrap();
    let json = format!("{{\"{key}\": {value}}}");
    serde_json::from_str::<LearningChipConfig>(&json).unwrap_err().to_string()
}
