//! The subjects of the benchmarks: networks of the recipes, ready to train.
//!
//! `cargo bench -p twinprop-bench` prints the times; `cargo run --release -p twinprop-bench` prints them beside
//! NumPy's and PyTorch's.

mod device_clock;
mod device_play;
mod fit;
mod layers;
mod limit;
mod pat_steps;
mod peer;
mod program;
mod training;

use std::iter::repeat;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use twinprop::Backend;
use twinprop::calibration::bridge::to_tensor;
use twinprop::calibration::{Adam, EquationTwin, NeuralTwin, ReadingMoments, TwinConfig};
use twinprop::devices::electronic::TransistorConfig;
use twinprop::devices::mechanical::{OscillatorsConfig, PlateConfig};
use twinprop::devices::optical::SecondHarmonicConfig;
use twinprop::devices::{DeviceConfig, DeviceKind, ImperfectionsConfig, PhysicalLayer};
use twinprop::experiment::{Experiment, Given, Recipe, Setup, prepare};
use twinprop::loss::CrossEntropy;
use twinprop::network::{BatchPosition, Physical, Source, Stage, Wanted};
use twinprop::rules::{
    Backpropagation, Batch, PredictiveCoding, PredictiveCodingConfig, StepOutput, TrainingRule,
};
use twinprop::training::{Awake, TrainingConfig, Unobserved};

pub use device_clock::DeviceClock;
pub use device_play::DevicePlay;
pub use fit::Fit;
pub use layers::{KINDS, Layers};
pub use limit::{Machine, Work};
pub use pat_steps::{PAT_STEPS, PatStep};
pub use peer::{Peer, Times, in_turns, steps_in_turns, vjps_in_turns};
pub use program::{Outcome, run};
pub use training::train;

/// The network of `experiments/vowels-optical.toml`, with an untrained twin of the recipe's size: a step costs as much
/// as after calibration.
///
/// # Panics
/// If the recipe cannot be read or built.
#[must_use]
pub fn vowels_optical(backend: Backend) -> (Recipe, Experiment) {
    let device = backend.device().expect("the backend is built in");
    let (recipe, mut experiment) = of_recipe("vowels-optical", backend);
    let TwinConfig::Neural(config) = &recipe.calibration.twin else {
        panic!("the recipe has a neural twin");
    };
    for instrument in &mut experiment.laboratory.instruments {
        let interface = instrument.device.interface();
        let bins = interface.outputs.len();
        let moments = ReadingMoments { mean: vec![0.0; bins], deviation: vec![1.0; bins] };
        let twin = NeuralTwin::new(config, interface, moments, recipe.seed, &device);
        instrument.twin = Some(Arc::new(twin));
    }
    (recipe, experiment)
}

/// A training step: forward measured, a gradient by a rule, Adam.
pub struct Step {
    /// The network on its devices.
    pub experiment: Experiment,
    rule: Box<dyn TrainingRule>,
    optimiser: Adam,
    batch: Vec<usize>,
    /// Device of the digital stages and twins.
    backend: Device,
}

impl Step {
    /// Step on the first 32 samples of `experiment`, by backpropagation through the twins.
    #[must_use]
    pub fn new(experiment: Experiment) -> Self {
        Self::by(Box::new(Backpropagation::physics_aware()), experiment)
    }

    /// The same step on `batch` samples, which repeat if the training set is smaller.
    #[must_use]
    pub fn on_batch(self, batch: usize) -> Self {
        let samples = self.experiment.split.train.len();
        Self { batch: (0..batch).map(|sample| sample % samples).collect(), ..self }
    }

    /// Step on the first 32 samples of `experiment`, by `rule`.
    #[must_use]
    pub fn by(rule: Box<dyn TrainingRule>, experiment: Experiment) -> Self {
        let parameters = experiment.network.parameters();
        let backend = parameters.first().map_or_else(Device::flex, |(_, first)| first.device());
        Self { backend, experiment, rule, optimiser: Adam::default(), batch: (0..32).collect() }
    }

