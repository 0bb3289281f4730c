//! EMSTDP against reference values, and on devices.

use burn::tensor::{Device, Tensor};
use nalgebra::{DMatrix, DVector};
use serde_json::Value;
use twinprop::calibration::bridge::{from_vec, to_vec};
use twinprop::data::Targets;
use twinprop::devices::neuromorphic::{Feedback, LearningChip, LearningChipConfig};
use twinprop::devices::{DeviceError, Differentiable, Interface, PhysicalLayer};
use twinprop::loss::{CrossEntropy, Loss};
use twinprop::network::{
    BatchPosition, Instrument, Laboratory, Linear, Network, Physical, PhysicalOptions, StageSeed,
};
use twinprop::rules::{Activity, Batch, Emstdp, EmstdpConfig, StepOutput, Synapse, TrainingRule};
use twinprop::training::{ClippedRmsProp, Optimiser};

use super::{case, norm, reference};

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        value => vec![value.as_f64().unwrap()],
    }
}

fn assert_close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < tolerance, "{what}: {found} {expected}");
    }
}

/// G of a synapse from its two neurons' counts in each shot of a batch.
fn drive(shots: &[Activity<f64>], window: f64) -> f64 {
    shots.iter().map(|shot| shot.correlation()).sum::<f64>() / (shots.len() as f64 * window)
}

/// The small deterministic example of the author's program: weights from the first hidden and the second output neuron.
/// Counts, G and ΔW are `tiny_5_3` of the reference values.
#[test]
fn the_first_step_is_that_of_the_published_program() {
    let synapse = |pre: [f64; 2], free: [f64; 2], nudged: [f64; 2]| {
        let shots =
            [0, 1].map(|shot| Activity { pre: pre[shot], free: free[shot], nudged: nudged[shot] });
        let mut synapse = Synapse { weight: 0.25, mean_square: 1.0 };
        let drive = drive(&shots, 49.0);
        synapse.learn(drive, 1e-3);
        (drive, synapse.weight - 0.25)
    };
    let (of_hidden, step) = synapse([25.0, 0.0], [12.0, 0.0], [5.0, 0.0]);
    assert!((of_hidden + 1.785_714_285_714_285_8).abs() < 1e-15, "{of_hidden}");
    assert!((step + 0.001_617_453_976_645_033_5).abs() < 1e-15, "{step}");
    let (of_output, step) = synapse([12.0, 0.0], [15.0, 0.0], [16.0, 12.0]);
    assert!((of_output - 0.122_448_979_591_836_73).abs() < 1e-15, "{of_output}");
    assert!((step - 0.000_128_965_175_328_552).abs() < 1e-15, "{step}");
}

/// Two steps of a network of 6 lines and 8, 5 and 3 neurons, with each kind of feedback.
#[test]
fn weights_are_those_of_the_reference() {
    let Some(golden) = reference("emstdp.json") else { return };
    for name in ["sym", "fa", "dfa"] {
        let mut weights: Vec<Vec<f64>> =
            golden["inputs"]["weights"].as_array().unwrap().iter().map(numbers).collect();
        let mut mean_squares: Vec<Vec<f64>> =
            weights.iter().map(|weights| vec![1.0; weights.len()]).collect();
        for case in golden["cases"][name].as_array().unwrap() {
            for layer in 0..weights.len() {
                let counts = |phase: &str, layer: usize| -> Vec<Vec<f64>> {
                    case[phase][layer].as_array().unwrap().iter().map(numbers).collect()
                };
                let before = counts("phase1_counts", layer);
                let (free, nudged) =
                    (counts("phase1_counts", layer + 1), counts("phase2_counts", layer));
                let neurons = free[0].len();
                let drives: Vec<f64> = (0..weights[layer].len())
                    .map(|place| {
                        let (i, j) = (place / neurons, place % neurons);
                        let shots: Vec<_> = (0..free.len())
                            .map(|shot| Activity {
                                pre: before[shot][i],
                                free: free[shot][j],
                                nudged: nudged[shot][j],
                            })
                            .collect();
                        drive(&shots, 49.0)
                    })
                    .collect();
                let synapses = weights[layer].iter_mut().zip(&mut mean_squares[layer]);
                for ((weight, mean_square), &drive) in synapses.zip(&drives) {
                    let mut synapse = Synapse { weight: *weight, mean_square: *mean_square };
                    synapse.learn(drive, 0.05);
                    (*weight, *mean_square) = (synapse.weight, synapse.mean_square);
                }
                let what = format!("{name}, layer {layer}");
                assert_close(&drives, &numbers(&case["G"][layer]), 1e-12, &what);
                assert_close(&mean_squares[layer], &numbers(&case["m"][layer]), 1e-12, &what);
                assert_close(&weights[layer], &numbers(&case["weights"][layer]), 1e-12, &what);
            }
        }
    }
}

