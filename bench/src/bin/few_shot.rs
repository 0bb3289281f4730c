//! What regularisers do for few-shot learning: MNIST with 1, 5, 10 and 20 images a class.
//!
//! `cargo run --release -p twinprop-bench --bin few_shot -- --mnist FOLDER` trains 784-128-64-10 with
//! rectifiers on each seed's images with every strength of every regulariser, chooses the strength by 2,000
//! other training images, and prints the accuracy on the 10,000 test images, with the paired difference to no
//! regulariser.

use std::error::Error;
use std::iter::repeat;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use burn::tensor::Device;
use clap::Parser;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use twinprop::Backend;
use twinprop::calibration::Adam;
use twinprop::calibration::bridge::{to_matrix, to_tensor};
use twinprop::data::{DataConfig, Dataset, IdxConfig, Locator, SourceConfig, Split};
use twinprop::devices::random;
use twinprop::loss::{CrossEntropy, Loss};
use twinprop::network::{
    Activation, Assemblies, BatchPosition, BeanConfig, Dropout, Laboratory, Linear, Network, Order,
    Source, StageSeed,
};
use twinprop::training::ShrinkageConfig;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Regularisers on few images.
#[derive(Parser)]
struct Arguments {
    /// MNIST's folder.
    #[arg(long)]
    mnist: PathBuf,
    /// Seeds: other images, other weights.
    #[arg(long, default_value_t = 10)]
    seeds: u64,
    /// Images a class.
    #[arg(long, value_delimiter = ',', default_value = "1,5,10,20")]
    images: Vec<usize>,
    /// Adam's steps.
    #[arg(long, default_value_t = 600)]
    steps: u64,
}

const WIDTHS: [usize; 4] = [784, 128, 64, 10];
const BATCH: usize = 20;
const LEARNING_RATE: f64 = 1e-3;
/// Images that strengths are chosen by.
const VALIDATION: usize = 2000;

/// A regulariser of some strength.
#[derive(Clone, Copy)]
enum Regulariser {
    Nothing,
    L1(f64),
    WeightDecay(f64),
    Dropout(f64),
    Bean(Order, f64),
}

/// Every regulariser with the strengths that are tried.
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
    let data = DataConfig { source, split: Default::default(), every: 1, augment: None };
    let split = data.load(&Locator::new(Path::new("."), None), 0)?;
    let regularisers = regularisers();
    println!("images a class | regulariser | test accuracy (%) | difference to none, ± its error");
    for &images in &arguments.images {
        // Accuracies of a seed, a regulariser each.
        let found: Vec<Vec<f32>> = (1..=arguments.seeds)
            .into_par_iter()
            .map(|seed| {
                let chosen = Chosen::draw(&split, images, seed);
                regularisers.iter().map(|(_, ways)| chosen.best(ways, arguments.steps)).collect()
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

/// Mean and standard deviation of shares, in per cent.
fn moments(shares: &[f32]) -> (f32, f32) {
    let count = shares.len() as f32;
    let mean = shares.iter().sum::<f32>() / count;
    let squares: f32 = shares.iter().map(|share| (share - mean).powi(2)).sum();
    (100.0 * mean, 100.0 * (squares / (count - 1.0).max(1.0)).sqrt())
}

/// What a seed learns from and is judged by.
struct Chosen<'a> {
    seed: u64,
    training: Dataset,
    validation: Dataset,
    test: &'a Dataset,
}

impl<'a> Chosen<'a> {
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

    /// Accuracy on the test images of the way that does best on the others.
    fn best(&self, ways: &[Regulariser], steps: u64) -> f32 {
        let trained = ways.iter().map(|&way| {
            let network = self.train(way, steps);
            (judge(&network, &self.validation), network)
        });
        let best = trained.max_by(|left, right| left.0.total_cmp(&right.0));
        best.map_or(0.0, |(_, network)| judge(&network, self.test))
    }

    fn train(&self, way: Regulariser, steps: u64) -> Network {
        let device = device();
        let mut network = network(way, self.seed, &device);
        let shrinkage = match way {
            Regulariser::L1(l1) => ShrinkageConfig { l1, l2: 0.0 },
            Regulariser::WeightDecay(l2) => ShrinkageConfig { l1: 0.0, l2 },
            _ => ShrinkageConfig::default(),
        };
        let (mut laboratory, mut adam) = (Laboratory::default(), Adam::default());
        let mut order: Vec<usize> = (0..self.training.len()).collect();
        let mut position = order.len();
        for step in 0..steps {
            if position >= order.len() {
                order.shuffle(&mut random::stream(self.seed, &format!("order {step}")));
                position = 0;
            }
            let batch = &order[position..(position + BATCH).min(order.len())];
            position += BATCH;
            let batch = self.training.choose(batch);
            let position = BatchPosition { step, batch: batch.len(), first: 0 };
            let x = to_tensor(&batch.features, &device);
            let trace = network.forward(x, &mut laboratory, Source::Predicted, Some(position));
            let Ok(trace) = trace else { break };
            let (_, cotangent) = CrossEntropy::default().at(trace.output(), &batch.targets);
            let gradients = network.backward(&trace, cotangent, &laboratory);
            let gradients = shrinkage.shrink(&network, gradients);
            adam.step(repeat(LEARNING_RATE), network.parameters_mut(), gradients);
        }
        network
    }
}

fn device() -> Device {
    Backend::Flex.device().unwrap_or_default()
}

fn network(way: Regulariser, seed: u64, device: &Device) -> Network {
    let mut network = Network::new(Vec::new());
    for (layer, pair) in WIDTHS.windows(2).enumerate() {
        if layer > 0 {
            network.stages.push(Activation::Relu.into());
            if let Regulariser::Dropout(rate) = way {
                network.stages.push(Dropout::new(rate, StageSeed { seed, place: layer }).into());
            }
        }
        let seed = StageSeed { seed, place: layer };
        network.stages.push(Linear::new(pair[0], pair[1], seed, device).into());
    }
    if let Regulariser::Bean(order, strength) = way {
        let config = BeanConfig { order, strength, gamma: 1.0, stages: None };
        network.bean = Some(Assemblies { config, places: vec![2, 4] });
    }
    network
}

fn judge(network: &Network, samples: &Dataset) -> f32 {
    let x = to_tensor(&samples.features, &device());
    let trace = network.forward(x, &mut Laboratory::default(), Source::Predicted, None);
    trace.map_or(0.0, |trace| {
        CrossEntropy::default().score(&to_matrix(trace.output().clone()), &samples.targets).value()
    })
}
