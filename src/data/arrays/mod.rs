//! Data sets in NumPy arrays; the first axis is the samples.

mod array;
mod labels;
mod new;
mod npy;
mod place;

use std::path::{Path, PathBuf};

use nalgebra::DMatrix;

pub use self::new::read_arrays;

pub(super) use self::array::Array;
pub(super) use self::labels::Labels;
pub(super) use self::place::{ArrayLocation, ends_in, names_in};

use super::halves::{Classes, Divisible, refuse_one_class};
use super::schema::scalings;
use super::split::constant_target;
use super::{
    ArraysConfig, Dataset, Feature, FeatureScaling, ImageSize, Locator, Schema, Split, SplitConfig,
    Targets,
};
use crate::Error;

/// Targets of the samples.
enum Answers {
    Classes(Labels),
    Values(Array),
}

impl Answers {
    fn read(
        classes: Option<ArrayLocation>,
        targets: Option<ArrayLocation>,
    ) -> Result<Option<Self>, Error> {
        Ok(match (classes, targets) {
            (Some(place), _) => Some(Self::Classes(Labels::read(&place)?)),
            (None, Some(place)) => Some(Self::Values(Array::read(place)?)),
            (None, None) => None,
        })
    }

    fn samples(&self) -> usize {
        match self {
            Self::Classes(labels) => labels.of_samples.len(),
            Self::Values(array) => array.samples(),
        }
    }
}

/// Locations of the arrays of samples.
struct Places {
    features: ArrayLocation,
    targets: Option<ArrayLocation>,
    classes: Option<ArrayLocation>,
}

/// Reads the arrays of a recipe. Without test samples, `split` and `seed` divide them.
pub(super) fn read(
    config: &ArraysConfig,
    locator: &Locator,
    split: &SplitConfig,
    seed: u64,
) -> Result<Split, Error> {
    let ArraysConfig { file, targets, classes, test_features, test_targets, test_classes, .. } =
        config;
    let refused = |problem: &str| Error::Data {
        path: file.clone().unwrap_or_else(|| config.features.clone()),
        problem: problem.to_owned(),
    };
    if targets.is_some() == classes.is_some() {
        return Err(refused(
            "it needs targets or classes, but not both; name values in data.source.arrays.targets, or classes in data.source.arrays.classes",
        ));
    }
    let are_tested = [test_features.is_some(), test_targets.is_some() || test_classes.is_some()];
    let same_kind = (test_targets.is_some(), test_classes.is_some());
    let is_complete = same_kind == (targets.is_some(), classes.is_some());
    if are_tested != [false; 2] && !(test_features.is_some() && is_complete) {
        return Err(refused(
            "test samples are incomplete; give data.source.arrays.test_features, and test_targets or test_classes like those of the training samples",
        ));
    }
    let file = file.as_ref().map(|file| locator.find(file)).transpose()?;
    let place = |name: &Path| -> Result<ArrayLocation, Error> {
        Ok(match &file {
            Some(file) => ArrayLocation {
                path: file.clone(),
                name: Some(name.to_string_lossy().into_owned()),
            },
            None => ArrayLocation { path: locator.find(name)?, name: None },
        })
    };
    let optional = |name: &Option<PathBuf>| name.as_ref().map(|name| place(name)).transpose();
    let train = Places {
        features: place(&config.features)?,
        targets: optional(targets)?,
        classes: optional(classes)?,
    };
    let test = match test_features {
        None => None,
        Some(features) => Some(Places {
            features: place(features)?,
            targets: optional(test_targets)?,
            classes: optional(test_classes)?,
        }),
    };
    let (features, answers) = train.read()?;
    match test {
        None => divide(features, answers, split, seed),
        Some(test) => {
            let (test_features, test_answers) = test.read()?;
            pair(features, answers, test_features, test_answers)
        }
    }
}

impl Places {
    /// Reads features and targets of the same number of samples.
    fn read(self) -> Result<(Array, Answers), Error> {
        let called = |place: &Option<ArrayLocation>| place.as_ref().map(ArrayLocation::called);
        let name = called(&self.targets).or_else(|| called(&self.classes)).unwrap_or_default();
        let features = Array::read(self.features)?;
        let Some(answers) = Answers::read(self.classes, self.targets)? else {
            return Err(features.place.broken("it has neither targets nor classes"));
        };
        same_number(&features, answers.samples(), &name)?;
        Ok((features, answers))
    }
}

/// Refuses features and targets of different lengths; the array `name` has `count` targets.
fn same_number(features: &Array, count: usize, name: &str) -> Result<(), Error> {
    if features.samples() == count {
        return Ok(());
    }
    Err(features.place.broken(&format!(
        "it has {} samples, but `{name}` has {count}; the first axis of both must have the same length",
        features.samples()
    )))
}

