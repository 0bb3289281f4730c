//! Data at hand as a training had them: features by name in its order and scaling, labels by its classes.

use nalgebra::DMatrix;

use super::changes::{absent, listed, name_changes};
use super::record::TrainedOn;
use crate::Error;
use crate::data::{Dataset, FeatureScaling, Split};

/// The data of `split` for a network that was trained on `before`, and what is new or missing in them, a sentence
/// each. Values that differ are left as they are, and columns in another order are no difference.
///
/// # Errors
/// [`Error::Usage`] names features that are missing and classes that the network does not know, for which there
/// is no remedy but other data; `run` is for the message.
pub(in super::super) fn adopt(
    mut split: Split,
    before: &TrainedOn,
    run: &str,
) -> Result<(Split, Vec<String>), Error> {
    let schema = before.schema();
    let (known, here) = (schema.feature_names(), split.schema.feature_names());
    let missing = absent(known, here);
    let unknown =
        absent(split.classes.iter().map(String::as_str), before.classes.iter().map(String::as_str));
    let said =
        [("features", "not in the data", missing), ("classes", "not in the training", unknown)];
    let mut said: Vec<String> = said
        .into_iter()
        .filter(|(.., names)| !names.is_empty())
        .map(|(noun, where_not, names)| format!("{noun} {where_not}: {}", listed(&names)))
        .collect();
    let new = absent(split.schema.feature_names(), schema.feature_names());
    if !said.is_empty() && !new.is_empty() {
        said.push(format!("features that are new: {}", listed(&new)));
    }
    if !said.is_empty() {
        return Err(Error::Usage(format!(
            "{run}: its network cannot take these data: {}; name the folder of the training's files with option `data_dir`",
            said.join("; ")
        )));
    }
    if before.image != split.image {
        return Err(Error::Usage(format!(
            "{run}: its network cannot take these data: images of another size; name the folder of the training's files with option `data_dir`"
        )));
    }
    if split.schema.features == schema.features && split.classes == before.classes {
        return Ok((split, Vec::new()));
    }
    let changes = name_changes(&schema, &split.schema);
    let place = |name: &str| split.schema.feature_names().position(|here| here == name);
    let columns: Vec<usize> = schema.feature_names().filter_map(place).collect();
    if !columns.is_sorted() {
        split.warnings.push(format!(
            "{run}: the features are in another order than in the training; they are taken by their names"
        ));
    }
    let scaling: Vec<(FeatureScaling, FeatureScaling)> = columns
        .iter()
        .zip(&schema.features)
        .map(|(&column, feature)| (split.schema.features[column].scaling, feature.scaling))
        .collect();
    let labels: Vec<usize> =
        split.classes.iter().filter_map(|class| schema.class_of(class)).collect();
    let half = |half: Dataset| Dataset {
        features: DMatrix::from_fn(columns.len(), half.features.ncols(), |feature, sample| {
            let value = half.features[(columns[feature], sample)];
            let (from, to) = scaling[feature];
            if from == to { value } else { to.apply(f64::from(value) * from.unit + from.offset) }
        }),
        targets: half
            .targets
            .classes()
            .iter()
            .map(|&label| labels[label])
            .collect::<Vec<_>>()
            .into(),
    };
    let (train, test) = (half(split.train), half(split.test));
    let classes = before.classes.clone();
    Ok((Split { train, test, classes, schema, ..split }, changes))
}
