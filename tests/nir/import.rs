//! Graphs as networks: the same bits after a round trip, other programs' ways to say the same, and what is refused.

use nir_rs::nodes::{Affine, Conv2d, CubaLif, Delay, I, Input, Linear, Output, Padding};
use nir_rs::{NirGraph, NirNode, Tensor};
use twinprop::nir::{Grid, SpikingNetwork};

use super::networks::{even, rasters, spikes, uneven};

const GRID: Grid = Grid { step_seconds: Some(1e-3), steps: Some(20) };

fn all(count: usize, value: f64) -> Tensor {
    Tensor::from_f64([count], vec![value; count]).unwrap()
}

fn linear(rows: usize, columns: usize) -> NirNode {
    let weight = Tensor::from_f32([rows, columns], vec![0.5; rows * columns]).unwrap();
    NirNode::Linear(Linear { weight, metadata: Default::default() })
}

/// Three neurons, as another program could write them.
fn neurons() -> CubaLif {
    CubaLif {
        tau_syn: all(3, 4e-3),
        tau_mem: all(3, 10e-3),
        r: all(3, 10.0),
        v_leak: all(3, 0.0),
        v_threshold: all(3, 1.0),
        v_reset: None,
        w_in: None,
        metadata: Default::default(),
    }
}

/// A chain of `nodes` between an input of two values and an output of three.
fn chain(nodes: Vec<(&str, NirNode)>) -> NirGraph {
    let mut graph = NirGraph::new();
    let metadata = Default::default;
    let input = NirNode::Input(Input { shape: vec![2], metadata: metadata() });
    let output = NirNode::Output(Output { shape: vec![3], metadata: metadata() });
    let mut last = "in".to_owned();
    graph.insert_node("in", input).unwrap();
    for (name, node) in nodes.into_iter().chain([("out", output)]) {
        graph.insert_node(name, node).unwrap();
        graph.add_edge(last, name);
        last = name.to_owned();
    }
    graph
}

fn read(graph: &NirGraph, grid: Grid) -> Result<SpikingNetwork, twinprop::Error> {
    let folder = tempfile::tempdir().unwrap();
    let [locked, path] = ["locked.nir", "other.nir"].map(|name| folder.path().join(name));
    nir_rs::io::write(&locked, graph).unwrap();
    // A program that another test starts meanwhile keeps HDF5's lock of what was written.
    std::fs::copy(&locked, &path).unwrap();
    SpikingNetwork::read(&path, grid)
}

fn refusal(graph: &NirGraph) -> String {
    read(graph, GRID).unwrap_err().to_string()
}

/// `neurons` between weights and output.
fn with(neurons: CubaLif) -> NirGraph {
    chain(vec![("w", linear(3, 2)), ("lif", NirNode::CubaLif(neurons))])
}

#[test]
fn export_import_export_keeps_every_bit() {
    let folder = tempfile::tempdir().unwrap();
    for (name, network) in [("uneven", uneven()), ("even", even())] {
        let [first, second] =
            ["1.nir", "2.nir"].map(|end| folder.path().join(name.to_owned() + end));
        network.write(&first).unwrap();
        // Steps and their length from the metadata, or named.
        let back = SpikingNetwork::read(&first, Grid::default()).unwrap();
        assert_eq!(back, network);
        let grid = Grid { step_seconds: Some(1e-4), steps: Some(network.steps) };
        assert_eq!(SpikingNetwork::read(&first, grid).unwrap(), network);
        back.write(&second).unwrap();
        let [first, second] = [first, second].map(|path| nir_rs::io::read(path).unwrap());
        assert_eq!(first, second);
        let weights = |network: &SpikingNetwork| -> Vec<u32> {
            let layers = network.layers.iter().flat_map(|layer| &layer.population.synapses);
            layers.map(|weight| weight.to_bits()).collect()
        };
        assert_eq!(weights(&back), weights(&network));
        for input in spikes(&rasters(5, network.lines()), network.lines()) {
            assert_eq!(back.play(&input), network.play(&input));
            assert_eq!(back.answer(&input), network.answer(&input));
        }
    }
}

#[test]
fn another_step_keeps_time_constants_in_seconds() {
    let graph = with(neurons());
    let population = |step_seconds, steps| {
        let grid = Grid { step_seconds: Some(step_seconds), steps: Some(steps) };
        read(&graph, grid).unwrap().layers.remove(0).population
    };
    let (coarse, fine) = (population(1e-3, 20), population(5e-4, 40));
    assert_eq!(coarse.neurons.membrane_time, [10.0; 3]);
    assert_eq!(fine.neurons.membrane_time, [20.0; 3]);
    assert_eq!(fine.neurons.synaptic_time, [8.0; 3]);
    // r / τ_m is half of what it was.
    assert_eq!(coarse.synapses, [0.5; 6]);
    assert_eq!(fine.synapses, [0.25; 6]);
}

#[test]
fn resistance_and_input_weight_scale_the_synapses() {
    let scaled = CubaLif {
        r: Tensor::from_f32([3], vec![10.0, 20.0, 5.0]).unwrap(),
        w_in: Some(Tensor::from_f32([3], vec![1.0, 1.0, 4.0]).unwrap()),
        ..neurons()
    };
    let network = read(&with(scaled), GRID).unwrap();
    assert_eq!(network.layers[0].population.synapses, [0.5, 1.0, 1.0, 0.5, 1.0, 1.0]);
    assert_eq!(network.layers[0].name, "lif");
}

