//! A network's answers to a data set, measured on its devices.

use burn::tensor::Device;
use nalgebra::DMatrix;
use twinprop_calibration::bridge::{to_tensor, to_vec};

use crate::Error;
use crate::data::Dataset;
use crate::loss::{Loss, Score, predictions};
use crate::network::{Laboratory, Network, Source};

/// Samples that pass at once without a gradient.
const BATCH: usize = 256;

/// A network's answers to a data set.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// Mean loss.
    pub loss: f32,
    /// How well the answers meet the targets.
    pub score: Score,
    /// The network's outputs, `[outputs × samples]`.
    pub outputs: DMatrix<f32>,
}

impl Evaluation {
    /// Most probable class of each sample.
    #[must_use]
    pub fn predicted(&self) -> Vec<usize> {
        predictions(&self.outputs)
    }

    /// Samples by true class (rows) and answer (columns), of the evaluated `data` with `classes` classes.
    #[must_use]
    pub fn confusion(&self, data: &Dataset, classes: usize) -> Vec<Vec<usize>> {
        let mut counts = vec![vec![0; classes]; classes];
        for (&class, answer) in data.targets.classes().iter().zip(self.predicted()) {
            counts[class][answer] += 1;
        }
        counts
    }
}

/// Measures the outputs of `network` for `data` on its devices, and compares them by `loss`.
///
/// # Errors
/// Errors of a device.
pub fn evaluate(
    network: &Network,
    laboratory: &mut Laboratory,
    data: &Dataset,
    loss: &dyn Loss,
    backend: &Device,
) -> Result<Evaluation, Error> {
    let mut values = Vec::new();
    let mut sum = 0.0;
    let order: Vec<usize> = (0..data.len()).collect();
    for chosen in order.chunks(BATCH) {
        let batch = data.choose(chosen);
        let x = to_tensor(&batch.features, backend);
        let trace = network.forward(x, laboratory, Source::Measured, None)?;
        sum += loss.at(trace.output(), &batch.targets).0 * chosen.len() as f32;
        values.extend(to_vec(trace.output().clone()));
    }
    let outputs = DMatrix::from_vec(values.len() / data.len().max(1), data.len(), values);
    let score = loss.score(&outputs, &data.targets);
    Ok(Evaluation { loss: sum / data.len() as f32, score, outputs })
}
