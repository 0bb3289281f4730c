//! Training rules: reference values from the published algorithms, and what must hold of them on digital
//! and physical layers alike.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

mod losses;
mod plasticity;

use std::path::Path;

use burn::tensor::{Device, Tensor};
use serde_json::Value;
use twinprop::calibration::bridge::{from_vec, to_tensor, to_vec};
use twinprop::data::Targets;
use twinprop::experiment::{Experiment, Given, Place, Recipe, prepare};
use twinprop::loss::{CrossEntropy, Loss};
use twinprop::network::{
    Activation, Assemblies, BatchPosition, BeanConfig, Laboratory, Linear, Network, Order, Point,
    Source, Stage, StageSeed, Trace, Wanted,
};
use twinprop::rules::{
    Backpropagation, Batch, DirectFeedback, FeedbackAlignment, FiniteDifferences,
    FiniteDifferencesConfig, Inference, Layers, Perturbation, PerturbationConfig, PredictiveCoding,
    PredictiveCodingConfig, TrainingRule,
};
use twinprop::training::Unobserved;

/// A network on its devices, and a batch with its forward pass.
struct Case {
    network: Network,
    laboratory: Laboratory,
    x: Tensor<2>,
    targets: Targets,
    trace: Trace,
    cotangent: Tensor<2>,
}

impl Case {
    fn new(network: Network, mut laboratory: Laboratory, x: Tensor<2>, targets: Targets) -> Self {
        let trace = network.forward(x.clone(), &mut laboratory, Source::Measured, None).unwrap();
        let (_, cotangent) = CrossEntropy::default().at(trace.output(), &targets);
        Self { network, laboratory, x, targets, trace, cotangent }
    }

    fn gradients(&mut self, rule: &mut dyn TrainingRule) -> Vec<Vec<f32>> {
        self.gradients_by(rule, &CrossEntropy::default())
    }

    fn gradients_by(&mut self, rule: &mut dyn TrainingRule, loss: &dyn Loss) -> Vec<Vec<f32>> {
        let Self { network, laboratory, x, targets, .. } = self;
        let position = BatchPosition { step: 0, batch: targets.len(), first: 0 };
        let batch = Batch { inputs: x, targets, position };
        let found = rule.step(&batch, network, laboratory, loss).unwrap();
        found.gradients.into_iter().map(to_vec).collect()
    }

    /// The layer of each trainable tensor.
    fn layer_of_parameters(&self) -> Vec<usize> {
        let layers = Layers::of(&self.network);
        let stages = self.network.stages.iter().enumerate();
        stages
            .flat_map(|(place, stage)| {
                let layer =
                    (0..layers.count()).find(|&layer| layers.stages(layer).contains(&place));
                stage.parameters().into_iter().map(move |_| layer.unwrap()).collect::<Vec<_>>()
            })
            .collect()
    }
}

fn predictive_coding(algorithm: Inference, eta: f64, steps: usize) -> PredictiveCoding {
    PredictiveCoding::new(PredictiveCodingConfig { algorithm, eta, steps: Some(steps) })
}

