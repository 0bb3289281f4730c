//! A graph as a network.

use std::collections::{BTreeMap, BTreeSet};

use nir_rs::{MetadataValue, NirGraph, NirNode};
use twinprop_devices::neuromorphic::Population;

use super::constants::{Matrix, Neuronal, each, neurons, numbers, rounded};
use super::export::{STEP_SECONDS, STEPS};
use super::network::{Dense, Layer, SpikingNetwork};
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

/// A `Linear` or `Affine` node.
struct Weights {
    name: String,
    matrix: Matrix,
    bias: Vec<f64>,
}

impl Weights {
    /// `None` for a node of another kind.
    fn of(name: &str, node: &NirNode) -> Result<Option<Self>, String> {
        let (weight, bias) = match node {
            NirNode::Linear(linear) => (&linear.weight, None),
            NirNode::Affine(affine) => (&affine.weight, Some(&affine.bias)),
            _ => return Ok(None),
        };
        let matrix = Matrix::of(weight, &format!("`weight` of node `{name}`"))?;
        let what = format!("`bias` of node `{name}`");
        let bias = bias.map_or(Ok(vec![0.0; matrix.rows]), |bias| numbers(bias, &what))?;
        if bias.len() != matrix.rows {
            return Err(format!("{what} has {} values for {} rows", bias.len(), matrix.rows));
        }
        Ok(Some(Self { name: name.to_owned(), matrix, bias }))
    }

    /// The width behind the node, for `width` values before it.
    fn fit(&self, name: &str, width: usize) -> Result<usize, String> {
        match self.matrix.columns {
            columns if columns == width => Ok(self.matrix.rows),
            columns => Err(format!("node `{name}` takes {columns} values, and there are {width}")),
        }
    }

    fn without_bias(self) -> Result<Self, String> {
        match self.bias.iter().any(|value| *value != 0.0) {
            true => Err(format!(
                "node `{}` (Affine) adds a bias to the current of neurons, which a chip does not have; only spikes drive it; set `bias` to 0",
                self.name
            )),
            false => Ok(self),
        }
    }
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

/// The way from the input of a graph to its output.
struct Walk<'a> {
    graph: &'a NirGraph,
    behind: BTreeMap<&'a str, Vec<&'a str>>,
    last: &'a str,
    visited: BTreeSet<&'a str>,
    /// Values behind the last node.
    width: usize,
}

impl<'a> Walk<'a> {
    fn new(graph: &'a NirGraph) -> Result<Self, String> {
        let mut inputs = graph.nodes.iter().filter_map(|(name, node)| match node {
            NirNode::Input(input) => Some((name.as_str(), input.shape.as_slice())),
            _ => None,
        });
        let (Some((last, shape)), None) = (inputs.next(), inputs.next()) else {
            return Err("it does not have one input; a chip has one".to_owned());
        };
        let &[width] = shape else {
            return Err(format!("node `{last}` (Input) has the shape {shape:?}; give it one axis"));
        };
        let mut behind: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (from, to) in &graph.edges {
            behind.entry(from).or_default().push(to);
        }
        Ok(Self { graph, behind, last, visited: BTreeSet::from([last]), width })
    }

    fn behind(&self, name: &str) -> &[&'a str] {
        self.behind.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether `other` leads back to `name` and nowhere else.
    fn leads_back(&self, other: &str, name: &str) -> bool {
        self.behind(other) == [name]
    }

    /// The next node; the walk ends behind the output.
    fn next(&mut self) -> Result<Option<(&'a str, &'a NirNode)>, String> {
        let last = self.last;
        let onward: Vec<&str> =
            self.behind(last).iter().copied().filter(|to| !self.leads_back(to, last)).collect();
        let &[name] = onward.as_slice() else {
            return Err(match onward.is_empty() {
                true => format!("nothing follows node `{last}`; it should lead to the output"),
                false => format!(
                    "node `{last}` leads to {}; a chip's spikes go to one next layer, and back to itself through one `Linear`",
                    onward.join(" and ")
                ),
            });
        };
        if !self.visited.insert(name) {
            return Err(format!(
                "node `{name}` is reached twice; spikes may only return from neurons to themselves, through one `Linear`"
            ));
        }
        self.last = name;
        Ok(self.graph.nodes.get_key_value(name).map(|(name, node)| (name.as_str(), node)))
    }

    /// Whether the next node is no output.
    fn has_more_than_output(&self) -> bool {
        let mut onward = self.behind(self.last).iter();
        !onward.all(|to| matches!(self.graph.get(to), Some(NirNode::Output(_))))
    }

    /// The weights from the neurons `name` to themselves.
    fn recurrent(&mut self, name: &str) -> Result<Option<Weights>, String> {
        let back: Vec<&'a str> = self
            .behind(name)
            .iter()
            .copied()
            .filter(|to| *to == name || self.leads_back(to, name))
            .collect();
        let (other, node) = match back.as_slice() {
            [] => return Ok(None),
            &[other] => (other, self.graph.get(other)),
            _ => return Err(format!("the neurons `{name}` lead back to themselves twice")),
        };
        self.visited.insert(other);
        match node.map(|node| Weights::of(other, node)).transpose()?.flatten() {
            Some(weights) => Ok(Some(weights)),
            None => Err(format!(
                "the neurons `{name}` lead back to themselves without weights; put a `Linear` between"
            )),
        }
    }

    /// Refuses nodes beside the way.
    fn refuse_unvisited(&self) -> Result<(), String> {
        let mut names = self.graph.nodes.keys();
        match names.find(|name| !self.visited.contains(name.as_str())) {
            None => Ok(()),
            Some(name) => {
                Err(format!("node `{name}` is not on the way from the input to the output"))
            }
        }
    }
}
