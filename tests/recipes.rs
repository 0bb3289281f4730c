//! Every shipped recipe can be read, and built if its data are shipped too.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::path::Path;

use twinprop::Backend;
use twinprop::calibration::bridge::to_vec;
use twinprop::data::{DataConfig, Locator, SourceConfig};
use twinprop::experiment::meta::MetaRecipe;
use twinprop::experiment::{Given, Recipe, RunFolder, Setup, prepare};
use twinprop::network::Network;
use twinprop::training::Unobserved;

#[test]
fn every_recipe_is_read_and_built() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let device = Backend::Flex.device().unwrap();
    let mut built = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let recipe = Recipe::read(&path, &[]).unwrap();
        // The resolved recipe of a run is read again by `evaluate`.
        let again = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(again.path(), recipe.to_toml()).unwrap();
        assert_eq!(Recipe::read(again.path(), &[]).unwrap().to_toml(), recipe.to_toml());
        let needed = match &recipe.data.source {
            SourceConfig::Idx(images) => Some(&images.folder),
            SourceConfig::Speech(recordings) => Some(&recordings.folder),
            _ => None,
        };
        if let Some(folder) = needed {
            println!("{}: not built, it needs {}", path.display(), folder.display());
            continue;
        }
        if recipe.devices.values().any(|device| device.rig.is_some()) {
            println!("{}: not built, it needs its rig", path.display());
            continue;
        }
        prepare(&recipe, &Setup::new(&folder, &device), Given::default(), &mut Unobserved).unwrap();
        built += 1;
    }
    assert!(built >= 8, "{built}");
}

#[test]
fn every_recipe_of_a_meta_training_is_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/meta");
    let paths = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let hidden: Vec<usize> =
        paths.map(|path| MetaRecipe::read(&path, &[]).unwrap().hidden.len()).collect();
    assert_eq!(hidden, [4]);
}