fn norm(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

/// ‖left − right‖ / ‖right‖.
fn relative(left: &[f32], right: &[f32]) -> f64 {
    let difference: Vec<f32> = left.iter().zip(right).map(|(left, right)| left - right).collect();
    norm(&difference) / norm(right)
}

/// y = g(W x + b) from layer to layer, the last without g; W as `[out][in]`.
fn perceptron(g: Activation, weights: &[Vec<Vec<f64>>], biases: &[Vec<f64>]) -> Network {
    let device = Device::flex();
    let mut network = Network::new(Vec::new());
    for (place, weight) in weights.iter().enumerate() {
        if place > 0 {
            network.stages.push(g.into());
        }
        let seed = StageSeed { seed: 0, place };
        network.stages.push(Linear::new(weight[0].len(), weight.len(), seed, &device).into());
    }
    let parameters = network.parameters_mut().into_iter();
    for (place, parameter) in parameters.enumerate() {
        let (weight, bias) = (&weights[place / 2], &biases[place / 2]);
        *parameter = if place % 2 == 0 {
            tensor(weight).transpose()
        } else {
            tensor(std::slice::from_ref(bias))
        };
    }
    network
}

fn tensor(rows: &[Vec<f64>]) -> Tensor<2> {
    let values = rows.iter().flatten().map(|&value| value as f32).collect();
    from_vec(values, [rows.len(), rows[0].len()], &Device::flex())
}

/// Gradient of a weight as `tensor` has it, for comparison with `[out][in]`.
fn transposed(gradient: &[f32], rows: &[Vec<f64>]) -> Vec<f32> {
    let (outputs, inputs) = (rows.len(), rows[0].len());
    (0..outputs * inputs).map(|i| gradient[(i % inputs) * outputs + i / inputs]).collect()
}

/// The net of four, five, four and three units whose reference values follow, in closed form.
fn small() -> Case {
    let widths = [4, 5, 4, 3];
    let weights: Vec<Vec<Vec<f64>>> = (1..4)
        .map(|l| {
            let row = |i| (0..widths[l - 1]).map(move |j| weight(l, i, j)).collect();
            (0..widths[l]).map(row).collect()
        })
        .collect();
    let biases: Vec<Vec<f64>> = (1..4)
        .map(|l| (0..widths[l]).map(|i| 0.1 * ((l - 1 + i) as f64).cos()).collect())
        .collect();
    let x: Vec<Vec<f64>> =
        (0..2).map(|b| (0..4).map(|k| (0.7 * f64::from(4 * b + k)).sin()).collect()).collect();
    let network = perceptron(Activation::Tanh, &weights, &biases);
    Case::new(network, Laboratory::default(), tensor(&x), vec![1, 2].into())
}

fn weight(l: usize, i: usize, j: usize) -> f64 {
    0.8 * (1.0 + 0.37 * l as f64 + 0.91 * i as f64 + 0.53 * j as f64).sin()
}

#[test]
fn predictive_coding_has_the_published_codes_gradients() {
    // Norms of the weights' gradients, by the public code of Rosenbaum 2022 in float64.
    let cases = [
        (Inference::Exact, 1.0, 3, [0.292_456_188, 0.315_523_881, 1.051_154_340]),
        (Inference::FixedPrediction, 0.1, 20, [0.169_547_095, 0.272_901_283, 1.051_154_340]),
        (Inference::FixedPrediction, 0.5, 7, [0.260_468_793, 0.310_593_820, 1.051_154_340]),
        (Inference::Strict, 0.1, 20, [0.106_471_352, 0.192_006_565, 0.842_433_892]),
        (Inference::Strict, 0.1, 200, [0.268_445_985, 0.272_674_803, 0.772_984_769]),
        (Inference::Strict, 1.0, 3, [0.292_456_188, 0.321_484_390, 0.826_955_234]),
    ];
    let mut case = small();
    for (algorithm, eta, steps, expected) in cases {
        let gradients = case.gradients(&mut predictive_coding(algorithm, eta, steps));
        for (gradient, expected) in gradients.iter().step_by(2).zip(expected) {
            let error = (norm(gradient) / expected - 1.0).abs();
            assert!(error < 1e-5, "{algorithm:?}, η {eta}, {steps} steps: off by {error}");
        }
    }
}

#[test]
fn predictive_coding_has_all_reference_gradients() {
    let Some(file) = reference("predictive-coding.json") else { return };
    let weights: Vec<Vec<Vec<f64>>> = parse(&file["weights"]);
    let network = perceptron(Activation::Tanh, &weights, &parse::<Vec<Vec<f64>>>(&file["biases"]));
    let x: Vec<Vec<f64>> = parse(&file["x"]);
    let mut case = Case::new(
        network,
        Laboratory::default(),
        tensor(&x),
        parse::<Vec<usize>>(&file["labels"]).into(),
    );
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 7);
    for expected in cases {
        let algorithm = match expected["algorithm"].as_str().unwrap() {
            "exact" => Inference::Exact,
            name if name.starts_with("fixed") => Inference::FixedPrediction,
            _ => Inference::Strict,
        };
        let (eta, steps) = (parse(&expected["eta"]), parse(&expected["steps"]));
        let gradients = case.gradients(&mut predictive_coding(algorithm, eta, steps));
        let of_weights: Vec<Vec<Vec<f64>>> = parse(&expected["weights"]);
        let of_biases: Vec<Vec<f64>> = parse(&expected["biases"]);
        for (place, (weight, bias)) in of_weights.iter().zip(&of_biases).enumerate() {
            let found = transposed(&gradients[2 * place], weight);
            let error = relative(&found, &flat(weight))
                .max(relative(&gradients[2 * place + 1], &flat(std::slice::from_ref(bias))));
            println!("{algorithm:?}, η {eta}, {steps} steps, layer {}: {error:.1e}", place + 1);
            assert!(error < 1e-5, "{algorithm:?}, η {eta}, {steps} steps: off by {error}");
        }
    }
}