/// A chip that reads what it is told, and checks its targets.
struct Told {
    interface: Interface,
    readings: DMatrix<f32>,
    targets: DMatrix<f32>,
}

impl PhysicalLayer for Told {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn measure(
        &mut self,
        inputs: &DMatrix<f32>,
        _parameters: &DVector<f32>,
        outputs: &mut DMatrix<f32>,
    ) -> Result<(), DeviceError> {
        assert_eq!(inputs.rows(6, 3), self.targets);
        outputs.copy_from(&self.readings);
        Ok(())
    }
}

/// A stage on `device` with 6 lines, 8, 5 and 3 neurons and the weights `weights`.
fn network(interface: &Interface, weights: Option<Vec<f32>>) -> Network {
    let (seed, cpu) = (StageSeed { seed: 1, place: 0 }, Device::flex());
    let stage = Physical::new(0, interface, PhysicalOptions::default(), seed, &cpu)
        .with_readings_in_device_units();
    let stage = match weights {
        Some(weights) => stage.with_settings(weights, &cpu),
        None => stage,
    };
    Network::new(vec![stage.into()])
}

fn small(feedback: Feedback) -> LearningChipConfig {
    LearningChipConfig { layers: vec![6, 8, 5, 3], feedback, ..Default::default() }
}

fn step(
    rule: &mut Emstdp,
    network: &mut Network,
    laboratory: &mut Laboratory,
    inputs: &Tensor<2>,
    labels: Vec<usize>,
) -> StepOutput {
    let position = BatchPosition::default();
    let targets = Targets::Classes(labels);
    let batch = Batch { inputs, targets: &targets, position };
    rule.step(&batch, network, laboratory, &CrossEntropy::default()).unwrap()
}

/// The rule and its optimiser on a device that reads the reference's counts.
#[test]
fn rule_and_optimiser_make_the_steps_of_the_reference() {
    let Some(golden) = reference("emstdp.json") else { return };
    let cpu = Device::flex();
    for name in ["sym", "fa", "dfa"] {
        let chip = LearningChip::nominal(&small(Feedback::Symmetric)).unwrap();
        let interface = chip.interface().clone();
        let first = numbers(&golden["inputs"]["weights"]).iter().map(|&w| w as f32).collect();
        let mut network = network(&interface, Some(first));
        let mut optimiser = ClippedRmsProp::default();
        for (number, case) in golden["cases"][name].as_array().unwrap().iter().enumerate() {
            let labels: Vec<usize> =
                numbers(&golden["inputs"]["labels"][number]).iter().map(|&l| l as usize).collect();
            let mut columns: Vec<f64> = Vec::new();
            for shot in 0..4 {
                columns.extend(numbers(&case["prediction_counts"][shot]));
                for phase in ["phase1_counts", "phase2_counts"] {
                    let layers = case[phase].as_array().unwrap().iter();
                    columns.extend(layers.flat_map(|layer| numbers(&layer[shot])));
                }
            }
            let readings = DMatrix::from_iterator(
                interface.outputs.len(),
                4,
                columns.into_iter().map(|count| count as f32),
            );
            let targets =
                DMatrix::from_fn(3, 4, |k, shot| if labels[shot] == k { 1.0 } else { -1.0 });
            let device = Told { interface: interface.clone(), readings, targets };
            let mut laboratory = Laboratory::default();
            laboratory.add(Instrument::new("chip", Box::new(device)));
            let inputs = Tensor::zeros([4, 9], &cpu);
            let output = step(
                &mut Emstdp::new(EmstdpConfig::default()),
                &mut network,
                &mut laboratory,
                &inputs,
                labels,
            );
            optimiser.step(&[0.05], network.parameters_mut(), output.gradients);
            let weights: Vec<f64> =
                to_vec(network.parameters()[0].1.clone()).into_iter().map(f64::from).collect();
            assert_close(&weights, &numbers(&case["weights"]), 1e-6, name);
        }
    }
}

