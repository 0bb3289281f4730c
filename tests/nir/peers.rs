//! Our graphs in the Python package `nir`, and played by Norse and snnTorch.
//!
//! A simulator that reads the graph integrates the same equations by the same Euler steps. Its spikes are ours k steps
//! earlier in the k-th population, so its first T − k steps are our last ones and the counts over them are equal, but for
//! two things: it adds in another order, with 32-bit rounding (some 10⁻⁷ of a membrane a step), and it fires at v > ν, not
//! at v > ν (1 − 10⁻⁶). Neither matters where no membrane comes within [`MARGIN`] of its threshold, which the test measures
//! in double precision. So the tolerance is 0 spikes; with a membrane inside the margin, its spike and all that it causes
//! could differ.
//!
//! Without the packages a test says so and passes, unless `TWINPROP_NIR_PEERS` is set. `TWINPROP_PYTHON` names a Python.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use twinprop::nir::{Grid, SpikingNetwork};

use super::networks::{STEPS, dense, layer, network, plain_counts, rasters, spikes, uneven};

/// Nearest distance of a membrane from its threshold, as a share of it, at which rounding cannot matter: ten times the
/// rounding of T = 40 steps.
const MARGIN: f64 = 1e-5;
const SHOTS: usize = 6;

/// What `simulator` makes of the graph; `None` if it is not installed.
fn peer(simulator: &str, graph: &Path, inputs: &Path) -> Option<Value> {
    let python = std::env::var("TWINPROP_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nir/peers.py");
    let output = Command::new(python).arg(script).arg(simulator).arg(graph).arg(inputs).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() == Some(77) && std::env::var_os("TWINPROP_NIR_PEERS").is_none() {
        eprintln!("skipped: {}", said.lines().last().unwrap());
        return None;
    }
    assert!(output.status.success(), "{said}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// Outputs `[sample][output]` of `network` in `simulator`, played for as many steps as its last spikes are of ours.
fn played(
    simulator: &str,
    network: &SpikingNetwork,
    rasters: &[Vec<f32>],
) -> Option<Vec<Vec<f64>>> {
    let folder = tempfile::tempdir().unwrap();
    let graph = folder.path().join("network.nir");
    network.write(&graph).unwrap();
    let steps = network.steps - network.layers.len();
    outputs(simulator, &graph, (network.lines(), steps), rasters)
}

/// Outputs of `graph` in `simulator` for `rasters` of some lines, played for some steps of 0.1 ms.
fn outputs(
    simulator: &str,
    graph: &Path,
    (lines, steps): (usize, usize),
    rasters: &[Vec<f32>],
) -> Option<Vec<Vec<f64>>> {
    let rasters: Vec<Vec<&[f32]>> =
        rasters.iter().map(|raster| raster.chunks(lines).collect()).collect();
    let values = json!({ "dt": 1e-4, "steps": steps, "rasters": rasters });
    let inputs = graph.with_extension("json");
    std::fs::write(&inputs, values.to_string()).unwrap();
    Some(serde_json::from_value(peer(simulator, graph, &inputs)?).unwrap())
}

/// Our counts of the last population, `[sample][neuron]`, which rounding does not change.
fn our_counts(network: &SpikingNetwork, rasters: &[Vec<f32>]) -> Vec<Vec<f64>> {
    let ours: Vec<Vec<f64>> = spikes(rasters, network.lines())
        .iter()
        .map(|input| {
            let (plain, nearest) = plain_counts(network, input);
            assert!(
                nearest > MARGIN,
                "a membrane within {nearest} of its threshold: choose another seed"
            );
            let counts = network.play(input).pop().unwrap().counts(network.neurons());
            assert_eq!(counts, plain, "the equation in double precision");
            counts.into_iter().map(f64::from).collect()
        })
        .collect();
    let total: f64 = ours.iter().flatten().sum();
    let cells = (SHOTS * STEPS * network.neurons()) as f64;
    assert!((0.02..0.8).contains(&(total / cells)), "{total} spikes in {cells} cells");
    ours
}

/// Holds the counts of the last population to those of `simulator`.
fn holds_counts(simulator: &str, network: &SpikingNetwork) {
    let rasters = rasters(SHOTS, network.lines());
    let ours = our_counts(network, &rasters);
    if let Some(theirs) = played(simulator, network, &rasters) {
        assert_eq!(ours, theirs, "{simulator}");
    }
}

#[test]
fn the_python_package_reads_what_we_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.nir");
    let network = uneven();
    network.write(&path).unwrap();
    let Some(graph) = peer("nir", &path, Path::new("")) else { return };
    let nodes = graph["nodes"].as_object().unwrap();
    let kinds: Vec<(&str, &str)> =
        nodes.iter().map(|(name, node)| (name.as_str(), node["type"].as_str().unwrap())).collect();
    assert_eq!(
        kinds,
        [
            ("first.lif", "CubaLIF"),
            ("first.recurrent", "Linear"),
            ("first.weights", "Linear"),
            ("input", "Input"),
            ("output", "Output"),
            ("readout.linear0", "Affine"),
            ("readout.linear1", "Affine"),
            ("readout.sum", "I"),
            ("second.lif", "CubaLIF"),
            ("second.weights", "Linear"),
        ]
    );
    assert_eq!(
        graph["edges"],
        json!([
            ["first.lif", "first.recurrent"],
            ["first.lif", "second.weights"],
            ["first.recurrent", "first.lif"],
            ["first.weights", "first.lif"],
            ["input", "first.weights"],
            ["readout.linear0", "readout.linear1"],
            ["readout.linear1", "readout.sum"],
            ["readout.sum", "output"],
            ["second.lif", "readout.linear0"],
            ["second.weights", "second.lif"],
        ])
    );
    let population = &network.layers[0].population;
    let values = |node: &str, field: &str| -> Vec<f64> {
        serde_json::from_value(nodes[node][field].clone()).unwrap()
    };
    for (neuron, &time) in population.neurons.membrane_time.iter().enumerate() {
        assert_eq!(values("first.lif", "tau_mem")[neuron], f64::from(time) * 1e-4);
        assert_eq!(values("first.lif", "r")[neuron], f64::from(time));
        let threshold = f64::from(population.neurons.threshold[neuron]);
        assert_eq!(values("first.lif", "v_threshold")[neuron], threshold);
    }
    let recurrent: Vec<Vec<f64>> =
        serde_json::from_value(nodes["first.recurrent"]["weight"].clone()).unwrap();
    assert_eq!(recurrent[3][5], f64::from(population.row(9 + 5)[3]), "[neuron][source]");
    assert_eq!(values("readout.sum", "r"), [1e4; 3]);
}

#[test]
fn norse_counts_the_same_spikes() {
    holds_counts("norse", &network(vec![layer("chip", 5, [10, 16], true, true)], Vec::new()));
    let layers = vec![layer("a", 6, [10, 16], true, true), layer("b", 7, [16, 8], false, true)];
    holds_counts("norse", &network(layers, Vec::new()));
}

/// snnTorch has one threshold for all neurons of a layer, and gives the input of a recurrent layer to its recurrent weights
/// (1.0.0, `_create_rnn_subgraph`), which plays another network.
#[test]
fn snntorch_counts_the_same_spikes() {
    let layers = vec![layer("a", 8, [10, 16], false, false), layer("b", 9, [16, 8], false, false)];
    holds_counts("snntorch", &network(layers, Vec::new()));
}

/// snnTorch writes `w_in` = τ_s and constants of 32 bits.
#[test]
fn what_snntorch_writes_plays_its_spikes() {
    let folder = tempfile::tempdir().unwrap();
    let graph = folder.path().join("theirs.nir");
    let rasters = rasters(SHOTS, 10);
    let Some(theirs) = outputs("of_snntorch", &graph, (10, STEPS - 2), &rasters) else { return };
    let grid = Grid { step_seconds: Some(1e-4), steps: Some(STEPS) };
    let network = SpikingNetwork::read(&graph, grid).unwrap();
    assert_eq!(our_counts(&network, &rasters), theirs);
    network.write_recipe(&folder.path().join("recipe")).unwrap();
}

/// The readout's sum over T − k steps has as much of the bias.
#[test]
fn norse_reads_out_the_same_values() {
    let network = network(vec![layer("chip", 5, [10, 16], true, true)], vec![dense(3, [16, 4])]);
    let rasters = rasters(SHOTS, 10);
    let Some(theirs) = played("norse", &network, &rasters) else { return };
    let missing = 1.0 / STEPS as f32;
    for (input, theirs) in spikes(&rasters, 10).iter().zip(theirs) {
        let ours = network.answer(input);
        for ((ours, bias), theirs) in ours.iter().zip(&network.readout[0].bias).zip(theirs) {
            let expected = f64::from(ours - bias * missing);
            // 39 sums of 16 products, rounded in another order.
            assert!((expected - theirs).abs() < 1e-3, "{expected} {theirs}");
        }
    }
}