/// Divides samples by `config`.
fn divide(
    features: Array,
    answers: Answers,
    config: &SplitConfig,
    seed: u64,
) -> Result<Split, Error> {
    let path = features.place.path.clone();
    let classes = match &answers {
        Answers::Classes(labels) => {
            refuse_one_class(&path, &labels.names, None)?;
            Some(Classes { of_samples: &labels.of_samples, names: &labels.names })
        }
        Answers::Values(_) => None,
    };
    let divisible = Divisible { path: &path, samples: features.samples(), classes, aside: &[] };
    let halves = divisible.divide(config, seed)?;
    let (schema, warnings) = schema_of(&features, &answers, &halves.train)?;
    let image = features.image();
    let targets = match answers {
        Answers::Classes(labels) => {
            let numbers = |half: &[usize]| labels.numbers(half.iter().copied(), &schema, &path);
            [Targets::Classes(numbers(&halves.train)?), Targets::Classes(numbers(&halves.test)?)]
        }
        Answers::Values(array) => {
            array.numbers.halves(&scalings(&schema.targets), &halves).map(Targets::Values)
        }
    };
    let features = features.numbers.halves(&scalings(&schema.features), &halves);
    Ok(split(features, targets, schema, image, warnings))
}

/// Combines training and test samples from separate arrays.
fn pair(
    features: Array,
    answers: Answers,
    test_features: Array,
    test_answers: Answers,
) -> Result<Split, Error> {
    let every: Vec<usize> = (0..features.samples()).collect();
    let (schema, warnings) = schema_of(&features, &answers, &every)?;
    let path = test_features.place.path.clone();
    same_shape(&test_features, &features.shape)?;
    let image = features.image();
    let targets = match (answers, test_answers) {
        (Answers::Values(train), Answers::Values(test)) => {
            same_shape(&test, &train.shape)?;
            let scalings = scalings(&schema.targets);
            [train, test].map(|half| Targets::Values(half.numbers.scaled(&scalings)))
        }
        (Answers::Classes(train), Answers::Classes(test)) => {
            let numbers = |half: &Labels| half.numbers(0..half.of_samples.len(), &schema, &path);
            [Targets::Classes(numbers(&train)?), Targets::Classes(numbers(&test)?)]
        }
        // A recipe names the same kind for both; this is checked before anything is read.
        _ => return Err(test_features.place.broken("its samples have another kind of targets")),
    };
    let scalings = scalings(&schema.features);
    let features = [features, test_features].map(|half| half.numbers.scaled(&scalings));
    Ok(split(features, targets, schema, image, warnings))
}

/// Refuses test samples with another shape than the training samples.
fn same_shape(test: &Array, train: &[usize]) -> Result<(), Error> {
    if test.shape[1..] == train[1..] {
        return Ok(());
    }
    Err(test.place.broken(&format!(
        "its samples have the shape {:?}, but the training samples have {:?}",
        &test.shape[1..],
        &train[1..]
    )))
}

fn split(
    [train, test]: [DMatrix<f32>; 2],
    [train_targets, test_targets]: [Targets; 2],
    schema: Schema,
    image: Option<ImageSize>,
    warnings: Vec<String>,
) -> Split {
    Split {
        train: Dataset { features: train, targets: train_targets },
        test: Dataset { features: test, targets: test_targets },
        classes: schema.classes.clone(),
        image,
        augmentation: None,
        schema,
        warnings,
    }
}

/// Names, classes and scaling of the training samples `train`, and warnings about them.
fn schema_of(
    features: &Array,
    answers: &Answers,
    train: &[usize],
) -> Result<(Schema, Vec<String>), Error> {
    let named = |array: &Array, scalings: Vec<FeatureScaling>| -> Vec<Feature> {
        let names = array.names().into_iter();
        names.zip(scalings).map(|(name, scaling)| Feature { name, scaling }).collect()
    };
    let scalings = features.numbers.feature_scalings(features.width(), train);
    let mut schema = Schema { features: named(features, scalings), ..Schema::default() };
    let mut warnings = Vec::new();
    match answers {
        Answers::Classes(labels) => {
            schema.classes = labels.occurring(train.iter().copied());
            refuse_one_class(&features.place.path, &schema.classes, None)?;
        }
        Answers::Values(array) => {
            let Array { place, numbers, .. } = array;
            schema.targets = named(array, numbers.target_scalings(array.width(), train));
            for target in numbers.constants(array.width(), train) {
                warnings.push(constant_target(&place.path, &schema.targets[target].name));
            }
        }
    }
    Ok((schema, warnings))
}
