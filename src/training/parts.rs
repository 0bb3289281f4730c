//! A step of physics-aware training by parts of its batch, so that a device that takes its time hardly waits.
//!
//! Two parts are under way at once: while the devices play one, the host brings the other to its next device,
//! linearises the twin, and works out the way back of the part that was done last. Only the way back of the last
//! part, which is the smallest, keeps the devices waiting.
//!
//! The gradient of the batch's mean loss is the mean of the parts', by their samples. What random stages draw
//! belongs to the sample, so that it is the same in any number of parts.

use std::collections::VecDeque;
use std::ops::Range;

use burn::tensor::{Device, Tensor};
use twinprop_calibration::bridge::to_tensor;
use twinprop_devices::DeviceError;

use super::events::Sums;
use super::{accuracy, cross_entropy, predictions};
use crate::data::Dataset;
use crate::network::{Laboratory, Moment, Network, Passage, Trace};

/// What a batch leaves.
#[derive(Default)]
pub(super) struct Played {
    /// Of each part.
    pub traces: Vec<Trace>,
    pub sums: Sums,
    /// Of the batch's mean loss, in the order of [`Network::parameters_mut`].
    pub gradients: Vec<Tensor<2>>,
}

/// A part on its way forward.
struct Part<'a> {
    labels: &'a [usize],
    moment: Option<Moment>,
    passage: Passage<'a>,
}

/// Plays `batch` in `parts`, at most one a sample, and goes back through the twins.
pub(super) fn play(
    network: &Network,
    laboratory: &mut Laboratory,
    batch: &Dataset,
    parts: usize,
    backend: &Device,
) -> Result<Played, DeviceError> {
    let x = to_tensor(&batch.features, backend);
    let whole = laboratory.moment;
    let mut waiting = ranges(batch.len(), parts).map(|samples| {
        let moment = whole.map(|moment| Moment { first: samples.start, ..moment });
        let x = x.clone().narrow(0, samples.start, samples.len());
        Part { labels: &batch.labels[samples], moment, passage: Passage::new(network, x, moment) }
    });
    let instruments = laboratory.instruments.iter_mut();
    let (mut devices, twins): (Vec<_>, Vec<_>) =
        instruments.map(|instrument| (&mut instrument.device, instrument.twin.clone())).unzip();
    let mut played = Played::default();
    let mut under_way: VecDeque<Part> = waiting.by_ref().take(2).collect();
    let mut done: Option<Part> = None;
    while let Some(mut playing) = under_way.pop_front() {
        let (coming, before) = (under_way.front_mut(), done.take());
        playing.passage.go_on();
        playing.passage.play(&mut devices, &twins, || {
            if let Some(coming) = coming {
                coming.passage.go_on();
            }
            if let Some(before) = before {
                played.take_back(before, network, batch.len());
            }
        })?;
        if playing.passage.is_to_play() {
            under_way.push_back(playing);
        } else {
            done = Some(playing);
            under_way.extend(waiting.next());
        }
    }
    if let Some(last) = done {
        played.take_back(last, network, batch.len());
    }
    Ok(played)
}

/// The samples of each of `parts` of a batch. The last are about a third as many as the others: with fewer, devices
/// would have played them before the part before them is taken back. None is empty.
fn ranges(batch: usize, parts: usize) -> impl Iterator<Item = Range<usize>> {
    let thirds = 3 * parts - 2;
    let end = move |number: usize| ((6 * number * batch + thirds) / (2 * thirds)).min(batch);
    (0..parts).map(move |number| end(number)..end(number + 1)).filter(|samples| !samples.is_empty())
}

impl Played {
    /// Takes in a part of `batch` samples, with its share of the gradient of their mean loss.
    fn take_back(&mut self, part: Part, network: &Network, batch: usize) {
        let Part { labels, moment, passage } = part;
        let away = || Laboratory::without_devices(moment);
        let trace = passage.finish();
        let (loss, cotangent) = cross_entropy(trace.logits(), labels);
        let size = labels.len() as f32;
        let sums = || Sums {
            loss: loss * size,
            right: accuracy(&predictions(trace.logits()), labels) * size,
            penalty: network.penalty(&trace, &away()) * size,
        };
        let (gradients, sums) = rayon::join(|| network.backward(&trace, cotangent, &away()), sums);
        self.sums.add(&sums);
        let share = labels.len() as f64 / batch as f64;
        let mut shares = gradients.into_iter().map(|gradient| gradient * share);
        self.gradients = if self.gradients.is_empty() {
            shares.collect()
        } else {
            self.gradients.drain(..).zip(&mut shares).map(|(sum, share)| sum + share).collect()
        };
        self.traces.push(trace);
    }
}