fn flat(rows: &[Vec<f64>]) -> Vec<f32> {
    rows.iter().flatten().map(|&value| value as f32).collect()
}

fn parse<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

/// A file of reference values, where the folder `shared/golden` stands beside the project.
fn reference(name: &str) -> Option<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/golden").join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: {} is not there", path.display());
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

/// A digital network, one of coupled oscillators and one of second-harmonic generation, without noise.
const RECIPES: [&str; 3] = [
    r#"
network = ["encode", { linear = { outputs = 24 } }, "tanh", { linear = { outputs = 20 } }, "tanh", { linear = { outputs = 16 } }, "tanh", { linear = { outputs = 10 } }, "readout"]
data = { source = "digits" }
"#,
    r#"
network = ["encode", { physical = { device = "net", start = 0.2 } }, "scale", { physical = { device = "net", start = 0.2 } }, "scale", { physical = { device = "net", start = 0.2 } }, "readout"]
data = { source = "digits" }
training = { range_penalty = 0.0 }
[devices.net.model.oscillators]
count = 64
bend = 0.1
coupling_deviation = 0.2
"#,
    r#"
network = ["encode", "scale", { physical = { device = "shg", shots = 4 } }, "scale", { physical = { device = "shg", shots = 4 } }, "scale", { physical = { device = "shg", shots = 4 } }, "scale", "readout"]
data = { source = "vowels" }
training = { range_penalty = 0.0 }
[devices.shg.model.second_harmonic]
inputs = 6
parameters = 6
outputs = 8
[devices.shg.imperfections]
mismatch = 0.1
"#,
];

fn case(recipe: &str, samples: usize) -> Case {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recipe.toml");
    std::fs::write(&path, format!("seed = 3{recipe}")).unwrap();
    let recipe = Recipe::read(&path, &[]).unwrap();
    let device = Device::flex();
    let place = Place::new(folder.path(), &device);
    let Experiment { split, network, mut laboratory, .. } =
        prepare(&recipe, &place, Given::default(), &mut Unobserved).unwrap();
    laboratory.use_exact_twins();
    let chosen: Vec<usize> = (0..samples).map(|sample| sample * 30).collect();
    let batch = split.train.choose(&chosen);
    let x = to_tensor(&batch.features, &Device::flex());
    Case::new(network, laboratory, x, batch.targets)
}

#[test]
fn predictive_coding_is_backpropagation_where_the_theorem_says_so() {
    for recipe in RECIPES {
        let mut case = case(recipe, 16);
        let backpropagation = case.gradients(&mut Backpropagation::ideal());
        let layers = Layers::of(&case.network).count();
        assert!((3..5).contains(&layers));
        for mut rule in [
            predictive_coding(Inference::Exact, 1.0, 1),
            predictive_coding(Inference::FixedPrediction, 1.0, layers),
        ] {
            for (found, expected) in case.gradients(&mut rule).iter().zip(&backpropagation) {
                assert!(relative(found, expected) < 1e-5, "{}", relative(found, expected));
            }
        }
    }
}

/// P[Binomial(trials, chance) ≥ least].
fn tail(trials: usize, chance: f64, least: usize) -> f64 {
    let choose = |k: usize| (0..k).map(|i| (trials - i) as f64 / (k - i) as f64).product::<f64>();
    let term =
        |k: usize| choose(k) * chance.powi(k as i32) * (1.0 - chance).powi((trials - k) as i32);
    (least..=trials).map(term).sum()
}

#[test]
fn fixed_predictions_scale_each_layers_gradient_by_a_binomial_tail() {
    for recipe in RECIPES {
        let mut case = case(recipe, 16);
        let backpropagation = case.gradients(&mut Backpropagation::ideal());
        let (layers, of_parameters) =
            (Layers::of(&case.network).count(), case.layer_of_parameters());
        for (eta, steps) in [(0.1, 20), (0.5, 7), (0.3, 4), (1.0, 2)] {
            let found =
                case.gradients(&mut predictive_coding(Inference::FixedPrediction, eta, steps));
            for ((found, expected), layer) in found.iter().zip(&backpropagation).zip(&of_parameters)
            {
                let share = tail(steps - 1, eta, layers - 1 - layer);
                let expected: Vec<f32> =
                    expected.iter().map(|value| value * share as f32).collect();
                if share == 0.0 {
                    assert_eq!(norm(found), 0.0, "layer {layer} is out of reach");
                } else {
                    let error = relative(found, &expected);
                    assert!(error < 1e-5, "η {eta}, {steps} steps, layer {layer}: {error}");
                }
            }
        }
    }
}

