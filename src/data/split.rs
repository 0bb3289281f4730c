//! Divides a table into training and test samples.

use std::path::Path;

use super::halves::{Classes, Divisible, Halves, refuse_one_class};
use super::table::Table;
use super::{Feature, FeatureScaling, Schema, Split, SplitConfig, classes};
use crate::Error;

/// Divides one table by `config`; `seed` draws a random split.
pub(super) fn divide(table: Table, config: &SplitConfig, seed: u64) -> Result<Split, Error> {
    let names = classes::of_labels(table.labels.iter());
    refuse_one_class(&table.path, &names, table.label.as_deref())?;
    let all = Schema::unscaled(Vec::new(), names.clone());
    // `names` has every label.
    let of_samples: Vec<usize> =
        table.labels.iter().map(|label| all.class_of(label).unwrap_or(0)).collect();
    let has_classes = table.targets.is_empty();
    let divisible = Divisible {
        path: &table.path,
        samples: table.rows.len(),
        classes: has_classes.then_some(Classes { of_samples: &of_samples, names: &names }),
        aside: &table.aside,
    };
    let Halves { train, test } = divisible.divide(config, seed)?;
    let schema = schema_of(&table, &train)?;
    let mut warnings = constant_targets(&table, &train);
    let split = Split {
        train: schema.dataset(&table.choose(&train))?,
        test: schema.dataset(&table.choose(&test))?,
        classes: schema.classes.clone(),
        image: table.image,
        augmentation: None,
        schema,
        warnings: Vec::new(),
    };
    warnings.splice(0..0, table.warnings);
    Ok(Split { warnings, ..split })
}

/// Combines a training table and a test table with the same columns, in any order.
pub(super) fn pair(mut train: Table, mut test: Table) -> Result<Split, Error> {
    let every: Vec<usize> = (0..train.rows.len()).collect();
    let schema = schema_of(&train, &every)?;
    let mut warnings = std::mem::take(&mut train.warnings);
    warnings.append(&mut test.warnings);
    warnings.append(&mut constant_targets(&train, &every));
    Ok(Split {
        train: schema.dataset(&train)?,
        test: schema.dataset(&test)?,
        classes: schema.classes.clone(),
        image: None,
        augmentation: None,
        schema,
        warnings,
    })
}

/// Names, classes and scaling of the training samples `train`.
fn schema_of(table: &Table, train: &[usize]) -> Result<Schema, Error> {
    // A table has no labels if its targets are values.
    let labels = train.iter().filter_map(|&sample| table.labels.get(sample));
    let classes = classes::of_labels(labels);
    refuse_one_class(&table.path, &classes, table.label.as_deref())?;
    let mut schema = Schema::unscaled(table.features.clone(), classes);
    schema.label.clone_from(&table.label);
    if !table.in_f32 {
        for (place, feature) in schema.features.iter_mut().enumerate() {
            feature.scaling =
                FeatureScaling::of(train.iter().map(|&sample| table.rows[sample][place]));
        }
    }
    let targets = table.targets.iter().enumerate().map(|(place, name)| Feature {
        name: name.clone(),
        scaling: FeatureScaling::standard(targets_of(table, train, place)),
    });
    schema.targets = targets.collect();
    Ok(schema)
}

/// Values of the target `place` in the samples `train`.
fn targets_of(table: &Table, train: &[usize], place: usize) -> impl Iterator<Item = f64> + Clone {
    train.iter().map(move |&sample| table.target_rows[sample][place])
}

/// Warnings of targets that are equal in all samples of `train`.
fn constant_targets(table: &Table, train: &[usize]) -> Vec<String> {
    let is_constant = |place: usize| {
        let mut values = targets_of(table, train, place);
        let first = values.next();
        values.all(|value| Some(value) == first)
    };
    let names = table.targets.iter().enumerate().filter(|&(place, _)| is_constant(place));
    names.map(|(_, name)| constant_target(&table.path, name)).collect()
}

/// Warning of the constant target `name` of `path`.
pub(super) fn constant_target(path: &Path, name: &str) -> String {
    format!(
        "{}: the target `{name}` is the same in all training samples; a network cannot learn from it",
        path.display()
    )
}
