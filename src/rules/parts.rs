//! A step of physics-aware training in parts of its batch, so that a slow device hardly waits.
//!
//! Two parts are under way at once. While the devices play one, the CPU computes the other up to its next device,
//! linearises the twin, and passes the previous part backward. The devices only wait for the backward pass of the
//! last part, which is the smallest.
//!
//! The gradient of the batch's mean loss is the mean of the parts' gradients, weighted by their samples. Random draws
//! belong to the sample, so that they are the same in any number of parts.

use std::collections::VecDeque;
use std::ops::Range;

use burn::tensor::Tensor;
use twinprop_devices::DeviceError;

use super::{Batch, ForwardPass, StepOutput};
use crate::data::Targets;
use crate::loss::Loss;
use crate::network::{BatchPosition, Laboratory, Network, PausablePass, Trace};

/// A part that is under way.
struct Part<'a> {
    targets: Targets,
    pass: PausablePass<'a>,
}

/// Results of the parts that have passed backward.
struct Finished<'a> {
    network: &'a Network,
    loss: &'a dyn Loss,
    /// Samples of the whole batch.
    batch: usize,
    traces: Vec<Trace>,
    /// Sum of the samples' losses.
    loss_sum: f32,
    /// Sum of the samples' penalties.
    penalty_sum: f32,
    gradients: Vec<Tensor<2>>,
}

/// Plays `batch` in `parts` parts, at most one a sample, and passes each backward through the twins.
pub(super) fn step(
    batch: &Batch,
    parts: usize,
    network: &Network,
    laboratory: &mut Laboratory,
    loss: &dyn Loss,
) -> Result<StepOutput, DeviceError> {
    let count = batch.targets.len();
    let mut waiting = ranges(count, parts).map(|samples| {
        let BatchPosition { step, samples_before } = batch.position;
        let samples_before = samples_before + samples.start as u64;
        let position = BatchPosition { step, samples_before };
        let x = batch.inputs.clone().narrow(0, samples.start, samples.len());
        let pass = PausablePass::new(network, x, Some(position));
        Part { targets: batch.targets.range(samples), pass }
    });
    let instruments = laboratory.instruments.iter_mut();
    let (mut devices, twins): (Vec<_>, Vec<_>) =
        instruments.map(|instrument| (&mut instrument.device, instrument.twin.clone())).unzip();
    let mut finished = Finished {
        network,
        loss,
        batch: count,
        traces: Vec::with_capacity(parts),
        loss_sum: 0.0,
        penalty_sum: 0.0,
        gradients: Vec::new(),
    };
    let mut under_way: VecDeque<Part> = waiting.by_ref().take(2).collect();
    let mut done: Option<Part> = None;
    while let Some(mut playing) = under_way.pop_front() {
        let (coming, before) = (under_way.front_mut(), done.take());
        playing.pass.advance();
        playing.pass.play(&mut devices, &twins, || {
            if let Some(coming) = coming {
                coming.pass.advance();
            }
            if let Some(before) = before {
                finished.pass_backward(before);
            }
        })?;
        if playing.pass.needs_device() {
            under_way.push_back(playing);
        } else {
            done = Some(playing);
            under_way.extend(waiting.next());
        }
    }
    if let Some(last) = done {
        finished.pass_backward(last);
    }
    Ok(finished.into_output())
}

/// The samples of each of `parts` of a batch; no part is empty. The last part has about a third of the others' samples:
/// devices would play fewer before the backward pass of the previous part ends.
fn ranges(batch: usize, parts: usize) -> impl Iterator<Item = Range<usize>> {
    let thirds = 3 * parts - 2;
    let end = move |number: usize| ((6 * number * batch + thirds) / (2 * thirds)).min(batch);
    (0..parts).map(move |number| end(number)..end(number + 1)).filter(|samples| !samples.is_empty())
}

impl Finished<'_> {
    /// Passes a part backward, and adds its share of the gradient of the batch's mean loss.
    fn pass_backward(&mut self, Part { targets, pass }: Part) {
        let (network, loss) = (self.network, self.loss);
        let ForwardPass { trace, loss, cotangent } =
            ForwardPass::new(pass.finish(), &targets, loss);
        // The twins are linearised: neither pass needs the laboratory.
        let empty = Laboratory::default;
        let (gradients, penalty) = rayon::join(
            || network.backward(&trace, cotangent, &empty()),
            || network.penalty(&trace, &empty()),
        );
        let size = targets.len() as f32;
        self.loss_sum += loss * size;
        self.penalty_sum += penalty * size;
        let share = targets.len() as f64 / self.batch as f64;
        let mut shares = gradients.into_iter().map(|gradient| gradient * share);
        self.gradients = if self.gradients.is_empty() {
            shares.collect()
        } else {
            self.gradients.drain(..).zip(&mut shares).map(|(sum, share)| sum + share).collect()
        };
        self.traces.push(trace);
    }

    fn into_output(self) -> StepOutput {
        let outputs = self.traces.iter().map(|trace| trace.output().clone()).collect();
        StepOutput {
            loss: self.loss_sum / self.batch as f32,
            penalty: self.penalty_sum / self.batch as f32,
            outputs: Tensor::cat(outputs, 0),
            gradients: self.gradients,
            traces: self.traces,
        }
    }
}
