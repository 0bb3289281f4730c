//! A network as layers: runs of stages with a value between them that a rule can hold on to.

use std::ops::Range;

use burn::tensor::Tensor;
use twinprop_devices::DeviceError;

use crate::network::{Laboratory, Network, Pullback, Source, Trace};
use crate::training::Regularisation;

/// Layers of a network. One begins at every stage that mixes its inputs (a physical or a digital layer),
/// and wherever a skip connection starts or ends; what stands before the first belongs to it.
///
/// Node k is what enters layer k, and the last node the logits: of L layers there are L + 1 nodes.
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

    /// How many there are.
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
        inputs.chain([trace.logits().clone()]).collect()
    }

    /// What skips into node `node` from the values of the nodes before it, added to `value`.
    pub(super) fn arriving(&self, node: usize, value: Tensor<2>, nodes: &[Tensor<2>]) -> Tensor<2> {
        let skips = self.skips.iter().filter(|&&(_, to)| to == node);
        skips.fold(value, |value, &(from, _)| value + nodes[from].clone())
    }

    /// What comes back over the skips that leave node `node`, added to `cotangent`.
    pub(super) fn returning(
        &self,
        node: usize,
        cotangent: Tensor<2>,
        credits: &[Tensor<2>],
    ) -> Tensor<2> {
        let skips = self.skips.iter().filter(|&&(from, _)| from == node);
        skips.fold(cotangent, |cotangent, &(_, to)| cotangent + credits[to].clone())
    }

    /// What layer `layer` makes of `x`, measured: what its stages got and gave.
    pub(super) fn measure(
        &self,
        layer: usize,
        x: &Tensor<2>,
        network: &Network,
        laboratory: &mut Laboratory,
    ) -> Result<Trace, DeviceError> {
        let mut trace = Trace::for_stages(self.stages(layer).len());
        let mut value = x.clone();
        for stage in &network.stages[self.stages(layer)] {
            let output = stage.forward(&value, laboratory, Source::Measured)?;
            trace.inputs.push(std::mem::replace(&mut value, output.clone()));
            trace.outputs.push(output);
        }
        Ok(trace)
    }

    /// What enters the stages of layer `layer` when `x` enters the layer, measured.
    pub(super) fn measure_inputs(
        &self,
        layer: usize,
        x: &Tensor<2>,
        network: &Network,
        laboratory: &mut Laboratory,
    ) -> Result<Vec<Tensor<2>>, DeviceError> {
        let mut inputs = vec![x.clone()];
        let Range { start, end } = self.stages(layer);
        for stage in &network.stages[start..end - 1] {
            let last = inputs.last().unwrap_or(x);
            inputs.push(stage.forward(last, laboratory, Source::Measured)?);
        }
        Ok(inputs)
    }

    /// What enters the stages of layer `layer`, as the whole network's `trace` has it.
    pub(super) fn entering<'a>(&self, layer: usize, trace: &'a Trace) -> &'a [Tensor<2>] {
        &trace.inputs[self.stages(layer)]
    }

    /// Layer `layer` at the stages' `inputs`, to send cotangents down through.
    pub(super) fn linearise<'a>(
        &self,
        layer: usize,
        inputs: &'a [Tensor<2>],
        network: &'a Network,
        laboratory: &'a Laboratory,
    ) -> LinearLayer<'a> {
        let stages = self.stages(layer).zip(inputs).map(|(place, x)| LinearStage {
            place,
            x,
            pullback: network.stages[place].pullback(x, laboratory),
            regularisation: network.regularisation(place, x, laboratory),
        });
        let lowest = network.lowest_trained(self.stages(layer));
        LinearLayer { stages: stages.collect(), lowest, network, laboratory }
    }
}

/// A layer at fixed inputs of its stages. What depends on these alone is worked out once, however many
/// cotangents are sent down.
pub(super) struct LinearLayer<'a> {
    stages: Vec<LinearStage<'a>>,
    /// Place of the lowest stage that has parameters.
    lowest: Option<usize>,
    network: &'a Network,
    laboratory: &'a Laboratory,
}

struct LinearStage<'a> {
    place: usize,
    x: &'a Tensor<2>,
    pullback: Pullback<'a>,
    regularisation: Option<(Regularisation, Option<usize>)>,
}

impl LinearStage<'_> {
    /// `dx`, and what the regulariser adds to it.
    fn regularised(&self, dx: Tensor<2>) -> Tensor<2> {
        match &self.regularisation {
            Some((regularisation, _)) => dx + regularisation.activations.clone(),
            None => dx,
        }
    }
}

impl LinearLayer<'_> {
    /// Cotangent of what enters the layer from that of what leaves it.
    pub(super) fn cotangent(&self, dy: Tensor<2>) -> Tensor<2> {
        self.stages.iter().rev().fold(dy, |dy, stage| stage.regularised((stage.pullback)(dy)))
    }

    /// Gradients of the layer's parameters from the cotangent of what leaves it.
    pub(super) fn gradients(&self, dy: Tensor<2>) -> Vec<Tensor<2>> {
        let mut cotangent = dy;
        let mut gradients = Vec::with_capacity(self.stages.len());
        for linear in self.stages.iter().rev() {
            let stage = &self.network.stages[linear.place];
            let dy = cotangent.clone();
            let is_lowest = Some(linear.place) == self.lowest;
            let mut dparameters = if stage.parameters().is_empty() {
                cotangent = (linear.pullback)(dy);
                Vec::new()
            } else if is_lowest {
                stage.parameter_gradients(linear.x, dy, self.laboratory)
            } else {
                let (dx, dparameters) = stage.vjp(linear.x, dy, self.laboratory);
                cotangent = dx;
                dparameters
            };
            if let Some((regularisation, Some(parameter))) = &linear.regularisation {
                let gradient = &mut dparameters[*parameter];
                *gradient = gradient.clone() + regularisation.weights.clone();
            }
            gradients.push(dparameters);
            if is_lowest {
                break;
            }
            cotangent = linear.regularised(cotangent);
        }
        gradients.into_iter().rev().flatten().collect()
    }
}
