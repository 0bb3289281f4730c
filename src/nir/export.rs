//! A network as a graph.

use nir_rs::nodes::{Affine, CubaLif, I, Input, Linear, Output};
use nir_rs::{MetadataValue, NirError, NirGraph, NirNode, Tensor};

use super::network::{Dense, Layer, SpikingNetwork};

/// Names in the metadata of a graph.
pub(super) const STEPS: &str = "steps";
pub(super) const STEP_SECONDS: &str = "step_seconds";

/// The graph of `network`: `input`, the nodes of each population and digital layer, `output`.
pub(super) fn to_graph(network: &SpikingNetwork) -> Result<NirGraph, NirError> {
    let mut chain = Chain { graph: NirGraph::new(), last: "input".to_owned() };
    let shape = |width: usize| (vec![width], Default::default());
    let (lines, metadata) = shape(network.lines());
    chain.graph.insert_node("input", NirNode::Input(Input { shape: lines, metadata }))?;
    for layer in &network.layers {
        chain.add_layer(layer, network.step_seconds)?;
    }
    for (place, dense) in network.readout.iter().enumerate() {
        chain.add_dense(&format!("readout.linear{place}"), dense, network.steps)?;
    }
    let mut width = network.neurons();
    if let Some(dense) = network.readout.last() {
        width = dense.bias.len();
        let r = Tensor::from_f64([width], vec![network.step_seconds.recip(); width])?;
        chain.add("readout.sum", NirNode::I(I { r, metadata: Default::default() }))?;
    }
    let (shape, metadata) = shape(width);
    chain.add("output", NirNode::Output(Output { shape, metadata }))?;
    let Chain { mut graph, .. } = chain;
    // For a reader that knows them; no simulator needs them.
    let steps = MetadataValue::I64(network.steps as i64);
    graph.metadata.insert(STEPS.to_owned(), steps);
    graph.metadata.insert(STEP_SECONDS.to_owned(), MetadataValue::F64(network.step_seconds));
    Ok(graph)
}

/// A graph under construction, and the node that the next one follows.
struct Chain {
    graph: NirGraph,
    last: String,
}

impl Chain {
    fn add(&mut self, name: &str, node: NirNode) -> Result<(), NirError> {
        self.graph.insert_node(name, node)?;
        let before = std::mem::replace(&mut self.last, name.to_owned());
        self.graph.add_edge(before, name);
        Ok(())
    }

    fn add_layer(&mut self, layer: &Layer, dt: f64) -> Result<(), NirError> {
        let Layer { name, population } = layer;
        let (lines, neurons) = (population.lines, &population.neurons);
        let count = neurons.len();
        let from = |first: usize, sources: usize| -> Result<NirNode, NirError> {
            let weight = (0..count)
                .flat_map(|neuron| (first..first + sources).map(move |source| (neuron, source)))
                .map(|(neuron, source)| population.row(source)[neuron])
                .collect::<Vec<f32>>();
            let weight = Tensor::from_f32([count, sources], weight)?;
            Ok(NirNode::Linear(Linear { weight, metadata: Default::default() }))
        };
        let all = |value: f64| Tensor::from_f64([count], vec![value; count]);
        let each = |values: &[f32], scale: f64| {
            let scaled: Vec<f64> = values.iter().map(|&value| f64::from(value) * scale).collect();
            Tensor::from_f64([count], scaled)
        };
        self.add(&format!("{name}.weights"), from(0, lines)?)?;
        let lif = format!("{name}.lif");
        let node = NirNode::CubaLif(CubaLif {
            tau_syn: each(&neurons.synaptic_time, dt)?,
            tau_mem: each(&neurons.membrane_time, dt)?,
            r: each(&neurons.membrane_time, 1.0)?,
            v_leak: all(0.0)?,
            v_threshold: each(&neurons.threshold, 1.0)?,
            v_reset: Some(all(0.0)?),
            w_in: Some(all(1.0)?),
            metadata: Default::default(),
        });
        self.add(&lif, node)?;
        if population.is_recurrent() {
            let recurrent = format!("{name}.recurrent");
            self.graph.insert_node(recurrent.as_str(), from(lines, count)?)?;
            self.graph.add_edge(lif.as_str(), recurrent.as_str());
            self.graph.add_edge(recurrent, lif);
        }
        Ok(())
    }

    /// The share 1 / `steps` of the bias is added in every step.
    fn add_dense(&mut self, name: &str, dense: &Dense, steps: usize) -> Result<(), NirError> {
        let Dense { inputs, weight, bias } = dense;
        let (weight, metadata) =
            (Tensor::from_f32([bias.len(), *inputs], weight.clone())?, Default::default());
        if bias.iter().all(|value| value.to_bits() == 0) {
            return self.add(name, NirNode::Linear(Linear { weight, metadata }));
        }
        let share: Vec<f64> = bias.iter().map(|&value| f64::from(value) / steps as f64).collect();
        let bias = Tensor::from_f64([share.len()], share)?;
        self.add(name, NirNode::Affine(Affine { weight, bias, metadata }))
    }
}
