//! What the benchmarks run: the network of `experiments/vowels-optical.toml`, ready to train.
//!
//! `cargo bench -p twinprop-bench` prints the times.

use std::path::Path;

use twinprop::Backend;
use twinprop::calibration::NeuralTwin;
use twinprop::devices::PhysicalLayer;
use twinprop::experiment::{Experiment, Recipe, TwinConfig, prepare};

/// The experiment with an untrained twin of the recipe's size on its device: a step costs what it
/// costs after calibration.
///
/// # Panics
/// If the recipe cannot be read or built.
#[must_use]
pub fn vowels_optical(backend: Backend) -> (Recipe, Experiment) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let path = root.join("experiments/vowels-optical.toml");
    let device = backend.device().expect("the backend is built in");
    let recipe = Recipe::read(&path, &[]).expect("the recipe is whole");
    let mut experiment = prepare(&recipe, &root, None, &device).expect("the recipe can be built");
    let TwinConfig::Neural(config) = &recipe.calibration.twin else {
        panic!("the recipe has a neural twin");
    };
    for instrument in &mut experiment.laboratory.instruments {
        let interface = instrument.device.interface();
        let bins = interface.outputs.len();
        let moments = (vec![0.0; bins], vec![1.0; bins]);
        let twin = NeuralTwin::new(config, interface, moments, recipe.seed, &device);
        instrument.twin = Some(Box::new(twin));
    }
    (recipe, experiment)
}
