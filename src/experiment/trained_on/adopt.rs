//! Data at hand as a training had them: features and targets by name in its order and scaling, labels by its classes.

use nalgebra::DMatrix;

use super::changes::{absent, listed, name_changes, scaling_changes};
use super::record::TrainedOn;
use crate::Error;
use crate::data::{Dataset, Feature, FeatureScaling, Schema, Split, Targets};

/// The data of `split` for a network that was trained on `before`, and what is new or missing in them, a sentence
/// each. Values that differ are left as they are, and columns in another order are no difference.
///
/// # Errors
/// [`Error::Usage`] names features and targets that are missing and classes that the network does not know, for which
/// there is no remedy but other data; `run` is for the message.
pub(in super::super) fn adopt(
    mut split: Split,
    before: &TrainedOn,
    run: &str,
) -> Result<(Split, Vec<String>), Error> {
    let schema = before.schema();
    refuse_unfit(&split.schema, &split.classes, &schema, run)?;
    if before.image != split.image {
        return Err(Error::Usage(format!(
            "{run}: its network cannot take these data: images of another size; name the folder of the training's files with option `data_dir`"
        )));
    }
    let Schema { features, targets, .. } = &split.schema;
    if (features, targets) == (&schema.features, &schema.targets) && split.classes == before.classes
    {
        return Ok((split, Vec::new()));
    }
    let mut changes = name_changes(&schema, &split.schema);
    changes.extend(scaling_changes(&schema, &split.schema));
    let of_features = Rows::between(features, &schema.features);
    let of_targets = Rows::between(targets, &schema.targets);
    for (what, rows) in [("features", &of_features), ("targets", &of_targets)] {
        if !rows.0.is_sorted_by_key(|row| row.place) {
            split.warnings.push(format!(
                "{run}: the {what} are in another order than in the training; they are taken by their names"
            ));
        }
    }
    let labels: Vec<usize> =
        split.classes.iter().filter_map(|class| schema.class_of(class)).collect();
    let half = |half: Dataset| Dataset {
        features: of_features.of(&half.features),
        targets: match half.targets {
            Targets::Classes(classes) => {
                Targets::Classes(classes.into_iter().map(|label| labels[label]).collect())
            }
            Targets::Values(values) => Targets::Values(of_targets.of(&values)),
        },
    };
    let (train, test) = (half(split.train), half(split.test));
    let classes = before.classes.clone();
    Ok((Split { train, test, classes, schema, ..split }, changes))
}

/// Refuses data of the schema `now` with `classes` for the run `run` that was trained on `before`, where it cannot
/// take them.
fn refuse_unfit(now: &Schema, classes: &[String], before: &Schema, run: &str) -> Result<(), Error> {
    let texts = |names: &'static str, where_not, absent: Vec<&str>| {
        (!absent.is_empty()).then(|| format!("{names} {where_not}: {}", listed(&absent)))
    };
    let known = before.classes.iter().map(String::as_str);
    let missing = absent(before.feature_names(), now.feature_names());
    let unknown = absent(classes.iter().map(String::as_str), known);
    let missing_targets = absent(before.target_names(), now.target_names());
    let mut said: Vec<String> = [
        texts("features", "not in the data", missing),
        texts("classes", "not in the training", unknown),
        texts("targets", "not in the data", missing_targets),
    ]
    .into_iter()
    .flatten()
    .collect();
    if before.targets.is_empty() && !now.targets.is_empty() {
        said.push("their targets are values, and those of the training were classes".to_owned());
    }
    let new = absent(now.feature_names(), before.feature_names());
    if !said.is_empty() && !new.is_empty() {
        said.push(format!("features that are new: {}", listed(&new)));
    }
    if said.is_empty() {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "{run}: its network cannot take these data: {}; name the folder of the training's files with option `data_dir`",
        said.join("; ")
    )))
}

/// Where each row of the training's is in the data at hand, and how it is scaled.
struct Rows(Vec<Row>);

struct Row {
    place: usize,
    here: FeatureScaling,
    before: FeatureScaling,
}

impl Rows {
    /// From the rows `now` to `before`, all of which are there.
    fn between(now: &[Feature], before: &[Feature]) -> Self {
        let row = |feature: &Feature| {
            let place = now.iter().position(|here| here.name == feature.name)?;
            Some(Row { place, here: now[place].scaling, before: feature.scaling })
        };
        Self(before.iter().filter_map(row).collect())
    }

    /// The rows of `values` `[rows × samples]` in the training's order and scaling.
    fn of(&self, values: &DMatrix<f32>) -> DMatrix<f32> {
        DMatrix::from_fn(self.0.len(), values.ncols(), |row, sample| {
            let Row { place, here, before } = self.0[row];
            let value = values[(place, sample)];
            if here == before { value } else { before.apply(here.invert(value)) }
        })
    }
}
