//! Identities of any network on any device: the rules agree where the twin is exact, and every stage's `vjp` is the
//! derivative of its `forward`.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::sync::Arc;

use burn::tensor::Tensor;
use twinprop::Backend;
use twinprop::Rule;
use twinprop::calibration::bridge::{from_vec, to_tensor, to_vec};
use twinprop::calibration::{Adam, NeuralTwin, NeuralTwinConfig, ReadingMoments};
use twinprop::data::Targets;
use twinprop::devices::PhysicalLayer;
use twinprop::experiment::{Experiment, Given, Recipe, Setup, prepare};
use twinprop::loss::{CrossEntropy, Loss};
use twinprop::network::{Cotangents, Point, Source, Trace, Wanted};
use twinprop::training::{Descent, Trainer, TrainingConfig, Unobserved};

/// A small network on a mismatched, noiseless device; every backend of this build runs it.
const RECIPE: &str = r#"
seed = 5
network = [
  "encode", "scale", { physical = { device = "shg", shots = 4 } },
  "scale", { physical = { device = "shg", shots = 4 } },
  "scale", "readout",
]
[data]
source = "vowels"
[devices.shg.model.second_harmonic]
inputs = 6
parameters = 6
outputs = 8
[devices.shg.imperfections]
mismatch = 0.1
[training]
range_penalty = 2.0
"#;

/// All other stages, on devices that share a setting.
const STAGES: &str = r#"
seed = 5
network = [
  { patches = { height = 4, width = 4 } },
  "wire", { pad = { channels = 4, runs = 4 } },
  { physical = { device = "small", shots = 4, shared = true, start = 0.2 } },
  "scale", { physical = { device = "small", shots = 4, start = 0.2 } },
  "scale", "relu", "tanh", { softplus = { beta = 3 } },
  { skip = { over = 5 } },
  { slice = { from = 40, count = 40 } }, "readout",
]
[data]
source = "digits"
[devices.small.model.oscillators]
count = 20
largest_angle = 2.0
bend = 0.1
coupling_deviation = 0.2
[training]
range_penalty = 2.0
"#;

/// Stages of images, digital and physical.
const IMAGES: &str = r#"
seed = 5
network = [
  "encode", { patches = { height = 3, width = 3, stride = 1, padding = 1 } },
  { physical = { device = "tile", shots = 64, shared = true } },
  "channel_scale", "relu", { pool = { size = 2 } },
  { convolution = { channels = 5, size = 3, padding = 1 } }, "tanh",
  { patches = { height = 2, width = 3, stride = 2, padding = 1 } }, "scale",
  { physical = { device = "next", shots = 6 } },
  { pool = { size = 2, kind = "average" } }, { linear = { outputs = 10 } },
]
[data]
source = "digits"
[devices.tile.model.crossbar]
inputs = 9
outputs = 4
[devices.next.model.crossbar]
inputs = 30
outputs = 7
[devices.tile.imperfections]
mismatch = 0.1
[training]
range_penalty = 2.0
"#;

/// A spiking chip; its twin is to be filled in.
const SPIKING: &str = r#"
seed = 5
network = [
  "wire", { physical = { device = "chip", start = 0.6 } }, "spike_counts", { linear = { outputs = 10 } },
]
[data]
source = "digits"
view = { spikes = { steps = 10, white = 16.0, coding = "latency" } }
[devices.chip.model.lif_chip]
lines = 64
neurons = 12
steps = 10
synaptic_time = 3.0
largest_weight = 1.0
[devices.chip.imperfections]
mismatch = 0.2
[calibration]
twin = { TWIN = {} }
"#;

/// No device at all.
const DIGITAL: &str = r#"
network = ["encode", { linear = { outputs = 11 } }, "tanh", { linear = { outputs = 11 } }, "readout"]
[data]
source = "vowels"
"#;

fn backends() -> Vec<Backend> {
    let local = [Backend::Flex, Backend::Ndarray, Backend::Wgpu, Backend::Cuda].into_iter();
    // Tests that are built for a GPU fail without one.
    let is_available = |backend: &Backend| {
        (cfg!(feature = "wgpu") && *backend == Backend::Wgpu)
            || (cfg!(feature = "cuda") && *backend == Backend::Cuda)
            || backend.device().is_ok()
    };
    local.chain(served()).filter(is_available).collect()
}

/// A backend that is served to this process; none without the feature.
#[cfg(not(feature = "remote"))]
fn served() -> Option<Backend> {
    None
}