    /// Multiply-adds of a step on devices with their equations as twins: per shot one pass of the device, one of the
    /// twin and an adjoint of two passes; per digital stage three forward passes.
    ///
    /// # Panics
    /// If a device has no twin.
    #[must_use]
    pub fn multiply_adds(&self) -> u64 {
        let Experiment { network, laboratory, .. } = &self.experiment;
        let of_a_sample = network.stages.iter().map(|stage| {
            let shots = stage.physical().map_or(0, |physical: &Physical| {
                let twin = laboratory.instruments[physical.instrument()].twin();
                twin.multiply_adds() * physical.shots() as u64
            });
            4 * shots + 3 * stage.multiply_adds()
        });
        self.batch.len() as u64 * of_a_sample.sum::<u64>()
    }

    /// Returns a function that computes the vector-Jacobian product of the first device's twin for the step's batch.
    ///
    /// # Panics
    /// If the network has no device, or the device fails.
    pub fn twin_vjp(&mut self) -> impl FnMut() {
        let Experiment { split, network, laboratory, .. } = &mut self.experiment;
        let x = to_tensor(&split.train.choose(&self.batch).features, &self.backend);
        let trace =
            network.forward(x, laboratory, Source::Measured, None).expect("the device answers");
        let is_physical = |stage: &Stage| stage.physical().is_some();
        let place = network.stages.iter().position(is_physical).expect("the network has a device");
        let laboratory = &*laboratory;
        let stage = &network.stages[place];
        move || {
            let dy = trace.outputs[place].clone();
            let _ = stage.vjp(trace.point(place), dy, Wanted::All, laboratory);
        }
    }

    /// Waits until the backend has completed its work.
    ///
    /// # Errors
    /// The backend's error.
    pub fn finish(&self) -> Outcome<()> {
        Ok(self.backend.sync()?)
    }

    /// Number of samples of an epoch.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.experiment.split.train.len()
    }

    /// Trains for an epoch in batches of 32 by physics-aware training, with a new Adam, as [`train`] does.
    ///
    /// # Errors
    /// The training's error.
    pub fn epoch(&mut self) -> Outcome<()> {
        let config = TrainingConfig { epochs: 1, batch: 32, ..TrainingConfig::default() };
        train(&mut self.experiment, &config, None, &mut Unobserved)?;
        Ok(())
    }

    /// Makes one step; returns the loss.
    ///
    /// # Panics
    /// If the device fails.
    pub fn run(&mut self) -> f32 {
        let _awake = Awake::keep();
        let Experiment { split, network, laboratory, .. } = &mut self.experiment;
        let samples = split.train.choose(&self.batch);
        let inputs = to_tensor(&samples.features, &self.backend);
        let position = BatchPosition::default();
        let batch = Batch { inputs: &inputs, targets: &samples.targets, position };
        let step = self.rule.step(&batch, network, laboratory, &CrossEntropy::default());
        let StepOutput { loss, gradients, .. } = step.expect("the device answers");
        self.optimiser.step(repeat(1e-4), network.parameters_mut(), gradients);
        loss
    }
}

/// The network of `experiments/mnist-oscillators.toml` on the true device of
/// `experiments/fashion-mnist-oscillators.toml`.
const MNIST_OSCILLATORS: &str = r#"
network = [
  "wire", { physical = { device = "first", start = 0.00893 } },
  "wire", { pad = { channels = 10 } }, { physical = { device = "second", start = 0.00871 } },
  { slice = { from = 196, count = 10 } }, "readout",
]
[data]
source = { csv = { path = "noise.csv" } }
[devices.first.model.oscillators]
count = 196
largest_angle = 16.0
largest_parameter = 8.0
bend = 0.1
coupling_deviation = 0.2
[devices.first.imperfections]
input_noise = 0.000625
[devices.second.model.oscillators]
count = 206
largest_angle = 16.0
largest_parameter = 8.0
bend = 0.1
coupling_deviation = 0.2
[devices.second.imperfections]
input_noise = 0.000625
"#;

/// A step of the MNIST oscillators on images of noise: its time does not depend on the pixels.
///
/// # Panics
/// If the network cannot be built, or the temporary folder cannot be written.
#[must_use]
pub fn mnist_oscillators() -> Step {
    Step::new(with_equations(on_noise(MNIST_OSCILLATORS, 196, &Backend::Flex).1))
}

