//! The effect of regularisers on few-shot learning: MNIST with 1, 5, 10 and 20 images per class.
//!
//! `cargo run --release -p twinprop-bench --bin few_shot -- --mnist FOLDER` trains a network of 784, 128, 64 and 10
//! units with rectifiers on each seed's images with every strength of every regulariser, chooses the strength by
//! 2,000 other training images, and prints the accuracy on the 10,000 test images, with the paired difference from
//! training without a regulariser.
//!
//! `--network lenet --images 10 --batch 1 --learning-rate 5e-4 --steps 5000` is the setting of the paper of BEAN (Gao,
//! Ascoli & Zhao, Frontiers in Neurorobotics 15, 567482, 2021) and of its code: LeNet-5, the regulariser at the inputs
//! of its three linear layers. The paper's code keeps the epoch with the best validation accuracy; here the last counts.

use std::error::Error;
use std::iter::repeat;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use burn::tensor::Device;
use clap::{Parser, ValueEnum};
use rand::seq::SliceRandom;
use rayon::prelude::*;
use twinprop::Backend;
use twinprop::calibration::Adam;
use twinprop::calibration::bridge::to_tensor;
use twinprop::data::{DataConfig, Dataset, IdxConfig, ImageSize, Locator, SourceConfig, Split};
use twinprop::devices::random;
use twinprop::loss::{CrossEntropy, Loss};
use twinprop::network::{
    Activation, Assemblies, BatchPosition, BeanConfig, Convolution, Dropout, ImageShape,
    Laboratory, Linear, Motion, Network, Order, Pool, PoolKind, Source, StageSeed, Windows,
};
use twinprop::training::{ShrinkageConfig, evaluate};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Compares regularisers on few images.
#[derive(Parser)]
struct Arguments {
    /// Folder of MNIST's four files.
    #[arg(long)]
    mnist: PathBuf,
    /// Number of seeds, each with its own images and initial weights.
    #[arg(long, default_value_t = 10)]
    seeds: u64,
    /// Images per class, comma-separated.
    #[arg(long, value_delimiter = ',', default_value = "1,5,10,20")]
    images: Vec<usize>,
    /// Training steps.
    #[arg(long, default_value_t = 600)]
    steps: u64,
    /// The network.
    #[arg(long, value_enum, default_value_t = Architecture::Perceptron)]
    network: Architecture,
    /// Images a step.
    #[arg(long, default_value_t = 20)]
    batch: usize,
    /// Learning rate of Adam.
    #[arg(long, default_value_t = 1e-3)]
    learning_rate: f64,
}

/// A network.
#[derive(Clone, Copy, ValueEnum)]
enum Architecture {
    /// 784, 128, 64 and 10 units.
    Perceptron,
    /// LeNet-5: convolutions of 6 and 16 channels, each with a pool behind it, and 400, 120, 84 and 10 units.
    Lenet,
}

impl Architecture {
    /// Units of the linear layers, from their input on.
    fn widths(self) -> [usize; 4] {
        match self {
            Self::Perceptron => [784, 128, 64, 10],
            Self::Lenet => [400, 120, 84, 10],
        }
    }
}

/// Validation images, by which strengths are chosen.
const VALIDATION: usize = 2000;

/// A regulariser with its strength.
#[derive(Clone, Copy)]
enum Regulariser {
    Nothing,
    L1(f64),
    WeightDecay(f64),
    Dropout(f64),
    Bean(Order, f64),
}