/// `dy` through the Jacobian of `stage` at the single sample `x`, row by row.
fn pull_back(stage: &Stage, x: &Tensor<2>, dy: Tensor<2>, laboratory: &Laboratory) -> Tensor<2> {
    let x = x.clone().repeat_dim(0, dy.dims()[0]);
    stage.vjp(Point::at(&x), dy, Wanted::Input, laboratory).into_input()
}

#[test]
fn feedback_through_the_true_jacobians_is_backpropagation() {
    for recipe in RECIPES {
        // A Jacobian belongs to a sample.
        let mut case = case(recipe, 1);
        let backpropagation = case.gradients(&mut Backpropagation::ideal());
        let jacobian = |stage: &Stage, x: &Tensor<2>, outputs: usize| {
            let unit = Tensor::<2>::eye(outputs, &x.device());
            pull_back(stage, x, unit, &case.laboratory)
        };
        let matrices = case.network.stages.iter().enumerate().map(|(place, stage)| {
            let (x, y) = (&case.trace.inputs[place], &case.trace.outputs[place]);
            stage.mixes().then(|| jacobian(stage, x, y.dims()[1]))
        });
        let mut rule = FeedbackAlignment::with_matrices(matrices.collect());
        for (found, expected) in case.gradients(&mut rule).iter().zip(&backpropagation) {
            assert!(relative(found, expected) < 1e-4, "{}", relative(found, expected));
        }
        // Straight from the loss: the product of all that lies above.
        let layers = Layers::of(&case.network);
        let classes = case.cotangent.dims()[1];
        let matrices = (0..layers.count() - 1).map(|layer| {
            let end = layers.stages(layer).end;
            let stages = case.network.stages[end..].iter().zip(&case.trace.inputs[end..]).rev();
            let unit = Tensor::<2>::eye(classes, &Device::flex());
            let product =
                stages.fold(unit, |dy, (stage, x)| pull_back(stage, x, dy, &case.laboratory));
            (end - 1, product)
        });
        let mut rule = DirectFeedback::with_matrices(matrices.collect());
        for (found, expected) in case.gradients(&mut rule).iter().zip(&backpropagation) {
            assert!(relative(found, expected) < 1e-4, "{}", relative(found, expected));
        }
    }
}

#[test]
fn perturbations_average_to_the_gradient_at_the_rate_of_their_number() {
    for recipe in RECIPES {
        let mut case = case(recipe, 4);
        let expected = case.gradients(&mut Backpropagation::ideal()).concat();
        // One direction has an error of √(n − 1) of the gradient, for n parameters; many, its √N-th part.
        for directions in [16, 256] {
            let config = PerturbationConfig { step: 0.003, directions };
            let found = case.gradients(&mut Perturbation::new(config, 7)).concat();
            let stated = ((expected.len() - 1) as f64 / directions as f64).sqrt();
            let error = relative(&found, &expected) / stated;
            println!("{} parameters, {directions} directions: {error:.3}", expected.len());
            assert!((0.7..1.4).contains(&error), "{directions} directions: {error} of {stated}");
        }
    }
}

/// One layer of two small shots.
const SECOND_HARMONIC: &str = r#"
network = ["encode", "scale", { physical = { device = "shg", shots = 2 } }, "scale", "readout"]
data = { source = "vowels" }
[devices.shg.model.second_harmonic]
inputs = 6
parameters = 4
outputs = 8
"#;

#[test]
fn finite_differences_are_the_gradient() {
    let mut case = case(SECOND_HARMONIC, 8);
    let before: Vec<f32> =
        case.network.parameters().iter().flat_map(|(_, value)| to_vec((*value).clone())).collect();
    let expected = case.gradients(&mut Backpropagation::ideal()).concat();
    let config = FiniteDifferencesConfig { step: 0.01 };
    let found = case.gradients(&mut FiniteDifferences::new(config)).concat();
    assert!(relative(&found, &expected) < 5e-3, "{}", relative(&found, &expected));
    let after: Vec<f32> =
        case.network.parameters().iter().flat_map(|(_, value)| to_vec((*value).clone())).collect();
    assert_eq!(before, after, "the network is left as it was");
}