/// The network of `experiments/mnist-stack.toml`.
const MNIST_STACK: &str = r#"
network = ["wire", { physical = { device = "stack", haar = true } }, { slice = { count = 10 } }]
[data]
source = { csv = { path = "noise.csv" } }
[devices.stack.model.coherent_stack]
modes = 64
meshes = 3
splitter_error = 0.06
phase_error = 0.06
"#;

/// A step of the coherent stack on 500 samples of noise, with its nominal equation as the twin: its time does not depend
/// on the amplitudes or the constants.
///
/// # Panics
/// If the network cannot be built, or the temporary folder cannot be written.
#[must_use]
pub fn mnist_stack() -> Step {
    Step::new(with_equations(on_noise(MNIST_STACK, 128, &Backend::Flex).1)).on_batch(500)
}

/// The network, the device and the calibration of `experiments/mnist-optical.toml`, without its images.
const MNIST_OPTICAL: &str = r#"
network = [
  "encode", { linear = { outputs = 396 } },
  "scale", { physical = { device = "shg", shots = 22 } },
  "scale", { physical = { device = "shg", shots = 22 } },
  "scale", "readout",
]
[data]
source = { csv = { path = "noise.csv" } }
[devices.shg.model.second_harmonic]
inputs = 18
parameters = 18
outputs = 22
chirp_fs2 = 6000.0
exposure = 2.0
[devices.shg.imperfections]
mismatch = 0.05
input_noise = 0.01
readout_noise = 0.01
[calibration]
twin = { learned_physics = {} }
shots = 4096
"#;

/// A step of the MNIST hybrid, a digital layer before second-harmonic generation, on images of noise.
///
/// # Panics
/// If the network cannot be built, or the temporary folder cannot be written.
#[must_use]
pub fn mnist_optical() -> Step {
    Step::new(with_equations(on_noise(MNIST_OPTICAL, 196, &Backend::Flex).1))
}

/// The calibration of the MNIST hybrid's device for images of noise.
///
/// # Errors
/// As [`Fit::new`].
///
/// # Panics
/// If the network cannot be built, or the temporary folder cannot be written.
pub fn fit_of_mnist_optical() -> Outcome<Fit> {
    let (recipe, experiment) = on_noise(MNIST_OPTICAL, 196, &Backend::Flex);
    Fit::new(recipe, experiment)
}

/// A step of `bench/recipes/deep-plate.toml`.
///
/// # Panics
/// If the recipe cannot be read or built.
#[must_use]
pub fn deep_plate() -> Step {
    Step::new(with_equations(of_file("bench/recipes/deep-plate.toml", &Backend::Flex).1))
}

/// The calibration of the device of `bench/recipes/deep-plate.toml`.
///
/// # Errors
/// As [`Fit::new`].
///
/// # Panics
/// If the recipe cannot be read or built.
pub fn fit_of_deep_plate() -> Outcome<Fit> {
    let (recipe, experiment) = of_file("bench/recipes/deep-plate.toml", &Backend::Flex);
    Fit::new(recipe, experiment)
}

/// The calibration of the device of the recipe `name` of `experiments`.
///
/// # Errors
/// As [`Fit::new`].
///
/// # Panics
/// If the recipe cannot be read or built.
pub fn fit_of_recipe(name: &str) -> Outcome<Fit> {
    let (recipe, experiment) = of_recipe(name, Backend::Flex);
    Fit::new(recipe, experiment)
}

/// Makes the equations of an experiment's devices their twins: a step costs as much as with learned constants.
fn with_equations(mut experiment: Experiment) -> Experiment {
    for instrument in &mut experiment.laboratory.instruments {
        if let Some(equation) = instrument.nominal.clone() {
            instrument.twin = Some(Arc::new(EquationTwin::new(equation)));
        }
    }
    experiment
}

/// The recipe `name` of `experiments` and its experiment, without twins.
fn of_recipe(name: &str, backend: Backend) -> (Recipe, Experiment) {
    of_file(&format!("experiments/{name}.toml"), &backend)
}