/// All regularisers, each with the strengths to try.
fn regularisers() -> [(&'static str, Vec<Regulariser>); 6] {
    use Regulariser as R;
    let each = |make: fn(f64) -> R, strengths: &[f64]| strengths.iter().map(|&s| make(s)).collect();
    [
        ("none", vec![R::Nothing]),
        ("L1", each(R::L1, &[1e-5, 1e-4, 1e-3, 1e-2, 1e-1])),
        ("weight decay", each(R::WeightDecay, &[1e-4, 1e-3, 1e-2, 1e-1, 1.0])),
        ("dropout", each(R::Dropout, &[0.1, 0.25, 0.5, 0.75, 0.9])),
        ("BEAN-1", each(|s| R::Bean(Order::First, s), &[1e-3, 1e-2, 1e-1, 1.0, 10.0])),
        ("BEAN-2", each(|s| R::Bean(Order::Second, s), &[1e-2, 1e-1, 1.0, 10.0, 100.0])),
    ]
}

fn main() -> ExitCode {
    match table(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn table(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let folder = std::path::absolute(&arguments.mnist)?;
    let source = SourceConfig::Idx(IdxConfig { folder });
    let data = DataConfig { split: Default::default(), ..DataConfig::new(source) };
    let split = data.load(&Locator::new(Path::new("."), None), 0)?;
    let regularisers = regularisers();
    println!(
        "images per class | regulariser | test accuracy (%) | difference from none ± standard error"
    );
    for &images in &arguments.images {
        // For each seed, the accuracy with each regulariser.
        let found: Vec<Vec<f32>> = (1..=arguments.seeds)
            .into_par_iter()
            .map(|seed| {
                let samples = Samples::draw(&split, images, seed);
                let best = |strengths| samples.accuracy_of_best(strengths, arguments);
                regularisers.iter().map(|(_, strengths)| best(strengths)).collect()
            })
            .collect();
        for (place, (name, _)) in regularisers.iter().enumerate() {
            let accuracies: Vec<f32> = found.iter().map(|of_seed| of_seed[place]).collect();
            let differences: Vec<f32> =
                found.iter().map(|of_seed| of_seed[place] - of_seed[0]).collect();
            let ((mean, deviation), (gain, spread)) = (moments(&accuracies), moments(&differences));
            let error = spread / (differences.len() as f32).sqrt();
            println!("{images} | {name} | {mean:.1} ± {deviation:.1} | {gain:+.1} ± {error:.1}");
        }
    }
    Ok(())
}

/// Mean and standard deviation of shares, in percent.
fn moments(shares: &[f32]) -> (f32, f32) {
    let count = shares.len() as f32;
    let mean = shares.iter().sum::<f32>() / count;
    let squares: f32 = shares.iter().map(|share| (share - mean).powi(2)).sum();
    (100.0 * mean, 100.0 * (squares / (count - 1.0).max(1.0)).sqrt())
}

/// A seed's samples for training, validation and test.
struct Samples<'a> {
    seed: u64,
    training: Dataset,
    validation: Dataset,
    test: &'a Dataset,
}

impl<'a> Samples<'a> {
    fn draw(split: &'a Split, images: usize, seed: u64) -> Self {
        let mut order: Vec<usize> = (0..split.train.len()).collect();
        order.shuffle(&mut random::stream(seed, "few images"));
        let mut left = vec![images; split.classes.len()];
        let (mut training, mut others) = (Vec::new(), Vec::new());
        for sample in order {
            let left = &mut left[split.train.targets.classes()[sample]];
            if *left > 0 {
                *left -= 1;
                training.push(sample);
            } else if others.len() < VALIDATION {
                others.push(sample);
            }
        }
        let (training, validation) = (split.train.choose(&training), split.train.choose(&others));
        Self { seed, training, validation, test: &split.test }
    }

    /// Test accuracy of the regulariser with the best validation accuracy.
    fn accuracy_of_best(&self, regularisers: &[Regulariser], arguments: &Arguments) -> f32 {
        let trained = regularisers.iter().map(|&regulariser| {
            let network = self.train(regulariser, arguments);
            (judge(&network, &self.validation), network)
        });
        let best = trained.max_by(|left, right| left.0.total_cmp(&right.0));
        best.map_or(0.0, |(_, network)| judge(&network, self.test))
    }

    fn train(&self, regulariser: Regulariser, arguments: &Arguments) -> Network {
        let device = device();
        let mut network = network(arguments.network, regulariser, self.seed, &device);
        let shrinkage = match regulariser {
            Regulariser::L1(l1) => ShrinkageConfig { l1, l2: 0.0 },
            Regulariser::WeightDecay(l2) => ShrinkageConfig { l1: 0.0, l2 },
            _ => ShrinkageConfig::default(),
        };
        let (mut laboratory, mut adam) = (Laboratory::default(), Adam::default());
        let mut order: Vec<usize> = (0..self.training.len()).collect();
        let (mut next, mut position) = (order.len(), BatchPosition::default());
        for step in 0..arguments.steps {
            if next >= order.len() {
                order.shuffle(&mut random::stream(self.seed, &format!("order {step}")));
                next = 0;
            }
            let batch = &order[next..(next + arguments.batch).min(order.len())];
            next += arguments.batch;
            let batch = self.training.choose(batch);
            let x = to_tensor(&batch.features, &device);
            let trace = network.forward(x, &mut laboratory, Source::Predicted, Some(position));
            let Ok(trace) = trace else { break };
            let (_, cotangent) = CrossEntropy::default().at(trace.output(), &batch.targets);
            let gradients = network.backward(&trace, cotangent, &laboratory);
            let gradients = shrinkage.shrink(&network, gradients);
            adam.step(repeat(arguments.learning_rate), network.parameters_mut(), gradients);
            position = position.after(batch.targets.len());
        }
        network
    }
}

fn device() -> Device {
    Backend::Flex.device().unwrap_or_default()
}

/// LeNet-5 up to its linear layers: 28 × 28 pixels → 400 values.
fn convolutions(seed: u64, device: &Device) -> Network {
    let mut network = Network::new(Vec::new());
    for (place, (side, channels, padding, outputs)) in
        [(28, 1, 2, 6), (14, 6, 0, 16)].into_iter().enumerate()
    {
        let windows = |side, channels, window, stride, padding| {
            let [size, window, stride, padding] =
                [side, window, stride, padding].map(ImageSize::square);
            let motion = Motion { window, stride, padding };
            Windows::new(ImageShape { size, channels }, motion, device)
        };
        let kernel = windows(side, channels, 5, 1, padding).expect("a window fits");
        let pooled = windows(kernel.counts().rows, outputs, 2, 2, 0).expect("a window fits");
        let seed = StageSeed { seed, place };
        network.stages.push(Convolution::new(kernel, outputs, seed, device).into());
        network.stages.push(Activation::Relu.into());
        network.stages.push(Pool { windows: pooled, kind: PoolKind::Max }.into());
    }
    network
}

fn network(
    architecture: Architecture,
    regulariser: Regulariser,
    seed: u64,
    device: &Device,
) -> Network {
    let mut network = match architecture {
        Architecture::Perceptron => Network::new(Vec::new()),
        Architecture::Lenet => convolutions(seed, device),
    };
    let mut places = Vec::new();
    for (layer, pair) in architecture.widths().windows(2).enumerate() {
        if layer > 0 {
            network.stages.push(Activation::Relu.into());
            if let Regulariser::Dropout(rate) = regulariser {
                network.stages.push(Dropout::new(rate, StageSeed { seed, place: layer }).into());
            }
        }
        let seed = StageSeed { seed, place: layer };
        // The regulariser acts on units, which have weights on both sides.
        if !network.stages.is_empty() {
            places.push(network.stages.len());
        }
        network.stages.push(Linear::new(pair[0], pair[1], seed, device).into());
    }
    if let Regulariser::Bean(order, strength) = regulariser {
        let config = BeanConfig { order, strength, gamma: 1.0, stages: None };
        network.bean = Some(Assemblies { config, places });
    }
    network
}

/// The accuracy of `network` on `samples`.
fn judge(network: &Network, samples: &Dataset) -> f32 {
    let (mut laboratory, device) = (Laboratory::default(), device());
    let loss = CrossEntropy::default();
    evaluate(network, &mut laboratory, samples, &loss, &device)
        .map_or(0.0, |evaluation| evaluation.score.value())
}
