//! From a table to training and test samples.

use rand::seq::SliceRandom;
use twinprop_devices::random;

use super::table::Table;
use super::{FeatureScaling, Schema, Split, SplitConfig, classes};
use crate::Error;

/// Divides one table as `config` says; `seed` draws a random split.
pub(super) fn divide(table: Table, config: &SplitConfig, seed: u64) -> Result<Split, Error> {
    let classes = classes::of_labels(table.labels.iter());
    refuse_one_class(&table, &classes)?;
    let all = Schema::unscaled(Vec::new(), classes.clone());
    // Every label is in `classes`, which were made from them.
    let labels: Vec<usize> =
        table.labels.iter().map(|label| all.class_of(label).unwrap_or(0)).collect();
    let (mut train, mut test) = (Vec::new(), Vec::new());
    match config {
        SplitConfig::Stratified { test_fraction } => {
            for (class, name) in classes.iter().enumerate() {
                let mut members: Vec<usize> =
                    (0..labels.len()).filter(|&sample| labels[sample] == class).collect();
                members.shuffle(&mut random::stream(seed, &format!("split class {class}")));
                let tested = (members.len() as f64 * test_fraction).round() as usize;
                if tested == 0 || tested == members.len() {
                    return Err(Error::Data {
                        path: table.path,
                        problem: format!(
                            "the class `{name}` has too few samples ({}) to test {test_fraction} of them; add samples or change data.split.stratified.test_fraction",
                            members.len()
                        ),
                    });
                }
                train.extend_from_slice(&members[tested..]);
                test.extend_from_slice(&members[..tested]);
            }
            train.sort_unstable();
            test.sort_unstable();
        }
        SplitConfig::ByColumn { column, test: values } => {
            for (sample, value) in table.aside.iter().enumerate() {
                if values.iter().any(|tested| classes::same(tested, value)) {
                    &mut test
                } else {
                    &mut train
                }
                .push(sample);
            }
            let absent: Vec<&String> = values
                .iter()
                .filter(|tested| !table.aside.iter().any(|value| classes::same(tested, value)))
                .collect();
            if let (Some(absent), false) = (absent.first(), test.is_empty()) {
                return Err(Error::Data {
                    path: table.path,
                    problem: format!(
                        "column `{column}`: no sample has the value {absent}; check data.split.by_column.test"
                    ),
                });
            }
            if train.is_empty() || test.is_empty() {
                let which = if test.is_empty() { "no sample" } else { "every sample" };
                return Err(Error::Data {
                    path: table.path,
                    problem: format!(
                        "column `{column}`: {which} has one of the values {}; check data.split.by_column.test",
                        values.join(", ")
                    ),
                });
            }
        }
    }
    let schema = schema_of(&table, &train)?;
    Ok(Split {
        train: schema.dataset(&table.choose(&train))?,
        test: schema.dataset(&table.choose(&test))?,
        classes: schema.classes.clone(),
        image: table.image,
        augmentation: None,
        schema,
        warnings: table.warnings,
    })
}

/// A training table and a test table of the same columns, in any order.
pub(super) fn pair(mut train: Table, mut test: Table) -> Result<Split, Error> {
    let every: Vec<usize> = (0..train.rows.len()).collect();
    let schema = schema_of(&train, &every)?;
    let mut warnings = std::mem::take(&mut train.warnings);
    warnings.append(&mut test.warnings);
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
    let classes = classes::of_labels(train.iter().map(|&sample| &table.labels[sample]));
    refuse_one_class(table, &classes)?;
    let mut schema = Schema::unscaled(table.features.clone(), classes);
    schema.label.clone_from(&table.label);
    if !table.in_f32 {
        for (place, feature) in schema.features.iter_mut().enumerate() {
            feature.scaling =
                FeatureScaling::of(train.iter().map(|&sample| table.rows[sample][place]));
        }
    }
    Ok(schema)
}

fn refuse_one_class(table: &Table, classes: &[String]) -> Result<(), Error> {
    let [only] = classes else {
        return Ok(());
    };
    let problem = match &table.label {
        Some(label) => format!(
            "the label column `{label}` has one class in the training samples, `{only}`; name the label column in data.source.csv.label, or add samples of another class"
        ),
        None => format!("the training samples have one class, `{only}`; add samples of another"),
    };
    Err(Error::Data { path: table.path.clone(), problem })
}
