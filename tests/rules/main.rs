//! Training rules: reference values from the published algorithms, and identities on digital and physical layers.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

mod asymmetric;
mod bean;
mod emstdp;
mod feedback;
mod losses;
mod measured_slopes;
mod plasticity;
mod predictive_coding;

use std::path::Path;

use burn::tensor::{Device, Tensor};
use serde_json::Value;
use twinprop::calibration::bridge::{from_vec, to_tensor, to_vec};
use twinprop::data::Targets;
use twinprop::experiment::{Experiment, Given, Recipe, Setup, prepare};
use twinprop::loss::{CrossEntropy, Loss};
use twinprop::network::{
    Activation, BatchPosition, Laboratory, Linear, Network, Source, Stage, StageSeed, Trace,
};
use twinprop::rules::{
    Backpropagation, Batch, FeedbackAlignment, FiniteDifferences, FiniteDifferencesConfig,
    Inference, Layers, Perturbation, PerturbationConfig, PredictiveCoding, PredictiveCodingConfig,
    TrainingRule,
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
        let position = BatchPosition::default();
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

/// `gradient` of a weight in the order of [`tensor`], for comparison with `rows` `[out][in]`.
fn transposed(gradient: &[f32], rows: &[Vec<f64>]) -> Vec<f32> {
    let (outputs, inputs) = (rows.len(), rows[0].len());
    (0..outputs * inputs).map(|i| gradient[(i % inputs) * outputs + i / inputs]).collect()
}

/// A network of four, five, four and three units in closed form, with reference values in the tests.
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

fn flat(rows: &[Vec<f64>]) -> Vec<f32> {
    rows.iter().flatten().map(|&value| value as f32).collect()
}

fn parse<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

/// A file of reference values in the folder `shared/golden` beside the project; `None` without the file.
fn reference(name: &str) -> Option<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/golden").join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: {} does not exist", path.display());
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

/// One layer of two small shots.
const SECOND_HARMONIC: &str = r#"
network = ["encode", "scale", { physical = { device = "shg", shots = 2 } }, "scale", "readout"]
data = { source = "vowels" }
[devices.shg.model.second_harmonic]
inputs = 6
parameters = 4
outputs = 8
"#;

/// The network of `recipe` with exact twins, and a batch of `samples` samples.
fn case(recipe: &str, samples: usize) -> Case {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recipe.toml");
    std::fs::write(&path, format!("seed = 3{recipe}")).unwrap();
    let recipe = Recipe::read(&path, &[]).unwrap();
    let device = Device::flex();
    let setup = Setup::new(folder.path(), &device);
    let Experiment { split, network, mut laboratory, .. } =
        prepare(&recipe, &setup, Given::default(), &mut Unobserved).unwrap();
    laboratory.use_exact_twins();
    let chosen: Vec<usize> = (0..samples).map(|sample| sample * 30).collect();
    let batch = split.train.choose(&chosen);
    let x = to_tensor(&batch.features, &Device::flex());
    Case::new(network, laboratory, x, batch.targets)
}
