//! What digital methods reach on the same inputs: how much of a result is the physics'.

use burn::tensor::Device;
use nalgebra::DMatrix;

use super::digital_network::train;
use super::ridge;
use crate::data::{Dataset, Split, Targets};
use crate::loss::Loss;
use crate::training::TestScore;

/// A digital method's result.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// What it is.
    pub name: &'static str,
    /// How well it does on the test data.
    pub test: TestScore,
}

/// A linear equaliser, for symbols: classes of a time series that are named by numbers. `None` for other classes.
#[must_use]
pub fn linear_equaliser(split: &Split) -> Option<Baseline> {
    let test = TestScore::of(ridge::equaliser(split)?, &[]);
    Some(Baseline { name: "linear equaliser", test })
}

/// Parts of a raster in which spikes are counted.
const PARTS: usize = 5;

/// `split` as digital methods get it: a raster of `steps` steps becomes the numbers of spikes of each line in five equal
/// parts of the shot, since thousands of cells that are mostly 0 train badly. `None` for features that are no rasters.
#[must_use]
pub(super) fn counted(split: &Split, steps: Option<usize>) -> Option<Split> {
    let steps = steps?;
    let counts = |samples: &Dataset| {
        let lines = samples.features.nrows() / steps;
        let parts = PARTS.min(steps);
        let mut counts = DMatrix::zeros(lines * parts, samples.len());
        for (mut counts, raster) in counts.column_iter_mut().zip(samples.features.column_iter()) {
            for (cell, &spike) in raster.iter().enumerate() {
                let (step, line) = (cell / lines, cell % lines);
                counts[step * parts / steps * lines + line] += spike;
            }
        }
        Dataset { features: counts, targets: samples.targets.clone() }
    };
    Some(Split {
        train: counts(&split.train),
        test: counts(&split.test),
        classes: split.classes.clone(),
        image: None,
        augmentation: None,
        schema: split.schema.clone(),
        warnings: Vec::new(),
    })
}

/// Hidden units of the small network.
const HIDDEN: usize = 64;

/// A linear method (softmax for classes, ridge regression for values) and a network of 64 tanh units, trained by `loss`
/// on the encoded features of `split`.
#[must_use]
pub fn baselines(split: &Split, loss: &dyn Loss, seed: u64, backend: &Device) -> Vec<Baseline> {
    let in_unit = |score| TestScore::of(score, &split.schema.targets);
    let network = |hidden| in_unit(train(split, hidden, loss, seed, backend));
    let linear = match &split.train.targets {
        Targets::Classes(_) => Baseline { name: "linear softmax", test: network(0) },
        Targets::Values(_) => {
            Baseline { name: "ridge regression", test: in_unit(ridge::test(split, loss)) }
        }
    };
    vec![linear, Baseline { name: "digital MLP, 64 units", test: network(HIDDEN) }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Schema;

    #[test]
    fn spikes_are_counted_in_parts_of_the_steps() {
        // Two lines in ten steps; line 1 fires in steps 0, 1 and 9.
        let mut raster = DMatrix::zeros(20, 1);
        for cell in [1, 3, 19] {
            raster[cell] = 1.0;
        }
        let samples = Dataset { features: raster, targets: Targets::Classes(vec![0]) };
        let split = Split {
            train: samples.clone(),
            test: samples,
            classes: Vec::new(),
            image: None,
            augmentation: None,
            schema: Schema::default(),
            warnings: Vec::new(),
        };
        assert_eq!(counted(&split, None), None);
        let counts = counted(&split, Some(10)).expect("the features are rasters").train.features;
        assert_eq!(counts.as_slice(), [0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
    }
}