/// A backend that this process serves to itself.
#[cfg(feature = "remote")]
fn served() -> Option<Backend> {
    static SERVED: std::sync::OnceLock<Backend> = std::sync::OnceLock::new();
    let serve = || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("ws://{}", listener.local_addr().unwrap());
        let server = twinprop::BackendServer::new(&Backend::Flex, listener).unwrap();
        std::thread::spawn(|| server.serve());
        Backend::Remote(address)
    };
    Some(SERVED.get_or_init(serve).clone())
}

fn recipes_on_backends() -> Vec<(&'static str, Backend)> {
    let recipes = [RECIPE, STAGES, IMAGES];
    recipes
        .into_iter()
        .flat_map(|recipe| backends().into_iter().map(move |backend| (recipe, backend)))
        .collect()
}

/// The experiment of `recipe` with every device's own equation as its twin.
fn exact_experiment(recipe: &str, backend: &Backend) -> Experiment {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recipe.toml");
    std::fs::write(&path, recipe).unwrap();
    let recipe = Recipe::read(&path, &[]).unwrap();
    let device = backend.device().unwrap();
    let setup = Setup::new(folder.path(), &device);
    let mut experiment = prepare(&recipe, &setup, Given::default(), &mut Unobserved).unwrap();
    experiment.laboratory.use_exact_twins();
    experiment
}

fn batch(experiment: &Experiment, backend: &Backend) -> (Tensor<2>, Targets) {
    let chosen: Vec<usize> = (0..24).map(|sample| sample * 30).collect();
    let batch = experiment.split.train.choose(&chosen);
    (to_tensor(&batch.features, &backend.device().unwrap()), batch.targets)
}

fn gradients(experiment: &mut Experiment, rule: Rule, backend: &Backend) -> Vec<f32> {
    let (x, targets) = batch(experiment, backend);
    let Experiment { network, laboratory, .. } = experiment;
    let trace: Trace = network.forward(x, laboratory, rule.forward(), None).unwrap();
    let (_, cotangent) = CrossEntropy::default().at(trace.output(), &targets);
    let gradients = network.backward(&trace, cotangent, laboratory);
    gradients.into_iter().flat_map(to_vec).collect()
}

