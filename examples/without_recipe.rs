//! A network built by hand gives the same bits as its recipe.
//!
//!     cargo run --release --example without_recipe

use twinprop::burn::tensor::Device;
use twinprop::calibration::EquationTwin;
use twinprop::calibration::bridge::to_tensor;
use twinprop::data::{DataConfig, Locator, SourceConfig};
use twinprop::devices::mechanical::OscillatorsConfig;
use twinprop::devices::{DeviceConfig, DeviceKind, ImperfectionsConfig, PhysicalLayer};
use twinprop::experiment::{Given, Recipe, RunOptions, train_recipe};
use twinprop::loss::CrossEntropy;
use twinprop::network::{
    Encode, Instrument, Jitter, Laboratory, Network, Physical, PhysicalOptions, Readout, Scale,
    StageSeed,
};
use twinprop::training::{Trainer, Unobserved, evaluate};

const SEED: u64 = 1;
const EPOCHS: usize = 10;

/// Returns the accuracy of `experiments/digits-oscillators.toml` on a device without noise, after ten epochs.
fn by_recipe() -> Result<f32, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let recipe = Recipe::parse(include_str!("../experiments/digits-oscillators.toml"))?;
    let options = RunOptions {
        out: Some(folder.path().join("run")),
        set: vec![
            "devices.array.imperfections.input_noise=0".to_owned(),
            format!("training.epochs={EPOCHS}"),
            "training.refinement=\"off\"".to_owned(),
            "accounting.digital_peer=false".to_owned(),
        ],
        ..RunOptions::default()
    };
    let (summary, _) =
        train_recipe(&recipe, "digits", Given::default(), &options, &mut Unobserved)?;
    Ok(summary.test.value())
}

/// Returns the accuracy of the same network built by hand: data, device, twin, stages, trainer.
fn by_hand() -> Result<f32, Box<dyn std::error::Error>> {
    let backend = Device::flex();
    let data = DataConfig::new(SourceConfig::Digits).load(&Locator::default(), SEED)?;
    let model = DeviceKind::Oscillators(OscillatorsConfig {
        count: 64,
        time: 1.0,
        steps: 8,
        bend: 0.1,
        coupling_deviation: 0.2,
        largest_angle: 1.5,
        ..OscillatorsConfig::default()
    });
    let device =
        DeviceConfig { model, imperfections: ImperfectionsConfig::default() }.fabricate(SEED)?;
    let interface = device.device.interface().clone();
    let mut laboratory = Laboratory::default();
    let array = laboratory
        .add(Instrument::new("array", device.device).with_twin(EquationTwin::new(device.nominal)));

    let seed = |place| StageSeed { seed: SEED, place };
    let physical = |place| {
        let options = PhysicalOptions { start: 0.06, ..PhysicalOptions::default() };
        Physical::new(array, &interface, options, seed(place), &backend)
            .with_readings_in_device_units()
    };
    let (minimum, maximum) = data.train.extremes();
    let mut network = Network::new(vec![
        Encode::new(&minimum, &maximum, 64, &backend).into(),
        Jitter::new(0.3, seed(1)).into(),
        physical(2).into(),
        Scale::new(64, 64, Some(0.5), &backend).into(),
        physical(4).into(),
        Scale::new(64, 64, Some(1.0), &backend).into(),
        Readout::new(10, 64, &backend).into(),
    ]);
    let first = data.first_samples(SEED);
    network.initialise(to_tensor(&first.features, &backend), &mut laboratory)?;

    let loss = CrossEntropy::default();
    Trainer::new(&mut network, &mut laboratory)
        .loss(&loss)
        .epochs(EPOCHS)
        .learning_rate(0.006)
        .seed(SEED)
        .train(&data)?;
    let found = evaluate(&network, &mut laboratory, &data.test, &loss, &backend)?;
    Ok(found.score.value())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (recipe, hand) = (by_recipe()?, by_hand()?);
    println!("by recipe {:.4}, by hand {:.4}", recipe, hand);
    assert_eq!(recipe.to_bits(), hand.to_bits(), "they are the same network");
    Ok(())
}
