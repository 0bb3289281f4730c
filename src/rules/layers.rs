//! A network as layers: runs of stages, with nodes between them where a rule can replace values.

use std::ops::Range;

use burn::tensor::Tensor;
use twinprop_devices::DeviceError;

use crate::network::{
    BatchPosition, Cotangents, Laboratory, Network, Point, Pullback, Regularisation, Source, Trace,
    Wanted,
};

/// Layers of a network. One begins at every stage that mixes its inputs (a physical or a digital layer),
/// and wherever a skip connection starts or ends; stages before the first belong to it.
///
/// Node k is the input of layer k, and the last node the logits: L layers have L + 1 nodes.
pub struct Layers {
    ranges: Vec<Range<usize>>,
    /// From node to node.
    skips: Vec<(usize, usize)>,
}

impl Layers {
    /// The layers of `network`.
    #[must_use]
    pub fn of(network: &Network) -> Self {
        let stages = network.stages.iter().enumerate();
        let mixing = stages.filter(|(_, stage)| stage.mixes()).map(|(place, _)| place).skip(1);
        let ends = network.skips.iter().flat_map(|skip| [skip.from, skip.to]);
        let mut starts: Vec<usize> = std::iter::once(0).chain(mixing).chain(ends).collect();
        starts.sort_unstable();
        starts.dedup();
        let node = |stage| starts.partition_point(|&start| start < stage);
        let skips = network.skips.iter().map(|skip| (node(skip.from), node(skip.to))).collect();
        let stops = starts.iter().skip(1).copied().chain([network.stages.len()]);
        let ranges = starts.iter().zip(stops).map(|(&start, stop)| start..stop).collect();
        Self { ranges, skips }
    }

    /// Number of layers.
    #[must_use]
    pub fn count(&self) -> usize {
        self.ranges.len()
    }

    /// The stages of layer `layer`.
    #[must_use]
    pub fn stages(&self, layer: usize) -> Range<usize> {
        self.ranges[layer].clone()
    }

    /// The values at the nodes, as `trace` has them.
    #[must_use]
    pub fn nodes(&self, trace: &Trace) -> Vec<Tensor<2>> {
        let inputs = self.ranges.iter().map(|range| trace.inputs[range.start].clone());
        inputs.chain([trace.output().clone()]).collect()
    }

    /// `value` plus the values of the earlier `nodes` that skip connections bring to node `node`.
    pub(super) fn add_skips_into(
        &self,
        node: usize,
        value: Tensor<2>,
        nodes: &[Tensor<2>],
    ) -> Tensor<2> {
        let skips = self.skips.iter().filter(|&&(_, to)| to == node);
        skips.fold(value, |value, &(from, _)| value + nodes[from].clone())
    }

    /// `cotangent` plus the `credits` of the later nodes to which skip connections lead from node `node`.
    pub(super) fn add_skips_back(
        &self,
        node: usize,
        cotangent: Tensor<2>,
        credits: &[Tensor<2>],
    ) -> Tensor<2> {
        let skips = self.skips.iter().filter(|&&(from, _)| from == node);
        skips.fold(cotangent, |cotangent, &(_, to)| cotangent + credits[to].clone())
    }

    /// Passes `x` through layer `layer`, measured.
    pub(super) fn measure(
        &self,
        layer: usize,
        x: &Tensor<2>,
        network: &Network,
        laboratory: &mut Laboratory,
        position: BatchPosition,
    ) -> Result<Trace, DeviceError> {
        let mut trace = self.measure_inputs(layer, x, network, laboratory, position)?;
        let last = &network.stages[self.stages(layer).end - 1];
        let input = &trace.inputs[trace.outputs.len()];
        let passed = last.forward(input, laboratory, Source::Measured, Some(position))?;
        trace.push(passed);
        Ok(trace)
    }