fn norm(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn with_an_exact_twin_and_no_noise_all_rules_have_one_gradient() {
    for (recipe, backend) in recipes_on_backends() {
        let mut experiment = exact_experiment(recipe, &backend);
        let pat = gradients(&mut experiment, Rule::Pat, &backend);
        assert!(norm(pat.iter().copied()) > 1e-3, "a gradient of zero compares nothing");
        for rule in [Rule::Ideal, Rule::InSilico] {
            let other = gradients(&mut experiment, rule, &backend);
            let difference = norm(pat.iter().zip(&other).map(|(left, right)| left - right));
            let relative = difference / norm(pat.iter().copied());
            assert!(relative < 1e-5, "{rule} on {backend}: {relative}");
        }
    }
}

/// On a chip that spikes, whether its twin differentiates spikes or counts.
#[test]
fn with_an_exact_twin_and_no_noise_a_spiking_chip_has_one_gradient() {
    for (twin, backend) in
        backends().into_iter().flat_map(|b| [("surrogate", b.clone()), ("spike_train", b)])
    {
        let mut experiment = exact_experiment(&SPIKING.replace("TWIN", twin), &backend);
        let pat = gradients(&mut experiment, Rule::Pat, &backend);
        assert!(norm(pat[..20 * 12].iter().copied()) > 1e-3, "a gradient of zero compares nothing");
        let in_silico = gradients(&mut experiment, Rule::InSilico, &backend);
        let difference = norm(pat.iter().zip(&in_silico).map(|(left, right)| left - right));
        let relative = difference / norm(pat.iter().copied());
        assert!(relative < 1e-6, "{twin} on {backend}: {relative}");
    }
}

#[test]
fn twins_linearised_while_the_device_plays_have_the_same_gradient() {
    for (backend, residual) in backends().into_iter().flat_map(|b| [(b.clone(), false), (b, true)])
    {
        let mut experiment = exact_experiment(RECIPE, &backend);
        let size = NeuralTwinConfig { width: 24, depth: 3, residual };
        for instrument in &mut experiment.laboratory.instruments {
            let interface = instrument.device.interface();
            let bins = interface.outputs.len();
            let moments = ReadingMoments { mean: vec![0.1; bins], deviation: vec![0.5; bins] };
            let device = backend.device().unwrap();
            let twin = NeuralTwin::new(&size, interface, moments, 2, &device);
            instrument.twin = Some(Arc::new(twin));
        }
        let expected = gradients(&mut experiment, Rule::Pat, &backend);
        let (x, targets) = batch(&experiment, &backend);
        let Experiment { network, laboratory, .. } = &mut experiment;
        let trace = network.measure_and_linearise(x, laboratory, None).unwrap();
        assert_eq!(trace.linearised.iter().flatten().count(), 2);
        let (_, cotangent) = CrossEntropy::default().at(trace.output(), &targets);
        let found = network.backward(&trace, cotangent, laboratory);
        let found: Vec<f32> = found.into_iter().flat_map(to_vec).collect();
        let difference = norm(found.iter().zip(&expected).map(|(left, right)| left - right));
        assert!(norm(expected.iter().copied()) > 1e-3, "a gradient of zero compares nothing");
        assert!(difference <= 1e-6 * norm(expected.iter().copied()), "{backend}: {difference}");
    }
}

#[test]
fn every_stage_vjp_agrees_with_central_differences() {
    for (recipe, backend) in recipes_on_backends() {
        let mut experiment = exact_experiment(recipe, &backend);
        let device = backend.device().unwrap();
        let (x, _) = batch(&experiment, &backend);
        let Experiment { network, laboratory, .. } = &mut experiment;
        let trace = network.forward(x, laboratory, Source::Measured, None).unwrap();
        let mut outputs = trace.inputs[1..].to_vec();
        outputs.push(trace.output().clone());
        let wave = |shape: [usize; 2], phase: f32| {
            let values = (0..shape[0] * shape[1]).map(|i| (0.7 * i as f32 + phase).sin()).collect();
            from_vec(values, shape, &device)
        };
        for (index, output) in outputs.iter().enumerate() {
            // Inside the range, where the penalty is zero and no clamp has its kink.
            let kind = experiment.network.stages[index].kind();
            let x = match kind {
                "physical" => trace.inputs[index].clone().clamp(-0.9, 0.9),
                // Values of a window so far apart that its largest stays the largest.
                "pool" => {
                    let shape = trace.inputs[index].dims();
                    let values = (0..shape[0] * shape[1]).map(|i| 0.3 * ((7 * i) % 11) as f32);
                    from_vec(values.collect(), shape, &device)
                }
                _ => trace.inputs[index].clone(),
            };
            // Saturated readings have kinks as well: readings near saturation do not count.
            let near_saturation = output.clone().greater_scalar(0.8);
            let dy = match kind {
                "physical" => wave(output.dims(), 0.3).mask_fill(near_saturation, 0.0),
                "relu" => {
                    wave(output.dims(), 0.3).mask_fill(x.clone().abs().lower_scalar(0.1), 0.0)
                }
                _ => wave(output.dims(), 0.3),
            };
            let stage = &experiment.network.stages[index];
            let Cotangents { input, parameters: dparameters } =
                stage.vjp(Point::at(&x), dy.clone(), Wanted::All, &experiment.laboratory);
            let dx = input.unwrap();
            let vx = wave(x.dims(), 1.1);
            let vparameters: Vec<Tensor<2>> =
                dparameters.iter().map(|gradient| wave(gradient.dims(), 2.3)).collect();
            let along = |gradient: Tensor<2>, direction: &Tensor<2>| {
                to_vec(gradient * direction.clone()).into_iter().map(f64::from).sum::<f64>()
            };
            // The encoder clamps features at the training data's extremes: a kink at its input.
            let moves_input = kind != "encode";
            // Sums of many terms of both signs are known to a share of their sizes.
            let terms = along(dx.clone().abs(), &vx.clone().abs());
            let predicted = if moves_input { along(dx, &vx) } else { 0.0 }
                + dparameters
                    .into_iter()
                    .zip(&vparameters)
                    .map(|(gradient, direction)| along(gradient, direction))
                    .sum::<f64>();
            let mut end = |h: f64| -> f64 {
                let stage = &mut experiment.network.stages[index];
                let before: Vec<Tensor<2>> =
                    stage.parameters().into_iter().map(|(_, value)| value.clone()).collect();
                for (value, direction) in
                    stage.tensors_mut().parameters.into_iter().zip(&vparameters)
                {
                    *value = value.clone() + direction.clone() * h;
                }
                let x = if moves_input { x.clone() + vx.clone() * h } else { x.clone() };
                let laboratory = &mut experiment.laboratory;
                let passed = stage.forward(&x, laboratory, Source::Measured, None).unwrap();
                for (value, before) in stage.tensors_mut().parameters.into_iter().zip(before) {
                    *value = before;
                }
                along(passed.output, &dy)
            };
            let h = 0.01;
            let measured = (8.0 * (end(h) - end(-h)) - (end(2.0 * h) - end(-2.0 * h))) / (12.0 * h);
            let size = predicted.abs().max(1e-2).max(1e-3 * terms);
            assert!(
                (measured - predicted).abs() < 3e-3 * size,
                "stage {index} ({kind}) on {backend}: {measured} measured, {predicted} predicted"
            );
        }
    }
}

#[test]
fn pat_with_an_exact_twin_lowers_the_devices_loss_as_ideal_training_does() {
    for backend in backends() {
        let loss_after = |rule: Rule, steps: usize| -> f32 {
            let mut experiment = exact_experiment(RECIPE, &backend);
            let mut optimiser = Adam::default();
            for _ in 0..steps {
                let (x, targets) = batch(&experiment, &backend);
                let Experiment { network, laboratory, .. } = &mut experiment;
                let trace = network.forward(x, laboratory, rule.forward(), None).unwrap();
                let (_, cotangent) = CrossEntropy::default().at(trace.output(), &targets);
                let gradients = network.backward(&trace, cotangent, laboratory);
                optimiser.step(std::iter::repeat(0.01), network.parameters_mut(), gradients);
            }
            let (x, targets) = batch(&experiment, &backend);
            let Experiment { network, laboratory, .. } = &mut experiment;
            let trace = network.forward(x, laboratory, Source::Measured, None).unwrap();
            CrossEntropy::default().at(trace.output(), &targets).0
        };
        let start = loss_after(Rule::Pat, 0);
        for steps in [1, 10] {
            let (pat, ideal) = (loss_after(Rule::Pat, steps), loss_after(Rule::Ideal, steps));
            assert!(pat < start, "{steps} steps on {backend}: {pat} from {start}");
            assert!((pat - ideal).abs() < 1e-4 * start, "{steps} steps: {pat} and {ideal}");
        }
    }
}

#[test]
fn beyond_the_range_only_the_penalty_has_a_gradient() {
    let backend = Backend::Flex;
    let mut experiment = exact_experiment(RECIPE, &backend);
    let clamped_before = experiment.laboratory.clamped();
    let stage = &mut experiment.network.stages[2];
    let x = Tensor::<2>::full([3, 24], 1.5, &backend.device().unwrap());
    let passed = stage.forward(&x, &mut experiment.laboratory, Source::Measured, None).unwrap();
    assert_eq!(experiment.laboratory.clamped() - clamped_before, 72);
    let dy = passed.output.ones_like();
    let dx = stage.vjp(Point::at(&x), dy, Wanted::Input, &experiment.laboratory).into_input();
    // λ · 2 · excess / count, with λ = 2 and excess 0.5 over 72 drives.
    for gradient in to_vec(dx) {
        assert!((gradient - 2.0 * 2.0 * 0.5 / 72.0).abs() < 1e-6, "{gradient}");
    }
    assert!((stage.range_penalty(&x) - 2.0 * 0.25).abs() < 1e-6);
}

/// Parameters after an epoch of physics-aware training on a noiseless device, each batch in `parts` parts.
fn trained_in(recipe: &str, parts: usize) -> Vec<f32> {
    let backend = Backend::Flex;
    let mut experiment = exact_experiment(recipe, &backend);
    let config = TrainingConfig { epochs: 1, parts, ..TrainingConfig::default() };
    let Experiment { network, laboratory, split, .. } = &mut experiment;
    Trainer::new(network, laboratory)
        .configure(&config, 3)
        .optimiser(Descent)
        .without_tests()
        .train(split)
        .unwrap();
    experiment
        .network
        .parameters()
        .into_iter()
        .flat_map(|(_, tensor)| to_vec(tensor.clone()))
        .collect()
}

#[test]
fn a_batch_in_parts_trains_like_a_whole_batch() {
    let noisy = STAGES.replace(
        "\"wire\", { pad",
        "\"wire\", { jitter = { deviation = 0.1 } }, { dropout = { rate = 0.1 } }, { pad",
    );
    assert_ne!(noisy, STAGES);
    for recipe in [RECIPE, noisy.as_str(), DIGITAL] {
        let whole = trained_in(recipe, 1);
        // The last batch of an epoch has fewer samples, and one part fewer.
        let parts = trained_in(recipe, 5);
        let furthest = whole.iter().zip(&parts).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let moved = whole.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        assert!(furthest < 1e-4 * moved, "{furthest} apart, of {moved}");
    }
}
