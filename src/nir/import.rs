//! A graph as a network.

use nir_rs::{MetadataValue, NirGraph, NirNode};
use twinprop_devices::neuromorphic::Population;

use super::constants::{Matrix, Neuronal, each, neurons, rounded};
use super::export::{STEP_SECONDS, STEPS};
use super::network::{Dense, Layer, SpikingNetwork};
use super::walk::{Walk, Weights};
use crate::Error;

/// The steps in which a graph is played, which NIR leaves open.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Grid {
    /// Length of a step, in seconds, above 0; `None` for that of the graph's metadata.
    pub step_seconds: Option<f64>,
    /// Steps of a shot, two or more; `None` for those of the graph's metadata.
    pub steps: Option<usize>,
}

/// The same, known.
#[derive(Clone, Copy)]
pub(super) struct KnownGrid {
    pub step_seconds: f64,
    pub steps: usize,
}

impl Grid {
    /// The grid, with what it leaves open from the metadata of `graph`.
    pub(super) fn or_of(self, graph: &NirGraph) -> Result<KnownGrid, Error> {
        let step_seconds = self.step_seconds.or(match graph.metadata.get(STEP_SECONDS) {
            Some(&MetadataValue::F64(seconds)) => Some(seconds),
            _ => None,
        });
        let steps = self.steps.or(match graph.metadata.get(STEPS) {
            Some(&MetadataValue::I64(steps)) => usize::try_from(steps).ok(),
            _ => None,
        });
        match (step_seconds, steps) {
            (Some(step_seconds), Some(steps))
                if step_seconds > 0.0 && step_seconds.is_finite() && steps >= 2 =>
            {
                Ok(KnownGrid { step_seconds, steps })
            }
            (Some(seconds), Some(steps)) => Err(Error::Usage(format!(
                "{steps} steps of {seconds} s: a shot needs two or more steps of more than 0 s; set option `steps` and option `step_seconds`"
            ))),
            _ => Err(Error::Usage(
                "NIR does not say in which steps a graph is played, and this one's metadata do not either; give option `step_seconds` and option `steps`".to_owned(),
            )),
        }
    }
}

/// The network of `graph`. Errors name the node.
pub(super) fn from_graph(graph: &NirGraph, grid: KnownGrid) -> Result<SpikingNetwork, String> {
    graph.validate_structure().map_err(|error| error.to_string())?;
    graph.nodes.iter().try_for_each(|(name, node)| refuse_unknown(name, node))?;
    let mut walk = Walk::new(graph)?;
    let KnownGrid { step_seconds, steps } = grid;
    let mut network =
        SpikingNetwork { layers: Vec::new(), readout: Vec::new(), steps, step_seconds };
    let mut weights: Vec<Weights> = Vec::new();
    while let Some((name, node)) = walk.next()? {
        match node {
            NirNode::Linear(_) | NirNode::Affine(_) => {
                let of = Weights::of(name, node)?.ok_or("a linear node has weights")?;
                walk.width = of.fit(name, walk.width)?;
                weights.push(of);
            }
            NirNode::CubaLif(lif) => {
                let before = only_weights(name, &mut weights)?;
                let rows = before.matrix.rows;
                let of = neurons(name, lif, rows, step_seconds)?;
                let recurrent = walk.recurrent(name)?;
                network.layers.push(layer(name, &network, before, recurrent, of)?);
            }
            NirNode::I(integrator) => {
                if weights.is_empty() {
                    return Err(format!(
                        "node `{name}` (I) sums spikes without weights; put a `Linear` before it"
                    ));
                }
                let what = format!("`r` of node `{name}` (I)");
                let r = each(&integrator.r, walk.width, &what)?;
                let gain: Vec<f64> = r.iter().map(|r| rounded(r * step_seconds)).collect();
                network.readout = dense(std::mem::take(&mut weights), &gain, steps);
            }
            NirNode::Output(_) => break,
            _ => return Err(format!("node `{name}` has an input")),
        }
        if !network.readout.is_empty() && walk.has_more_than_output() {
            return Err(format!(
                "the node behind `{name}` (I) is not the output; digital layers come before the integrator"
            ));
        }
    }
    if network.layers.is_empty() {
        return Err("it has no neurons (CubaLIF) between its input and its output".to_owned());
    }
    if let Some(last) = weights.last() {
        return Err(format!(
            "node `{}` weighs spikes that nothing sums; put an integrator (I) between it and the output",
            last.name
        ));
    }
    walk.refuse_unvisited()?;
    Ok(network)
}

