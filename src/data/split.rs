//! From a table to training and test samples.

use nalgebra::DMatrix;
use rand::seq::SliceRandom;
use twinprop_devices::random;

use super::table::Table;
use super::{Dataset, Split, SplitConfig};
use crate::Error;

/// Divides one table as `config` says; `seed` draws a random split.
pub(super) fn divide(table: Table, config: &SplitConfig, seed: u64) -> Result<Split, Error> {
    let classes = class_names([&table]);
    let labels = class_numbers(&table, &classes);
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
                            "the class `{name}` has {} samples, too few to test {test_fraction} of them; add samples or change data.split.stratified.test_fraction",
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
                if values.contains(value) { &mut test } else { &mut train }.push(sample);
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
    let all = dataset(&table, labels);
    Ok(Split {
        train: all.choose(&train),
        test: all.choose(&test),
        classes,
        image: table.image,
        augmentation: None,
    })
}

/// A training table and a test table of the same columns.
pub(super) fn pair(train: Table, test: Table) -> Result<Split, Error> {
    if train.features != test.features {
        return Err(Error::Data {
            problem: format!(
                "its features are {}, but those of {} are {}",
                test.features.join(", "),
                train.path.display(),
                train.features.join(", ")
            ),
            path: test.path,
        });
    }
    let classes = class_names([&train, &test]);
    let [train, test] = [train, test].map(|table| {
        let labels = class_numbers(&table, &classes);
        dataset(&table, labels)
    });
    Ok(Split { train, test, classes, image: None, augmentation: None })
}

fn dataset(table: &Table, labels: Vec<usize>) -> Dataset {
    let features = DMatrix::from_fn(table.features.len(), table.rows.len(), |feature, sample| {
        table.rows[sample][feature]
    });
    Dataset { features, labels }
}

fn class_names<'a>(tables: impl IntoIterator<Item = &'a Table>) -> Vec<String> {
    let mut names: Vec<String> =
        tables.into_iter().flat_map(|table| table.labels.iter().cloned()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn class_numbers(table: &Table, classes: &[String]) -> Vec<usize> {
    // Every label is in `classes`, which was made from them.
    table.labels.iter().map(|label| classes.partition_point(|name| name < label)).collect()
}