#[test]
fn an_error_names_the_stage_that_does_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let device = Backend::Flex.device().unwrap();
    let physical = r#"{ physical = { device = "a" } }"#;
    for (stages, expected) in [
        (
            format!(r#""wire", {physical}, "readout""#),
            "stage 1 of `network` has 64 values for the 40",
        ),
        (format!(r#""encode", {physical}, "readout""#), "64 features"),
        (
            format!(
                r#"{{ patches = {{ height = 4, width = 4 }} }}, {{ slice = {{ count = 40 }} }}, {physical}"#
            ),
            "it ends with 40 values, and the data have 10 classes",
        ),
        (
            format!(r#""wire", {{ slice = {{ from = 20, count = 40 }} }}, {physical}, "readout""#),
            "\"wire\", has no physical layer",
        ),
        (
            format!(r#"{{ patches = {{ height = 3, width = 4 }} }}, {physical}, "readout""#),
            "patches of 3 × 4",
        ),
        (
            format!(
                r#"{{ patches = {{ height = 4, width = 10, stride = 1 }} }}, {physical}, "readout""#
            ),
            "a window of 4 × 10 pixels does not fit into an image of 8 × 8; make it smaller",
        ),
        (
            format!(
                r#"{{ patches = {{ height = 4, width = 4, stride = 1, padding = 4 }} }}, {physical}, "readout""#
            ),
            "a padding of 4 is not smaller than the window of 4 × 4 pixels; take at most 3",
        ),
        (
            format!(r#"{{ patches = {{ height = 8, width = 8 }} }}, {physical}, "readout""#),
            "a patch has 64 values, and a shot takes 40: make the patches smaller",
        ),
        (
            format!(r#"{{ patches = {{ height = 4, width = 4 }} }}, {physical}, "readout""#),
            "put `{ pad = { channels = 24, runs = 4 } }` before it, and give it `shots = 4`",
        ),
        (
            format!(
                r#"{{ patches = {{ height = 8, width = 5, stride = 1 }} }}, {physical}, "readout""#
            ),
            "give it `shots = 4`, one for each patch",
        ),
        (
            format!(
                r#""encode", {{ slice = {{ count = 40 }} }}, {{ pool = {{ size = 2 }} }}, {physical}, "readout""#
            ),
            "stage 2 of `network`, \"pool\": the values before it no longer lie in rows and columns",
        ),
        (
            format!(
                r#""wire", {{ patches = {{ height = 8, width = 5, stride = 1 }} }}, {physical}, "readout""#
            ),
            "\"wire\", has \"patches\" between it and the physical layer",
        ),
        (
            format!(
                r#""encode", {{ linear = {{ outputs = 40 }} }}, "scale", {{ pad = {{ channels = 40 }} }}, {physical}, "readout""#
            ),
            "\"scale\", has no channels to fill",
        ),
        (
            format!(
                r#""encode", {{ convolution = {{ channels = 4, size = 2, stride = 2 }} }}, {{ skip = {{ over = 1 }} }}, {physical}"#
            ),
            "adds an image of 8 × 8 pixels of 1 channels to an image of 4 × 4 pixels of 4 channels",
        ),
        (
            format!(
                r#"{{ patches = {{ height = 4, width = 4 }} }}, {{ slice = {{ from = 30, count = 40 }} }}, {physical}, "readout""#
            ),
            "only 64",
        ),
        (
            format!(
                r#"{{ patches = {{ height = 4, width = 4 }} }}, {{ pad = {{ channels = 1, runs = 5 }} }}, {physical}, "readout""#
            ),
            "into 5 equal runs",
        ),
        (
            format!(
                r#"{{ patches = {{ height = 4, width = 4 }} }}, {{ slice = {{ count = 40 }} }}, {physical}, {{ skip = {{ over = 4 }} }}, "readout""#
            ),
            "only 3 come before it",
        ),
        (
            format!(
                r#"{{ patches = {{ height = 4, width = 4 }} }}, {{ slice = {{ count = 40 }} }}, {physical}, {{ skip = {{ over = 2 }} }}, "readout""#
            ),
            "both ends must have the same width",
        ),
    ] {
        let path = folder.path().join("recipe.toml");
        let text = format!(
            "network = [{stages}]\n[data]\nsource = \"digits\"\n[devices.a.model.oscillators]\ncount = 40\n"
        );
        std::fs::write(&path, text).unwrap();
        let recipe = Recipe::read(&path, &[]).unwrap();
        let message = prepare(
            &recipe,
            &Setup::new(folder.path(), &device),
            Given::default(),
            &mut Unobserved,
        );
        let message = message.err().unwrap().to_string();
        assert!(message.contains(expected), "{expected} in {message}");
    }
}

#[test]
fn only_images_are_subsampled() {
    let load = |text: &str| {
        let config: DataConfig = toml::from_str(text).unwrap();
        config.load(&Locator::default(), 1)
    };
    let whole = load("source = \"digits\"").unwrap();
    let half =
        load("source = \"digits\"\nevery = 2\n[augment]\nrotation = 30.0\nepochs = 1").unwrap();
    assert_eq!((whole.train.features.nrows(), half.train.features.nrows()), (64, 16));
    assert_eq!(half.test.features[(5, 0)], whole.test.features[(2 * 8 + 2, 0)]);
    let batch = |epoch| half.training_batch(&[3, 4], epoch).features;
    assert_ne!(batch(0), batch(1), "the first epoch rotates the images");
    assert_eq!(batch(1), batch(2), "later epochs do not");
    assert_eq!(batch(1), half.train.choose(&[3, 4]).features);
    let message = load("source = \"vowels\"\nevery = 2").unwrap_err().to_string();
    assert!(message.contains("no images"), "{message}");
}

/// Bits of the network's state, by name.
fn bits(network: &Network) -> Vec<(String, Vec<u32>)> {
    let state = network.state().into_iter();
    state
        .map(|(name, tensor)| {
            (name, to_vec(tensor.clone()).into_iter().map(f32::to_bits).collect())
        })
        .collect()
}

/// Also the scale's constants, which the first shots set otherwise.
#[test]
fn a_recipe_starts_from_a_file_of_parameters() {
    let folder = tempfile::tempdir().unwrap();
    let backend = Backend::Flex.device().unwrap();
    let recipe = |head: &str| {
        let text = format!(
            "{head}\nnetwork = [\"encode\", {{ physical = {{ device = \"a\" }} }}, \"scale\", {{ physical = {{ device = \"a\" }} }}, {{ linear = {{ outputs = 10 }} }}]\n[data]\nsource = \"digits\"\n[devices.a.model.oscillators]\ncount = 64\n"
        );
        Recipe::parse(&text).unwrap()
    };
    let setup = Setup::new(folder.path(), &backend);
    let network = |head: &str| {
        prepare(&recipe(head), &setup, Given::default(), &mut Unobserved).unwrap().network
    };
    let first = network("seed = 1");
    RunFolder::at(folder.path()).save_network(&first).unwrap();
    assert_ne!(bits(&network("seed = 2")), bits(&first));
    let file = RunFolder::PARAMETERS;
    let started = network(&format!("seed = 2\ninitial_parameters = \"{file}\""));
    assert_eq!(bits(&started), bits(&first));
    let other = recipe(&format!("initial_parameters = \"{file}\""));
    let other = other.with(&["devices.a.model.oscillators.count=65".to_owned()]).unwrap();
    let refused = prepare(&other, &setup, Given::default(), &mut Unobserved);
    let message = refused.err().unwrap().to_string();
    assert!(message.contains(file) && message.contains("`initial_parameters`"), "{message}");
}
