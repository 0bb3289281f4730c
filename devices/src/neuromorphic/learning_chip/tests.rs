//! The chip's dynamics against reference values in double precision.

use std::path::Path;

use serde_json::Value;

use super::circuit::{Circuit, Synapses, error_thresholds, thresholds};
use super::populations::Populations;
use super::{Feedback, LearningChipConfig};

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        value => vec![value.as_f64().unwrap()],
    }
}

/// Numbers of `value` `[rows][columns]`, column by column.
fn by_column(value: &Value) -> Vec<f64> {
    let rows: Vec<Vec<f64>> = value.as_array().unwrap().iter().map(numbers).collect();
    (0..rows[0].len()).flat_map(|column| rows.iter().map(move |row| row[column])).collect()
}

fn assert_counts(found: &[u16], expected: &Value, what: &str) {
    let found: Vec<f64> = found.iter().map(|&count| f64::from(count)).collect();
    assert_eq!(found, numbers(expected), "{what}");
}

/// W_1ᵀ s_0 of each tick.
fn currents(
    ticks: usize,
    weights: &[f64],
    neurons: usize,
    spikes: impl Fn(usize, usize) -> bool,
) -> Vec<f64> {
    let lines = weights.len() / neurons;
    let of_tick = |tick: usize| {
        let spiking: Vec<usize> = (0..lines).filter(|&line| spikes(tick, line)).collect();
        (0..neurons)
            .map(move |neuron| spiking.iter().map(|line| weights[line * neurons + neuron]).sum())
    };
    (0..ticks).flat_map(of_tick).collect()
}

fn targets(label: usize, outputs: usize) -> Vec<f32> {
    (0..outputs).map(|output| if output == label { 1.0 } else { -1.0 }).collect()
}

/// The case of 6 lines, 8, 5 and 3 neurons in `shared/golden/emstdp.json`: counts of four samples in two steps of each
/// kind of feedback, and the thresholds as designed.
#[test]
fn counts_are_those_of_the_reference() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/golden/emstdp.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: {} is missing", path.display());
        return;
    };
    let golden: Value = serde_json::from_str(&text).unwrap();
    let inputs = &golden["inputs"];
    for (name, feedback) in
        [("sym", Feedback::Symmetric), ("fa", Feedback::Random), ("dfa", Feedback::Direct)]
    {
        let layers = vec![6, 8, 5, 3];
        let config = LearningChipConfig { layers, feedback, ..Default::default() };
        let close = |found: Vec<f64>, expected: &Value| {
            let pairs = found.into_iter().zip(numbers(expected));
            pairs.for_each(|(found, expected)| assert!((found - expected).abs() < 1e-14, "{name}"));
        };
        close(thresholds(&config), &inputs["nu"]);
        close(error_thresholds(&config), &inputs["phi"][name]);
        let circuit = Circuit::<f64>::new(&config, || 1.0);
        let mut populations = Populations::new(&config.layers[1..]);
        let mut weights: Vec<Value> = inputs["weights"].as_array().unwrap().clone();
        for (step, case) in golden["cases"][name].as_array().unwrap().iter().enumerate() {
            let matrices: Vec<Vec<f64>> = weights.iter().map(numbers).collect();
            let feedback: Vec<Vec<f64>> = match feedback {
                Feedback::Symmetric => weights[1..].iter().map(by_column).collect(),
                Feedback::Random => {
                    inputs["feedback_fa"].as_array().unwrap().iter().map(by_column).collect()
                }
                Feedback::Direct => {
                    inputs["feedback_dfa"].as_array().unwrap().iter().map(by_column).collect()
                }
            };
            let synapses = Synapses {
                weights: matrices.iter().map(Vec::as_slice).collect(),
                feedback: feedback.iter().map(Vec::as_slice).collect(),
            };
            for sample in 0..4 {
                let spikes = |tick: usize, line: usize| {
                    (tick * (line + 2) + 3 * line + 5 * sample).is_multiple_of(2 + line + sample)
                };
                let label = inputs["labels"][step][sample].as_u64().unwrap() as usize;
                let currents = currents(circuit.ticks, &matrices[0], 8, spikes);
                populations.play(&circuit, &synapses, &currents, &targets(label, 3));
                for (place, layer) in populations.layers.iter().enumerate() {
                    let what = format!("{name}, step {step}, sample {sample}, layer {}", place + 1);
                    assert_counts(&layer.free, &case["phase1_counts"][place + 1][sample], &what);
                    assert_counts(&layer.nudged, &case["phase2_counts"][place][sample], &what);
                }
                let early = &populations.layers[2].early;
                assert_counts(early, &case["prediction_counts"][sample], name);
            }
            weights = case["weights"].as_array().unwrap().clone();
        }
    }
}

/// The deterministic example of the author's program, 6 lines, 5 and 3 neurons: counts in `tiny_5_3` of the same file.
#[test]
fn counts_of_a_small_example_are_those_of_the_published_program() {
    let layers = vec![6, 5, 3];
    let config = LearningChipConfig { layers, ..Default::default() };
    let circuit = Circuit::<f64>::new(&config, || 1.0);
    let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-15, "{found}");
    close(circuit.charges[0], 0.530_330_085_889_910_6);
    close(circuit.charges[1], 0.193_649_167_310_370_85);
    close(circuit.error_thresholds[0][0], 0.290_473_750_965_556_3);
    let hidden = |place: usize| {
        let (i, j) = ((place / 5) as f64, (place % 5) as f64);
        0.6 * (1.0 + 0.91 * i + 0.53 * j).sin()
    };
    let output = |place: usize| {
        let (i, j) = ((place / 3) as f64, (place % 3) as f64);
        0.6 * (2.0 + 0.7 * i + 1.3 * j).cos()
    };
    let weights: [Vec<f64>; 2] = [(0..30).map(hidden).collect(), (0..15).map(output).collect()];
    let feedback: Vec<f64> = (0..3)
        .flat_map(|k| (0..5).map(move |j| (j, k)))
        .map(|(j, k)| weights[1][j * 3 + k])
        .collect();
    let synapses = Synapses {
        weights: weights.iter().map(Vec::as_slice).collect(),
        feedback: vec![&feedback],
    };
    let mut populations = Populations::new(&[5, 3]);
    let expected: [[&[u16]; 4]; 2] = [
        [&[12, 12, 12, 3, 0], &[5, 2, 8, 9, 0], &[0, 0, 15], &[0, 0, 16]],
        [&[0; 5], &[0; 5], &[0; 3], &[0, 0, 12]],
    ];
    for (sample, [hidden_free, hidden_nudged, free, nudged]) in expected.into_iter().enumerate() {
        let spikes = |tick: usize, line: usize| {
            (tick * (line + 2) + 3 * line + sample).is_multiple_of(4 + 2 * line)
        };
        let currents = currents(100, &weights[0], 5, spikes);
        populations.play(&circuit, &synapses, &currents, &targets(sample + 1, 3));
        let [hidden, output] = &populations.layers[..] else { panic!("two layers") };
        assert_eq!((&hidden.free[..], &hidden.nudged[..]), (hidden_free, hidden_nudged));
        assert_eq!((&output.free[..], &output.nudged[..]), (free, nudged));
    }
}