/// BEAN's value and gradients by the published definition, in float64 (3 samples, 5 units, 4 targets).
#[test]
fn bean_has_the_definitions_gradients() {
    let activation = |s: i32, i: i32| ((0.7 * f64::from(5 * s + i)).sin() + 0.3).max(0.0);
    let h: Vec<Vec<f64>> = (0..3).map(|s| (0..5).map(|i| activation(s, i)).collect()).collect();
    let weight = |i: i32, k: i32| 0.8 * (1.0 + 0.91 * f64::from(k) + 0.53 * f64::from(i)).sin();
    let w: Vec<Vec<f64>> = (0..5).map(|i| (0..4).map(|k| weight(i, k)).collect()).collect();
    for (order, value, by_weights, by_activations) in [
        (Order::First, 0.172_367_893_8, 0.175_180_541_4, 0.259_913_573_2),
        (Order::Second, 0.128_947_341_3, 0.243_181_711_0, 0.199_000_414_3),
    ] {
        let bean = BeanConfig { order, strength: 1.0, gamma: 1.0, stages: None };
        let found = bean.at(&tensor(&h), &tensor(&w));
        for (found, expected) in [
            (f64::from(found.value), value),
            (norm(&to_vec(found.weights)), by_weights),
            (norm(&to_vec(found.activations)), by_activations),
        ] {
            assert!((found / expected - 1.0).abs() < 1e-5, "{order:?}: {found}, not {expected}");
        }
    }
}

#[test]
fn bean_has_all_reference_values() {
    let Some(reference) = reference("bean.json") else { return };
    let (h, w): (Vec<Vec<f64>>, Vec<Vec<f64>>) =
        (parse(&reference["activations"]), parse(&reference["outgoing_weights"]));
    let cases = reference["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let order = if case["order"] == 1 { Order::First } else { Order::Second };
        let gamma = case["gamma"].as_f64().unwrap();
        let bean = BeanConfig { order, strength: 1.0, gamma, stages: None };
        let found = bean.at(&tensor(&h), &tensor(&w));
        let value = case["value"].as_f64().unwrap();
        assert!((f64::from(found.value) / value - 1.0).abs() < 1e-5);
        for (found, name) in
            [(found.activations, "grad_activations"), (found.weights, "grad_weights")]
        {
            let error = relative(&to_vec(found), &flat(&parse::<Vec<Vec<f64>>>(&case[name])));
            assert!(error < 1e-5, "{order:?}, γ {gamma}, {name}: {error:e}");
        }
    }
}

/// The regulariser's gradient reaches every parameter below, by any rule that hands errors down.
#[test]
fn with_bean_the_gradient_is_that_of_loss_and_regulariser() {
    for order in [Order::First, Order::Second] {
        let mut case = small();
        let config = BeanConfig { order, strength: 3.0, gamma: 1.5, stages: None };
        let plain = case.gradients(&mut Backpropagation::ideal()).concat();
        case.network.bean = Some(Assemblies { config, places: vec![2, 4] });
        let expected = case.gradients(&mut Backpropagation::ideal()).concat();
        assert!(relative(&plain, &expected) > 0.1, "the regulariser counts");
        let step = FiniteDifferencesConfig { step: 0.01 };
        let found = case.gradients(&mut FiniteDifferences::new(step)).concat();
        assert!(relative(&found, &expected) < 2e-3, "{}", relative(&found, &expected));
        let found =
            case.gradients(&mut predictive_coding(Inference::FixedPrediction, 1.0, 3)).concat();
        assert!(relative(&found, &expected) < 1e-5, "{}", relative(&found, &expected));
    }
}

/// On a physical layer the weights are the twin's mean Jacobian, by central differences of a prediction.
#[test]
fn a_physical_layers_outgoing_weights_are_its_mean_jacobian() {
    let mut case = case(SECOND_HARMONIC, 8);
    let place = case.network.stages.iter().position(|stage| stage.physical().is_some()).unwrap();
    let (stage, x) = (&case.network.stages[place], &case.trace.inputs[place]);
    let found = to_vec(stage.outgoing(Point::at(x), &case.laboratory).unwrap().weights);
    let [batch, width] = x.dims();
    let mut expected = Vec::new();
    for channel in 0..width {
        let mut change = vec![0.0; batch * width];
        (0..batch).for_each(|sample| change[sample * width + channel] = 1e-2);
        let change = from_vec(change, [batch, width], &x.device());
        let mut mean = |x: Tensor<2>| {
            let passed = stage.forward(&x, &mut case.laboratory, Source::Predicted, None).unwrap();
            to_vec(passed.output.mean_dim(0))
        };
        let (above, below) = (mean(x.clone() + change.clone()), mean(x.clone() - change));
        expected.extend(above.iter().zip(&below).map(|(above, below)| (above - below) / 2e-2));
    }
    assert!(relative(&found, &expected) < 1e-2, "{}", relative(&found, &expected));
}
