//! What a recipe says about arrays that NumPy has written.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Arrays in one NPZ archive, or in an NPY file each. The first axis of each is the sample; what is behind it is
/// flattened in C order. Features of two axes (or of two that are longer than one) are images.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArraysConfig {
    /// The NPZ archive that has the arrays; without it, each is an NPY file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// The features, `(samples, …)`: an array's name in `file`, or an NPY file.
    pub features: PathBuf,
    /// Values that the network answers, `(samples, …)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<PathBuf>,
    /// In the place of targets, the class of each sample, `(samples)`: whole numbers or text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<PathBuf>,
    /// Features of test samples; then nothing is divided.
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
    /// The files that are read: the archive, or a file an array.
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
