//! A step of physics-aware training by parts of its batch: while the devices play one, the way back of the one
//! before is worked out, and a device that takes its time hardly waits.
//!
//! The gradient of the batch's mean loss is the mean of the parts', by their samples. What random stages draw
//! belongs to the sample, so that it is the same in any number of parts.

use burn::tensor::{Device, Tensor};
use twinprop_calibration::bridge::to_tensor;
use twinprop_devices::DeviceError;

use super::events::Sums;
use super::{accuracy, cross_entropy, predictions};
use crate::data::Dataset;
use crate::network::{Laboratory, Moment, Network, Trace};

/// What a batch leaves.
#[derive(Default)]
pub(super) struct Played {
    /// Of each part.
    pub traces: Vec<Trace>,
    pub sums: Sums,
    /// Of the batch's mean loss, in the order of [`Network::parameters_mut`].
    pub gradients: Vec<Tensor<2>>,
}

/// A part that went forward.
struct Forward<'a> {
    labels: &'a [usize],
    trace: Trace,
    moment: Option<Moment>,
}

/// Plays `batch` in `parts`, at most one a sample, and goes back through the twins.
pub(super) fn play(
    network: &Network,
    laboratory: &mut Laboratory,
    batch: &Dataset,
    parts: usize,
    backend: &Device,
) -> Result<Played, DeviceError> {
    let size = batch.len().div_ceil(parts);
    let whole = laboratory.moment;
    let x = to_tensor(&batch.features, backend);
    let mut played = Played::default();
    let mut waiting: Option<Forward> = None;
    for (number, labels) in batch.labels.chunks(size).enumerate() {
        let first = number * size;
        let moment = whole.map(|moment| Moment { first, ..moment });
        laboratory.moment = moment;
        let x = x.clone().narrow(0, first, labels.len());
        let before = waiting.take();
        // The devices are not kept waiting for another core to wake: that one goes back.
        let trace = rayon::in_place_scope(|scope| {
            if let Some(before) = before {
                scope.spawn(|_| played.take_back(before, network, batch.len()));
            }
            network.measure_and_linearise(x, laboratory)
        });
        laboratory.moment = whole;
        waiting = Some(Forward { labels, trace: trace?, moment });
    }
    if let Some(last) = waiting {
        played.take_back(last, network, batch.len());
    }
    Ok(played)
}

impl Played {
    /// Takes in a part of `batch` samples, with its share of the gradient of their mean loss.
    fn take_back(&mut self, part: Forward, network: &Network, batch: usize) {
        let Forward { labels, trace, moment } = part;
        let away = Laboratory::without_devices(moment);
        let (loss, cotangent) = cross_entropy(trace.logits(), labels);
        let size = labels.len() as f32;
        self.sums.add(&Sums {
            loss: loss * size,
            right: accuracy(&predictions(trace.logits()), labels) * size,
            penalty: network.penalty(&trace, &away) * size,
        });
        let share = labels.len() as f64 / batch as f64;
        let gradients = network.backward(&trace, cotangent, &away);
        let mut shares = gradients.into_iter().map(|gradient| gradient * share);
        self.gradients = if self.gradients.is_empty() {
            shares.collect()
        } else {
            self.gradients.drain(..).zip(&mut shares).map(|(sum, share)| sum + share).collect()
        };
        self.traces.push(trace);
    }
}