    /// The same up to the input of the last stage, which is not measured.
    pub(super) fn measure_inputs(
        &self,
        layer: usize,
        x: &Tensor<2>,
        network: &Network,
        laboratory: &mut Laboratory,
        position: BatchPosition,
    ) -> Result<Trace, DeviceError> {
        let Range { start, end } = self.stages(layer);
        let mut trace = Trace::for_stages(end - start, Some(position));
        let mut value = x.clone();
        for stage in &network.stages[start..end - 1] {
            let passed = stage.forward(&value, laboratory, Source::Measured, Some(position))?;
            trace.inputs.push(std::mem::replace(&mut value, passed.output.clone()));
            trace.push(passed);
        }
        trace.inputs.push(value);
        Ok(trace)
    }

    /// The points of the whole network's `trace` in layer `layer`.
    pub(super) fn points<'a>(&self, layer: usize, trace: &'a Trace) -> Vec<Point<'a>> {
        self.stages(layer).map(|place| trace.point(place)).collect()
    }

    /// Linearises layer `layer` at the `points` of its stages.
    pub(super) fn linearise<'a>(
        &self,
        layer: usize,
        points: &[Point<'a>],
        network: &'a Network,
        laboratory: &'a Laboratory,
    ) -> LinearLayer<'a> {
        let stages = self.stages(layer).zip(points).map(|(place, &point)| LinearStage {
            place,
            point,
            pullback: network.stages[place].pullback(point, laboratory),
            regularisation: network.regularisation(place, point, laboratory),
        });
        let lowest = network.lowest_trained(self.stages(layer));
        LinearLayer { stages: stages.collect(), lowest, network, laboratory }
    }
}

/// A layer at fixed inputs of its stages. Terms that depend on these alone are computed once for all cotangents.
pub(super) struct LinearLayer<'a> {
    stages: Vec<LinearStage<'a>>,
    /// Place of the lowest stage that has parameters.
    lowest: Option<usize>,
    network: &'a Network,
    laboratory: &'a Laboratory,
}

struct LinearStage<'a> {
    place: usize,
    point: Point<'a>,
    pullback: Pullback<'a>,
    regularisation: Option<(Regularisation, Option<usize>)>,
}

impl LinearStage<'_> {
    /// `dx` plus the regulariser's gradient.
    fn regularised(&self, dx: Tensor<2>) -> Tensor<2> {
        match &self.regularisation {
            Some((regularisation, _)) => dx + regularisation.activations.clone(),
            None => dx,
        }
    }
}

impl LinearLayer<'_> {
    /// Cotangent of the layer's input from the cotangent of its output.
    pub(super) fn cotangent(&self, dy: Tensor<2>) -> Tensor<2> {
        self.stages.iter().rev().fold(dy, |dy, stage| stage.regularised((stage.pullback)(dy)))
    }

    /// Gradients of the layer's parameters from the cotangent of its output.
    pub(super) fn gradients(&self, dy: Tensor<2>) -> Vec<Tensor<2>> {
        let mut cotangent = dy;
        let mut gradients = Vec::with_capacity(self.stages.len());
        for linear in self.stages.iter().rev() {
            let stage = &self.network.stages[linear.place];
            let dy = cotangent.clone();
            let is_lowest = Some(linear.place) == self.lowest;
            let mut parameters = if stage.parameters().is_empty() {
                cotangent = (linear.pullback)(dy);
                Vec::new()
            } else if is_lowest {
                stage.vjp(linear.point, dy, Wanted::Parameters, self.laboratory).parameters
            } else {
                let Cotangents { input, parameters } =
                    stage.vjp(linear.point, dy, Wanted::All, self.laboratory);
                cotangent = input.expect("all cotangents are wanted");
                parameters
            };
            if let Some((regularisation, Some(parameter))) = &linear.regularisation {
                let gradient = &mut parameters[*parameter];
                *gradient = gradient.clone() + regularisation.weights.clone();
            }
            gradients.push(parameters);
            if is_lowest {
                break;
            }
            cotangent = linear.regularised(cotangent);
        }
        gradients.into_iter().rev().flatten().collect()
    }
}