#[test]
fn steps_that_nobody_says_are_asked_for() {
    for grid in [Grid::default(), Grid { steps: None, ..GRID }] {
        let error = read(&with(neurons()), grid).unwrap_err().to_string();
        assert!(
            error.contains("option `steps`") && error.contains("option `step_seconds`"),
            "{error}"
        );
    }
    let error = read(&with(neurons()), Grid { steps: Some(1), ..GRID }).unwrap_err().to_string();
    assert!(error.contains("two or more steps"), "{error}");
}

#[test]
fn nodes_that_a_chip_does_not_have_are_refused_by_name() {
    let metadata = Default::default;
    let delay = NirNode::Delay(Delay { delay: all(2, 1e-3), metadata: metadata() });
    let lif = || NirNode::CubaLif(neurons());
    let problem = refusal(&chain(vec![("wait", delay), ("w", linear(3, 2)), ("lif", lif())]));
    assert!(problem.contains("`wait` is a `Delay`"), "{problem}");
    let convolution = NirNode::Conv2d(Conv2d {
        weight: Tensor::from_f32([1, 1, 1, 1], vec![1.0]).unwrap(),
        stride: vec![1, 1],
        padding: Padding::pair(0, 0),
        dilation: vec![1, 1],
        groups: 1,
        bias: Tensor::from_f32([1], vec![0.0]).unwrap(),
        input_shape: None,
        metadata: metadata(),
    });
    let problem = refusal(&chain(vec![("conv", convolution), ("lif", lif())]));
    assert!(problem.contains("`conv` is a `Conv2d`") && problem.contains("`Linear`"), "{problem}");
    let biased = NirNode::Affine(Affine {
        weight: Tensor::from_f32([3, 2], vec![0.5; 6]).unwrap(),
        bias: all(3, 0.1),
        metadata: metadata(),
    });
    let problem = refusal(&chain(vec![("fc", biased), ("lif", lif())]));
    assert!(problem.contains("`fc` (Affine) adds a bias"), "{problem}");
    let problem = refusal(&chain(vec![("lif", lif())]));
    assert!(problem.contains("spikes without weights"), "{problem}");
    let problem =
        refusal(&chain(vec![("w", linear(3, 2)), ("lif", lif()), ("out_w", linear(3, 3))]));
    assert!(problem.contains("`out_w` weighs spikes that nothing sums"), "{problem}");
    let problem = refusal(&chain(vec![("a", linear(2, 2)), ("b", linear(3, 2)), ("lif", lif())]));
    assert!(problem.contains("multiply the two"), "{problem}");
    let problem = refusal(&chain(vec![("w", linear(3, 4)), ("lif", lif())]));
    assert!(problem.contains("`w` takes 4 values, and there are 2"), "{problem}");
    let sum = NirNode::I(I { r: all(3, 1e3), metadata: metadata() });
    let nodes = vec![("w", linear(3, 2)), ("lif", lif()), ("x", linear(3, 3)), ("sum", sum)];
    let mut graph = chain(nodes.clone());
    assert_eq!(read(&graph, GRID).unwrap().readout[0].weight, [0.5; 9]);
    graph.add_edge("lif", "out");
    let problem = refusal(&graph);
    assert!(problem.contains("`lif` leads to x and out"), "{problem}");
    let mut graph = chain(nodes);
    graph.insert_node("lost", linear(3, 3)).unwrap();
    let problem = refusal(&graph);
    assert!(problem.contains("`lost` is not on the way"), "{problem}");
    let mut graph = with(neurons());
    graph.add_edge("lif", "w");
    let problem = refusal(&graph);
    assert!(problem.contains("`lif` leads to out and w") || problem.contains("`w`"), "{problem}");
}

#[test]
fn constants_that_a_chip_does_not_have_are_refused_by_name() {
    let problem = refusal(&with(CubaLif { v_leak: all(3, 0.1), ..neurons() }));
    assert!(problem.contains("`lif` (CubaLIF) has `v_leak` = 0.1"), "{problem}");
    let problem = refusal(&with(CubaLif { v_reset: Some(all(3, -1.0)), ..neurons() }));
    assert!(problem.contains("`v_reset` = -1"), "{problem}");
    let problem = refusal(&with(CubaLif { v_threshold: all(3, 0.0), ..neurons() }));
    assert!(problem.contains("`v_threshold` = 0"), "{problem}");
    let problem = refusal(&with(CubaLif { tau_syn: all(3, 1e-4), ..neurons() }));
    assert!(problem.contains("`tau_syn` is 0.1 steps"), "{problem}");
    let problem = refusal(&with(CubaLif { tau_mem: all(2, 1e-2), ..neurons() }));
    assert!(problem.contains("`tau_mem` of node `lif` (CubaLIF) has 2 values for 3"), "{problem}");
    let problem = refusal(&with(CubaLif { r: all(3, f64::NAN), ..neurons() }));
    assert!(problem.contains("`r` of node `lif`") && problem.contains("not finite"), "{problem}");
}

#[test]
fn files_that_are_no_graphs_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no.nir");
    let error = SpikingNetwork::read(&path, GRID).unwrap_err().to_string();
    assert!(error.contains("no.nir") && error.contains("no such file"), "{error}");
    std::fs::write(&path, "no HDF5").unwrap();
    let error = SpikingNetwork::read(&path, GRID).unwrap_err().to_string();
    assert!(error.contains("no.nir"), "{error}");
}