/// The recipe in the file `path` of the repository and its experiment, without twins.
fn of_file(path: &str, backend: &Backend) -> (Recipe, Experiment) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let device = backend.device().expect("the backend is built in");
    let recipe = Recipe::read(&root.join(path), &[]).expect("the recipe is valid");
    let experiment =
        prepare(&recipe, &Setup::new(&root, &device), Given::default(), &mut Unobserved)
            .expect("the recipe can be built");
    (recipe, experiment)
}

/// A digital network of 784, 256, 128, 64 and 10 units.
const DIGITAL: &str = r#"
network = [
  "encode", { linear = { outputs = 256 } }, "tanh", { linear = { outputs = 128 } }, "tanh",
  { linear = { outputs = 64 } }, "tanh", { linear = { outputs = 10 } }, "readout",
]
[data]
source = { csv = { path = "noise.csv" } }
"#;

/// A step of predictive coding by `config` on a digital network of 784, 256, 128, 64 and 10 units.
///
/// # Panics
/// If the network cannot be built, or the temporary folder cannot be written.
#[must_use]
pub fn predictive_coding(config: PredictiveCodingConfig) -> Step {
    Step::by(Box::new(PredictiveCoding::new(config)), on_noise(DIGITAL, 784, &Backend::Flex).1)
}

/// `recipe` and its experiment on 210 images of noise in ten classes; 160 of them, five batches of 32, are the
/// training set.
fn on_noise(recipe: &str, pixels: usize, backend: &Backend) -> (Recipe, Experiment) {
    on_pixels(recipe, pixels, |noise| noise, backend)
}

/// The same with `value` of the noise, which is from 0 to 1, as pixels.
fn on_pixels(
    recipe: &str,
    pixels: usize,
    value: impl Fn(f32) -> f32,
    backend: &Backend,
) -> (Recipe, Experiment) {
    let folder = std::env::temp_dir().join(format!("twinprop-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
    let pixel =
        |image: usize, pixel: usize| value(0.5 + 0.5 * ((image * 131 + pixel * 17) as f32).sin());
    let mut images: String =
        (0..pixels).map(|pixel| format!("p{pixel},")).collect::<String>() + "label\n";
    for image in 0..210 {
        let values: String = (0..pixels).map(|place| format!("{},", pixel(image, place))).collect();
        images += &format!("{values}{}\n", image % 10);
    }
    std::fs::write(folder.join("noise.csv"), images).expect("the temporary folder can be written");
    let path = folder.join("recipe.toml");
    std::fs::write(&path, recipe).expect("the temporary folder can be written");
    let device = backend.device().expect("the backend is built in");
    let recipe = Recipe::read(&path, &[]).expect("the recipe is valid");
    let experiment =
        prepare(&recipe, &Setup::new(&folder, &device), Given::default(), &mut Unobserved);
    // If it cannot be removed, the folder only takes space.
    let _ = std::fs::remove_dir_all(&folder);
    (recipe, experiment.expect("the recipe can be built"))
}

/// The median of `seconds`.
///
/// # Panics
/// If `seconds` is empty.
#[must_use]
pub fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// Four devices with constants 10 % off, and noise of about 1 % on drives and readings.
#[must_use]
pub fn mismatched_devices() -> Vec<DeviceConfig> {
    let device = |model, readout_noise| {
        let imperfections = ImperfectionsConfig {
            mismatch: 0.1,
            input_noise: 0.003,
            readout_noise,
            ..Default::default()
        };
        DeviceConfig { model, imperfections }
    };
    let oscillators = OscillatorsConfig {
        count: 20,
        bend: 0.1,
        coupling_deviation: 0.2,
        ..OscillatorsConfig::default()
    };
    vec![
        device(DeviceKind::SecondHarmonic(SecondHarmonicConfig::default()), 0.003),
        device(DeviceKind::Oscillators(oscillators), 1e-4),
        device(DeviceKind::Plate(PlateConfig::default()), 0.003),
        device(DeviceKind::Transistor(TransistorConfig::default()), 0.001),
    ]
}
