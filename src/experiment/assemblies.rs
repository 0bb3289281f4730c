//! Which units of the regularised stages answer alike, before the training and after it.

use burn::tensor::{Device, Tensor};
use kodama::{Method, linkage};
use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};
use twinprop_calibration::bridge::{to_matrix, to_tensor};

use super::run_folder::RunFolder;
use crate::Error;
use crate::data::Dataset;
use crate::network::{Laboratory, Network, Source};

/// Units that are shown of a stage, and samples that they answer to, evenly spaced where there are more.
const UNITS: usize = 96;
const SAMPLES: usize = 512;

/// Correlations between units, with units that answer alike side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Correlations {
    /// The units, in the order of the leaves of a tree of average linkage at distances 1 − r.
    pub units: Vec<usize>,
    /// r of each with each, in that order; zero of a unit that always answers the same.
    pub values: Vec<Vec<f32>>,
}

/// The units that enter a regularised stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageAssemblies {
    /// The stage, as `PLACE.KIND`.
    pub stage: String,
    /// How many units there are.
    pub width: usize,
    /// Before the first step.
    pub before: Correlations,
    /// After the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Correlations>,
}

impl Correlations {
    /// Of the activations `[samples, units]`.
    fn of(activations: Tensor<2>) -> Self {
        // A column a sample.
        let mut values = to_matrix(activations).cast::<f64>();
        let units: Vec<usize> = evenly(values.nrows(), UNITS);
        values = values.select_rows(&units);
        for mut row in values.row_iter_mut() {
            row.add_scalar_mut(-row.mean());
            let length = row.norm();
            row /= if length > 0.0 { length } else { 1.0 };
        }
        let correlations = &values * values.transpose();
        let order = leaves(&correlations);
        let row = |&a: &usize| order.iter().map(|&b| correlations[(a, b)] as f32).collect();
        Self {
            units: order.iter().map(|&leaf| units[leaf]).collect(),
            values: order.iter().map(row).collect(),
        }
    }
}

impl StageAssemblies {
    /// Those of every regularised stage of `network`, measured on test samples.
    ///
    /// # Errors
    /// Whatever a device answers.
    pub fn before(
        network: &Network,
        laboratory: &mut Laboratory,
        test: &Dataset,
        backend: &Device,
    ) -> Result<Vec<Self>, Error> {
        let measured = measure(network, laboratory, test, backend)?;
        let stages = measured.into_iter().map(|(place, activations)| Self {
            stage: format!("{place}.{}", network.stages[place].kind()),
            width: activations.dims()[1],
            before: Correlations::of(activations),
            after: None,
        });
        Ok(stages.collect())
    }

    /// Completes `stages` by what `network` has become.
    ///
    /// # Errors
    /// Whatever a device answers.
    pub fn complete(
        stages: &mut [Self],
        network: &Network,
        laboratory: &mut Laboratory,
        test: &Dataset,
        backend: &Device,
    ) -> Result<(), Error> {
        let measured = measure(network, laboratory, test, backend)?;
        for (stage, (_, activations)) in stages.iter_mut().zip(measured) {
            stage.after = Some(Correlations::of(activations));
        }
        Ok(())
    }
}

/// What enters the regularised stages, with their places.
fn measure(
    network: &Network,
    laboratory: &mut Laboratory,
    test: &Dataset,
    backend: &Device,
) -> Result<Vec<(usize, Tensor<2>)>, Error> {
    let Some(regularised) = &network.bean else { return Ok(Vec::new()) };
    let samples = test.choose(&evenly(test.len(), SAMPLES));
    let x = to_tensor(&samples.features, backend);
    let trace = network.forward(x, laboratory, Source::Measured, None)?;
    let places = regularised.places.iter();
    Ok(places.map(|&place| (place, trace.inputs[place].clone())).collect())
}

/// At most `most` of the first `count` numbers, evenly spaced.
fn evenly(count: usize, most: usize) -> Vec<usize> {
    (0..count).step_by(count.div_ceil(most).max(1)).collect()
}

/// The rows of `correlations` in the order of the leaves of their tree.
fn leaves(correlations: &DMatrix<f64>) -> Vec<usize> {
    let count = correlations.nrows();
    let pairs = (0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b)));
    let mut distances: Vec<f64> = pairs.map(|pair| 1.0 - correlations[pair]).collect();
    let tree = linkage(&mut distances, count, Method::Average);
    let mut clusters: Vec<Vec<usize>> = (0..count).map(|leaf| vec![leaf]).collect();
    for step in tree.steps() {
        let mut joined = std::mem::take(&mut clusters[step.cluster1]);
        joined.append(&mut clusters[step.cluster2]);
        clusters.push(joined);
    }
    clusters.pop().unwrap_or_default()
}

impl RunFolder {
    /// Which units answered alike when the run began; nothing of a run without a regulariser of assemblies.
    ///
    /// # Errors
    /// As [`usages`](Self::usages).
    pub fn assemblies(&self) -> Result<Vec<StageAssemblies>, Error> {
        if !self.path().join(Self::ASSEMBLIES).exists() {
            return Ok(Vec::new());
        }
        self.read_json(Self::ASSEMBLIES, "let it be read, or remove it")
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use twinprop_calibration::bridge::from_vec;

    use super::*;

    /// Units 0, 2, 4 follow one wave and 1, 3 another; unit 5 is silent.
    #[test]
    fn units_that_answer_alike_stand_side_by_side() {
        let samples = 40;
        let activity = |sample: usize, unit: usize| {
            let phase = sample as f32 * if unit.is_multiple_of(2) { 0.7 } else { 1.9 };
            if unit == 5 { 1.0 } else { phase.sin() * (unit + 1) as f32 + unit as f32 }
        };
        let values = (0..samples).flat_map(|sample| (0..6).map(move |unit| activity(sample, unit)));
        let found = Correlations::of(from_vec(values.collect(), [samples, 6], &Device::flex()));
        let place = |unit| found.units.iter().position(|&found| found == unit).unwrap();
        let side_by_side = |units: &[usize]| {
            let places: Vec<usize> = units.iter().map(|&unit| place(unit)).collect();
            let ends = (places.iter().min().unwrap(), places.iter().max().unwrap());
            ends.1 - ends.0 + 1 == units.len()
        };
        assert!(side_by_side(&[0, 2, 4]) && side_by_side(&[1, 3]), "{:?}", found.units);
        let r = |a, b| found.values[place(a)][place(b)];
        assert!((r(0, 4) - 1.0).abs() < 1e-5 && r(0, 1).abs() < 0.3, "{} {}", r(0, 4), r(0, 1));
        assert_eq!((r(5, 0), r(5, 5)), (0.0, 0.0));
    }

    #[test]
    fn of_many_units_some_are_shown() {
        assert_eq!(evenly(5, 96), [0, 1, 2, 3, 4]);
        assert_eq!(evenly(10, 4), [0, 3, 6, 9]);
        assert_eq!(evenly(784, UNITS).len(), 88);
    }
}
