//! Correlations between the units of the regularised stages, before and after the training.

use burn::tensor::{Device, Tensor};
use kodama::{Method, linkage};
use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};
use twinprop_calibration::bridge::{to_matrix, to_tensor};

use super::run_folder::RunFolder;
use crate::Error;
use crate::data::Dataset;
use crate::network::{Laboratory, Network, Source};

/// Most units of a stage, and most samples, that are measured; evenly spaced if there are more.
const UNITS: usize = 96;
const SAMPLES: usize = 512;

/// Correlations between units, similar units side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Correlations {
    /// The units, ordered by average-linkage clustering with the distances 1 − r.
    pub units: Vec<usize>,
    /// Pearson correlations r `[units][units]` in this order; zero for a constant unit.
    pub values: Vec<Vec<f32>>,
}

/// Correlations between the inputs of a regularised stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageAssemblies {
    /// The stage, as `PLACE.KIND`.
    pub stage: String,
    /// Number of units.
    pub width: usize,
    /// Before the first training step.
    pub before: Correlations,
    /// After the last training step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Correlations>,
}

impl Correlations {
    /// Correlations of the activations `[samples, units]`.
    fn of(activations: Tensor<2>) -> Self {
        // One sample per column.
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
    /// Measures the correlations of every regularised stage of `network` on test samples.
    ///
    /// # Errors
    /// Any error of a device.
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

    /// Completes `stages` with the correlations of the trained `network`.
    ///
    /// # Errors
    /// Any error of a device.
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

/// Measures the inputs of the regularised stages; returns them with the places of the stages.
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

/// At most `most` numbers below `count`, evenly spaced.
fn evenly(count: usize, most: usize) -> Vec<usize> {
    (0..count).step_by(count.div_ceil(most).max(1)).collect()
}

/// Orders the rows of `correlations` by clustering.
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
    /// Correlations of the regularised stages; empty for a run without `training.bean`.
    ///
    /// # Errors
    /// As [`usages`](Self::usages).
    pub fn assemblies(&self) -> Result<Vec<StageAssemblies>, Error> {
        if !self.path().join(Self::ASSEMBLIES).exists() {
            return Ok(Vec::new());
        }
        self.read_json(Self::ASSEMBLIES, "make it readable, or remove it")
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use twinprop_calibration::bridge::from_vec;

    use super::*;

    /// Units 0, 2, 4 follow one wave and 1, 3 another; unit 5 is silent.
    #[test]
    fn correlated_units_are_side_by_side() {
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
    fn only_some_of_many_units_are_measured() {
        assert_eq!(evenly(5, 96), [0, 1, 2, 3, 4]);
        assert_eq!(evenly(10, 4), [0, 3, 6, 9]);
        assert_eq!(evenly(784, UNITS).len(), 88);
    }
}
