//! Networks as recipes: the same bits on the recipe's chips, and what a recipe cannot hold.

use std::path::Path;

use nalgebra::DMatrix;
use twinprop::calibration::bridge::{to_tensor, to_vec};
use twinprop::data::{Dataset, Split};
use twinprop::experiment::{Experiment, Given, Recipe, Setup, prepare};
use twinprop::network::Source;
use twinprop::nir::{RECIPE, SpikingNetwork};
use twinprop::training::Unobserved;
use twinprop::{Backend, Error};

use super::networks::{STEPS, even, layer, network, rasters, spikes, uneven};

/// The recipe in `folder`, changed by `settings`, on random samples of `classes` classes.
fn open(
    folder: &Path,
    settings: &[&str],
    [lines, classes]: [usize; 2],
) -> Result<(Recipe, Experiment), Error> {
    let given = ["data={ source = \"given\" }"].iter().chain(settings);
    let settings: Vec<String> = given.map(|&setting| setting.to_owned()).collect();
    let recipe = Recipe::read(&folder.join(RECIPE), &settings)?;
    let samples = |count: usize| {
        let cells = rasters(count, lines).concat();
        let features = DMatrix::from_vec(STEPS * lines, count, cells);
        let of_samples: Vec<usize> = (0..count).map(|sample| sample % classes).collect();
        Dataset::new(features, of_samples)
    };
    let data = Some(Split::new(samples(20), samples(6)));
    let backend = Backend::Flex.device()?;
    let setup = Setup::new(folder, &backend);
    let given = Given { data, ..Given::default() };
    let experiment = prepare(&recipe, &setup, given, &mut Unobserved)?;
    Ok((recipe, experiment))
}

/// The recipe in `folder` on random samples of `classes` classes.
fn opened(folder: &Path, lines: usize, classes: usize) -> (Recipe, Experiment) {
    open(folder, &[], [lines, classes]).unwrap()
}

/// What the recipe's chips answer to `rasters`, `[sample][output]`.
fn measured(experiment: &mut Experiment, rasters: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let x = DMatrix::from_vec(rasters[0].len(), rasters.len(), rasters.concat());
    let x = to_tensor(&x, &Backend::Flex.device().unwrap());
    let Experiment { network, laboratory, .. } = experiment;
    let trace = network.forward(x, laboratory, Source::Measured, None).unwrap();
    let output = trace.output().clone();
    let width = output.dims()[1];
    to_vec(output).chunks(width).map(<[f32]>::to_vec).collect()
}

#[test]
fn an_imported_recipe_has_the_graphs_bits() {
    let folder = tempfile::tempdir().unwrap();
    let network = even();
    network.write_recipe(folder.path()).unwrap();
    let (recipe, mut experiment) = opened(folder.path(), 9, 3);
    let back = SpikingNetwork::of_network(&recipe, &experiment.network, &[]).unwrap();
    assert_eq!(back.network, network);
    assert!(back.notes.is_empty(), "{:?}", back.notes);
    // The chips' answers, through the network's own stages.
    let rasters = rasters(5, 9);
    let answers = measured(&mut experiment, &rasters);
    for (input, measured) in spikes(&rasters, 9).iter().zip(answers) {
        let ours = network.answer(input);
        let counts = network.play(input).pop().unwrap().counts(7);
        assert!(counts.iter().any(|&count| count > 0));
        for (ours, measured) in ours.iter().zip(&measured) {
            assert!((ours - measured).abs() < 1e-4 * ours.abs().max(1.0), "{ours} {measured}");
        }
    }
    let error = network.write_recipe(folder.path()).unwrap_err().to_string();
    assert!(error.contains("has a recipe already"), "{error}");
}

/// Without digital layers the answer is the counts themselves, which have no rounding.
#[test]
fn an_imported_chip_plays_the_graphs_spikes() {
    let folder = tempfile::tempdir().unwrap();
    let network = network(vec![layer("chip", 5, [10, 16], true, false)], Vec::new());
    assert_plays_alike(&network, folder.path());
}

/// The recipe that `network` writes into `folder` counts the same spikes.
fn assert_plays_alike(network: &SpikingNetwork, folder: &Path) {
    network.write_recipe(folder).unwrap();
    let (_, mut experiment) = opened(folder, 10, 16);
    let rasters = rasters(5, 10);
    let answers = measured(&mut experiment, &rasters);
    for (input, measured) in spikes(&rasters, 10).iter().zip(answers) {
        assert_eq!(network.answer(input), measured);
    }
}

#[test]
fn thresholds_of_each_neuron_become_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut network = network(vec![layer("chip", 5, [10, 16], true, false)], Vec::new());
    let thresholds = &mut network.layers[0].population.neurons.threshold;
    // Ratios that are powers of two leave every bit of the spikes.
    thresholds.iter_mut().step_by(2).for_each(|threshold| *threshold *= 0.5);
    let population = &network.layers[0].population;
    let fresh = twinprop::devices::neuromorphic::Population::new(
        10,
        population.neurons.clone(),
        population.synapses.clone(),
    );
    network.layers[0].population = fresh;
    assert_plays_alike(&network, folder.path());
}

#[test]
fn what_a_recipes_chip_cannot_hold_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = |network: &SpikingNetwork| {
        let problem = network.write_recipe(&folder.path().join("new")).unwrap_err().to_string();
        assert!(!folder.path().join("new").exists(), "nothing is written");
        problem
    };
    let problem = refusal(&uneven());
    assert!(problem.contains("`first` have different membrane times"), "{problem}");
    let mut own = even();
    own.layers[0].population.synapses[9 * 12] = 0.25;
    let problem = refusal(&own);
    assert!(problem.contains("synapse of neuron 0 with itself"), "{problem}");
    let mut twice = even();
    twice.layers[1].name = "first".to_owned();
    let problem = refusal(&twice);
    assert!(problem.contains("first") && problem.contains("duplicate"), "{problem}");
    let mut short = even();
    short.layers[1].population.neurons.synaptic_time.fill(1.0);
    let problem = refusal(&short);
    assert!(problem.contains("synaptic_time = 1"), "{problem}");
}

#[test]
fn initial_parameters_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    even().write_recipe(folder.path()).unwrap();
    let refusal = |setting: &str| match open(folder.path(), &[setting], [9, 3]) {
        Ok(_) => panic!("{setting}"),
        Err(error) => error.to_string(),
    };
    let problem = refusal("devices.second.model.lif_chip.neurons=8");
    assert!(problem.contains("no tensor `3.physical.parameters` of shape [1, 96]"), "{problem}");
    assert!(problem.contains("`initial_parameters`"), "{problem}");
    let problem = refusal("initial_parameters=\"nowhere.safetensors\"");
    assert!(problem.contains("nowhere.safetensors") && problem.contains("not found"), "{problem}");
}
