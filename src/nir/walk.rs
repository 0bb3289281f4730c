//! The way through a graph, from its input to its output.

use std::collections::{BTreeMap, BTreeSet};

use nir_rs::{NirGraph, NirNode};

use super::constants::{Matrix, numbers};

/// A `Linear` or `Affine` node.
pub(super) struct Weights {
    pub name: String,
    pub matrix: Matrix,
    pub bias: Vec<f64>,
}

impl Weights {
    /// `None` for a node of another kind.
    pub fn of(name: &str, node: &NirNode) -> Result<Option<Self>, String> {
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
    pub fn fit(&self, name: &str, width: usize) -> Result<usize, String> {
        match self.matrix.columns {
            columns if columns == width => Ok(self.matrix.rows),
            columns => Err(format!("node `{name}` takes {columns} values, and there are {width}")),
        }
    }

    /// The node, if it adds nothing to the current of neurons.
    pub fn without_bias(self) -> Result<Self, String> {
        match self.bias.iter().any(|value| *value != 0.0) {
            true => Err(format!(
                "node `{}` (Affine) adds a bias to the current of neurons, which a chip does not have; only spikes drive it; set `bias` to 0",
                self.name
            )),
            false => Ok(self),
        }
    }
}

/// The way from the input of a graph to its output.
pub(super) struct Walk<'a> {
    graph: &'a NirGraph,
    behind: BTreeMap<&'a str, Vec<&'a str>>,
    last: &'a str,
    visited: BTreeSet<&'a str>,
    /// Values behind the last node.
    pub width: usize,
}

impl<'a> Walk<'a> {
    /// At the input of `graph`.
    pub fn new(graph: &'a NirGraph) -> Result<Self, String> {
        let mut inputs = graph.nodes.iter().filter_map(|(name, node)| match node {
            NirNode::Input(input) => Some((name.as_str(), input.shape.as_slice())),
            _ => None,
        });
        let (Some((last, shape)), None) = (inputs.next(), inputs.next()) else {
            return Err("it does not have one input; a chip has one".to_owned());
        };
        // Axes of one value, such as a batch's, say nothing.
        let width = match shape.iter().filter(|length| **length != 1).collect::<Vec<_>>()[..] {
            [] => 1,
            [&width] => width,
            _ => {
                return Err(format!(
                    "node `{last}` (Input) has the shape {shape:?}; give it one axis"
                ));
            }
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
    pub fn next(&mut self) -> Result<Option<(&'a str, &'a NirNode)>, String> {
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
    pub fn has_more_than_output(&self) -> bool {
        let mut onward = self.behind(self.last).iter();
        !onward.all(|to| matches!(self.graph.get(to), Some(NirNode::Output(_))))
    }

    /// The weights from the neurons `name` to themselves.
    pub fn recurrent(&mut self, name: &str) -> Result<Option<Weights>, String> {
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
    pub fn refuse_unvisited(&self) -> Result<(), String> {
        let mut names = self.graph.nodes.keys();
        match names.find(|name| !self.visited.contains(name.as_str())) {
            None => Ok(()),
            Some(name) => {
                Err(format!("node `{name}` is not on the way from the input to the output"))
            }
        }
    }
}
