//! Your own loss, on data in memory: a network that predicts the 90 % quantile instead of the mean.
//!
//! The pinball loss (Koenker & Bassett, Econometrica 46, 33, 1978, eq. 2.1) costs τ for each unit by which a prediction
//! is too low and 1 − τ for each unit by which it is too high. At its minimum, a share τ of the targets is below the
//! prediction.
//!
//!     cargo run --release --example own_loss

use rand::RngExt;
use twinprop::burn::tensor::{Device, Tensor};
use twinprop::calibration::EquationTwin;
use twinprop::calibration::bridge::to_tensor;
use twinprop::data::{Dataset, Split, Targets};
use twinprop::devices::nalgebra::DMatrix;
use twinprop::devices::optical::SecondHarmonicConfig;
use twinprop::devices::{DeviceConfig, DeviceKind, ImperfectionsConfig, PhysicalLayer, random};
use twinprop::loss::Loss;
use twinprop::network::{
    Encode, Instrument, Laboratory, Linear, Network, Physical, PhysicalOptions, Scale, StageSeed,
};
use twinprop::training::{Trainer, evaluate};

/// The pinball loss with quantile τ.
struct Pinball(f64);

impl Loss for Pinball {
    fn at(&self, outputs: &Tensor<2>, targets: &Targets) -> (f32, Tensor<2>) {
        let Targets::Values(values) = targets else { panic!("quantiles are values") };
        let below = to_tensor(values, &outputs.device()) - outputs.clone();
        let count = below.shape().num_elements() as f64;
        // dℒ/dy is −τ where the target is above the prediction, and 1 − τ where it is below.
        let slope = below.clone().greater_scalar(0.0).float().neg() + (1.0 - self.0);
        ((-(slope.clone() * below).sum() / count).into_scalar(), slope / count)
    }
}

/// y = sin 2x with noise that grows with x.
fn samples(count: usize, purpose: &str) -> Dataset {
    let random = &mut random::stream(1, purpose);
    let x = DMatrix::from_fn(1, count, |_, _| random.random_range(0.0..2.0_f32));
    let y = x.map(|x| (2.0 * x).sin() + 0.5 * x * random.random_range(-1.0..1.0));
    Dataset::new(x, y)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = Split::new(samples(2000, "training"), samples(2000, "test"));
    let model =
        SecondHarmonicConfig { inputs: 8, parameters: 8, outputs: 12, ..Default::default() };
    let config = DeviceConfig {
        model: DeviceKind::SecondHarmonic(model),
        imperfections: ImperfectionsConfig { mismatch: 0.05, ..Default::default() },
    };
    let device = config.fabricate(1)?;
    let (backend, interface) = (Device::flex(), device.device.interface().clone());
    let mut laboratory = Laboratory::default();
    let shg = laboratory
        .add(Instrument::new("shg", device.device).with_twin(EquationTwin::new(device.nominal)));

    let seed = |place| StageSeed { seed: 1, place };
    let options = PhysicalOptions { shots: 2, ..PhysicalOptions::default() };
    let (minimum, maximum) = data.train.extremes();
    let mut network = Network::new(vec![
        Encode::new(&minimum, &maximum, 16, &backend).into(),
        Scale::new(16, 16, None, &backend).into(),
        Physical::new(shg, &interface, options, seed(2), &backend).into(),
        Scale::new(24, 24, Some(1.0), &backend).into(),
        Linear::new(24, 1, seed(4), &backend).into(),
    ]);
    network.initialise(to_tensor(&data.train.features, &backend), &mut laboratory)?;

    let loss = Pinball(0.9);
    Trainer::new(&mut network, &mut laboratory).loss(&loss).epochs(30).seed(1).train(&data)?;
    let found = evaluate(&network, &mut laboratory, &data.test, &loss, &backend)?;
    let Targets::Values(values) = &data.test.targets else { unreachable!("they are values") };
    let below = values.iter().zip(&found.outputs).filter(|(value, output)| value < output).count();
    let share = below as f32 / values.len() as f32;
    println!("{:.1} % of the test targets lie below the predicted quantile", 100.0 * share);
    assert!((share - 0.9).abs() < 0.05, "the 90 % quantile is learned: {share}");
    Ok(())
}