/// Drives of 4 samples for 6 lines, normalised, without targets.
fn drives() -> Tensor<2> {
    let value = |place: usize| {
        let (shot, line) = (place / 9, place % 9);
        if line < 6 { (1.0 + shot as f32 + 2.3 * line as f32).sin() } else { 0.0 }
    };
    from_vec((0..36).map(value).collect(), [4, 9], &Device::flex())
}

#[test]
fn in_silico_the_model_learns_and_the_chip_is_not_played() {
    let config = small(Feedback::Direct);
    let model = LearningChip::nominal(&config).unwrap();
    let fabricated = LearningChip::fabricated(&config, 0.5, 3).unwrap();
    let interface = model.interface().clone();
    let labels = vec![1, 0, 2, 1];
    let gradients = |device: LearningChip, in_silico: bool| {
        let mut laboratory = Laboratory::default();
        let nominal: Box<dyn Differentiable> = Box::new(model.clone());
        laboratory.add(Instrument {
            nominal: Some(nominal),
            ..Instrument::new("chip", Box::new(device))
        });
        let mut network = network(&interface, None);
        let mut rule = Emstdp::new(EmstdpConfig { in_silico });
        let output = step(&mut rule, &mut network, &mut laboratory, &drives(), labels.clone());
        (to_vec(output.gradients[0].clone()), laboratory.shots())
    };
    let (of_model, shots) = gradients(model.clone(), false);
    assert_eq!(shots, 4);
    assert_eq!(gradients(fabricated.clone(), true), (of_model.clone(), 0));
    assert_ne!(gradients(fabricated, false).0, of_model);
}

#[test]
fn other_networks_are_refused_with_advice() {
    let rule = Emstdp::new(EmstdpConfig::default());
    let classes = Targets::Classes(vec![0]);
    let interface = LearningChip::nominal(&small(Feedback::Symmetric)).unwrap().interface().clone();
    let mut network = network(&interface, None);
    assert_eq!(rule.check(&network, &classes), Ok(()));
    let values = Targets::Values(DMatrix::zeros(1, 1));
    let refused = |network: &Network, targets: &Targets, part: &str| {
        let why = rule.check(network, targets).unwrap_err();
        assert!(why.contains(part) && why.contains("train by pat"), "{why}");
    };
    refused(&network, &values, "targets are values");
    let cpu = Device::flex();
    let seed = StageSeed { seed: 1, place: 1 };
    network.stages.push(Linear::new(3, 3, seed, &cpu).into());
    refused(&network, &classes, "linear");
    refused(&Network::new(Vec::new()), &classes, "one physical layer");
}

/// The network of `digits-emstdp`, with the chip's own table.
fn digits(chip: &str) -> String {
    format!(
        r#"
network = ["wire", {{ pad = {{ channels = 10 }} }}, {{ physical = {{ device = "chip", by_fan_in = true }} }}, {{ slice = {{ count = 10 }} }}]
data = {{ source = "digits" }}
[devices.chip.model.learning_chip]
layers = [64, 100, 10]
largest_input = 16.0
{chip}
"#
    )
}

/// With symmetric feedback −G goes the way of the rate model's gradient of the cross-entropy of the counts.
#[test]
fn drives_agree_with_the_gradient_of_the_rate_model() {
    let mut case = case(&digits(""), 40);
    let inputs = case.x.clone();
    let labels = case.targets.classes().to_vec();
    let mut rule = Emstdp::new(EmstdpConfig::default());
    let output = step(&mut rule, &mut case.network, &mut case.laboratory, &inputs, labels.clone());
    let trace = &output.traces[0];
    let targets = Targets::Classes(labels);
    let (_, cotangent) = CrossEntropy::default().at(trace.output(), &targets);
    let exact = case.network.backward(trace, cotangent, &case.laboratory);
    let (found, exact) = (to_vec(output.gradients[0].clone()), to_vec(exact[0].clone()));
    let cosine = |places: std::ops::Range<usize>| {
        let (found, exact) = (&found[places.clone()], &exact[places]);
        let product: f64 = found.iter().zip(exact).map(|(a, b)| f64::from(a * b)).sum();
        product / (norm(found) * norm(exact))
    };
    let (hidden, last) = (cosine(0..6400), cosine(6400..7400));
    println!("cosine of the hidden layer {hidden:.3}, of the output {last:.3}");
    assert!(hidden > 0.2 && last > 0.5, "{hidden} {last}");
}