/// Refuses kinds of nodes that chips of neurons do not have.
fn refuse_unknown(name: &str, node: &NirNode) -> Result<(), String> {
    let advice = match node {
        NirNode::Input(_)
        | NirNode::Output(_)
        | NirNode::Linear(_)
        | NirNode::Affine(_)
        | NirNode::CubaLif(_)
        | NirNode::I(_) => return Ok(()),
        NirNode::Delay(_) => "a spike of a chip acts one step later, always",
        NirNode::Conv1d(_) | NirNode::Conv2d(_) | NirNode::SumPool2d(_) | NirNode::AvgPool2d(_) => {
            "write it as the matrix of a `Linear`"
        }
        NirNode::Lif(_) | NirNode::If(_) => {
            "a chip's neurons have a synaptic current; use a `CubaLIF`"
        }
        NirNode::Graph(_) => "put its nodes into the graph itself",
        NirNode::Scale(_) => "multiply the weights of the `Linear` before it",
        NirNode::Flatten(_) => "give the input one axis",
        NirNode::Li(_) | NirNode::CubaLi(_) | NirNode::Threshold(_) => {
            "outputs are spikes of `CubaLIF` nodes, or sums of them by a `Linear` and an `I`"
        }
    };
    Err(format!(
        "node `{name}` is a `{}`, which a `lif_chip` does not have: {advice}",
        node.type_name()
    ))
}

/// The one node of weights before the neurons `name`.
fn only_weights(name: &str, weights: &mut Vec<Weights>) -> Result<Weights, String> {
    let last = weights.pop();
    match (last, weights.is_empty()) {
        (Some(last), true) => last.without_bias(),
        (Some(last), false) => Err(format!(
            "node `{}` follows another node of weights before the neurons `{name}`; multiply the two to one `Linear`",
            last.name
        )),
        (None, _) => Err(format!(
            "the neurons `{name}` (CubaLIF) get spikes without weights; put a `Linear` before them"
        )),
    }
}

fn layer(
    node: &str,
    network: &SpikingNetwork,
    before: Weights,
    recurrent: Option<Weights>,
    Neuronal { neurons, gain }: Neuronal,
) -> Result<Layer, String> {
    let count = neurons.len();
    let lines = before.matrix.columns;
    let mut synapses = before.matrix.by_column(&gain);
    if let Some(recurrent) = recurrent {
        let Matrix { rows, columns, .. } = recurrent.matrix;
        if (rows, columns) != (count, count) {
            return Err(format!(
                "node `{}` has {rows} × {columns} weights between {count} neurons",
                recurrent.name
            ));
        }
        synapses.extend(recurrent.without_bias()?.matrix.by_column(&gain));
    }
    let name = free_name(node, network);
    Ok(Layer { name, population: Population::new(lines, neurons, synapses) })
}

/// A device's name for the node `node`, that no layer of `network` has.
fn free_name(node: &str, network: &SpikingNetwork) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    let name: String = node.strip_suffix(".lif").unwrap_or(node).chars().map(plain).collect();
    let is_free = |name: &String| network.layers.iter().all(|layer| layer.name != *name);
    let numbered = (2..).map(|number| format!("{name}_{number}"));
    std::iter::once(name.clone()).chain(numbered).find(is_free).unwrap_or(name)
}

/// The digital layers `weights`, of which the last is followed by an integrator with the `gain` of each output.
fn dense(weights: Vec<Weights>, gain: &[f64], steps: usize) -> Vec<Dense> {
    let last = weights.len() - 1;
    let layers = weights.into_iter().enumerate().map(|(place, Weights { matrix, bias, .. })| {
        let gain = |row: usize| if place == last { gain[row] } else { 1.0 };
        let rows = matrix.values.chunks(matrix.columns.max(1)).enumerate();
        Dense {
            inputs: matrix.columns,
            weight: rows
                .flat_map(|(row, values)| {
                    values.iter().map(move |value| (value * gain(row)) as f32)
                })
                .collect(),
            bias: (bias.iter().enumerate())
                .map(|(row, share)| (share * steps as f64 * gain(row)) as f32)
                .collect(),
        }
    });
    layers.collect()
}
