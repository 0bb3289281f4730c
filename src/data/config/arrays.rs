//! NumPy arrays in a recipe.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// NumPy arrays in one NPZ archive or several NPY files. The first axis is the sample; the other axes are flattened in
/// C order. Features with two further axes (not counting axes of length 1) are images.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArraysConfig {
    /// NPZ archive of the arrays; without it, each array is an NPY file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Features, shape `(samples, …)`: the name of an array in `file`, or an NPY file.
    pub features: PathBuf,
    /// Target values, shape `(samples, …)`. Give either `targets` or `classes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<PathBuf>,
    /// Class of each sample, shape `(samples)`: whole numbers or text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<PathBuf>,
    /// Features of test samples; without them, `split` divides the samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_features: Option<PathBuf>,
    /// Targets of the test samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_targets: Option<PathBuf>,
    /// Classes of the test samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_classes: Option<PathBuf>,
}

impl ArraysConfig {
    /// Files to read: the archive, or one file per array.
    pub(in crate::data) fn files_mut(&mut self) -> Vec<&mut PathBuf> {
        if let Some(file) = &mut self.file {
            return vec![file];
        }
        let others = [
            &mut self.targets,
            &mut self.classes,
            &mut self.test_features,
            &mut self.test_targets,
            &mut self.test_classes,
        ];
        [&mut self.features].into_iter().chain(others.into_iter().flatten()).collect()
    }
}
